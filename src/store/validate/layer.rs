//! Validation of layers: each is read once, however many images have it.

use std::io;

use miette::miette;
use oci_spec::image::{Descriptor, Digest};

use super::problem::{Problem, ProblemPart};
use crate::error::Result;
use crate::image::layer::decompress::TarLimit;
use crate::image::media_type::is_layer;
use crate::image::{DiffId, Layer};
use crate::parallel::{FEW, each};
use crate::platform::Platform;
use crate::store::error::{Missing, ReadError};
use crate::store::source::{Source, open};

/// The layers to validate, each once.
#[derive(Default)]
pub(crate) struct LayerChecks(Vec<LayerCheck>);

struct LayerCheck {
    descriptor: Descriptor,
    /// The diffID in the config, or `None` if the config has none.
    diff_id: Option<String>,
    platforms: Vec<Platform>,
}

impl LayerChecks {
    /// Adds a layer of the image for `platform`.
    pub(crate) fn add(&mut self, descriptor: &Descriptor, diff_id: Option<&String>, platform: Option<&Platform>) {
        let platforms: Vec<_> = platform.cloned().into_iter().collect();
        match self.0.iter_mut().find(|known| known.is_same(descriptor, diff_id)) {
            Some(known) => {
                known.platforms.extend(platforms);
                known.diff_id = known.diff_id.take().or(diff_id.cloned());
            }
            None => self.0.push(LayerCheck { descriptor: descriptor.clone(), diff_id: diff_id.cloned(), platforms }),
        }
    }

    /// Validates all layers. Returns the problems in the order in which the layers were added.
    pub(crate) fn run(&self, source: &dyn Source) -> Vec<Problem> {
        let limit = TarLimit::of(self.0.iter().map(|layer| &layer.descriptor));
        let problems = each(&self.0, FEW, |layer| {
            let error = layer.run(source, &limit).err();
            Ok(error.map(|error| Problem::new(&layer.descriptor, ProblemPart::Layer, layer.platforms.clone(), &error)))
        });
        problems.into_iter().flatten().flatten().collect()
    }
}

impl LayerCheck {
    /// Returns whether it is the same layer. The config of one image may lack the diffID that another one has.
    fn is_same(&self, descriptor: &Descriptor, diff_id: Option<&String>) -> bool {
        let same_diff_id = diff_id.is_none() || self.diff_id.is_none() || self.diff_id.as_ref() == diff_id;
        same_diff_id
            && self.descriptor.digest() == descriptor.digest()
            && self.descriptor.size() == descriptor.size()
            && self.descriptor.media_type() == descriptor.media_type()
    }

    fn run(&self, source: &dyn Source, limit: &TarLimit) -> Result<()> {
        let descriptor = self.descriptor.clone();
        let Some(diff_id) = self.diff_id.as_ref().filter(|_| is_layer(descriptor.media_type())) else {
            return match verify_blob(source, &descriptor) {
                // Such a layer may only be available at its `urls` (image-spec, `layer.md`).
                Err(error) if error.downcast_ref::<Missing>().is_some() && self.has_urls() => Ok(()),
                verified => verified,
            };
        };
        let digest = Digest::try_from(diff_id.as_str());
        let digest = digest.map_err(|_| miette!("its diffID `{diff_id}` is not a digest"))?;
        Layer { descriptor, diff_id: DiffId(digest) }.verify(source, limit)
    }

    fn has_urls(&self) -> bool {
        self.descriptor.urls().as_ref().is_some_and(|urls| !urls.is_empty())
    }
}

/// Reads all of a blob and verifies it against its descriptor.
pub(crate) fn verify_blob(source: &dyn Source, descriptor: &Descriptor) -> Result<()> {
    io::copy(&mut open(source, descriptor)?, &mut io::sink()).map_err(ReadError)?;
    Ok(())
}
