//! The layers of a graph: each read once, its blob held against its digest and its tar against its diffIDs.

use std::io::{self, BufReader, Read};

use miette::{Report, miette};
use oci_spec::image::{Descriptor, Digest};

use super::{Problem, ProblemPart, consume, problem};
use crate::error::Result;
use crate::image::digest::Hasher;
use crate::image::layer::decompress::decompress;
use crate::image::media_type::is_layer;
use crate::interrupt;
use crate::parallel::{FEW, each};
use crate::platform::Platform;
use crate::store::atomic::ReadError;
use crate::store::{Missing, Source, open};

/// LayerChecks that are to be checked, each once, whoever has it.
#[derive(Default)]
pub struct LayerChecks(Vec<LayerCheck>);

struct LayerCheck {
    descriptor: Descriptor,
    /// What its config says; nothing where there is no such config.
    diff_id: Option<String>,
    platforms: Vec<Platform>,
}

impl LayerChecks {
    /// Adds a layer of the image for `platform`.
    pub fn add(&mut self, descriptor: &Descriptor, diff_id: Option<&String>, platform: Option<&Platform>) {
        let is_it = |known: &&mut LayerCheck| {
            let described = |of: &Descriptor| (of.digest().clone(), of.size(), of.media_type().clone());
            // One image's config may be lost, and that of another that has the layer is not.
            let agrees = diff_id.is_none() || known.diff_id.is_none() || known.diff_id.as_ref() == diff_id;
            agrees && described(&known.descriptor) == described(descriptor)
        };
        let platforms: Vec<_> = platform.cloned().into_iter().collect();
        match self.0.iter_mut().find(is_it) {
            Some(known) => {
                known.platforms.extend(platforms);
                known.diff_id = known.diff_id.take().or(diff_id.cloned());
            }
            None => self.0.push(LayerCheck { descriptor: descriptor.clone(), diff_id: diff_id.cloned(), platforms }),
        }
    }

    /// Checks them all; gives what is wrong, in the order in which they were added.
    pub fn check(&self, source: &dyn Source) -> Vec<Problem> {
        let found = each(&self.0, FEW, |layer| {
            let error = layer.check(source).err();
            Ok(error.map(|error| problem(&layer.descriptor, ProblemPart::Layer, layer.platforms.clone(), &error)))
        });
        found.into_iter().flatten().flatten().collect()
    }
}

impl LayerCheck {
    fn check(&self, source: &dyn Source) -> Result<()> {
        let Some(diff_id) = self.diff_id.as_ref().filter(|_| is_layer(self.descriptor.media_type())) else {
            return match consume(source, &self.descriptor) {
                // Such a layer may be where its `urls` say, and nowhere else (image-spec, `layer.md`).
                Err(error) if error.downcast_ref::<Missing>().is_some() && self.is_elsewhere() => Ok(()),
                consumed => consumed,
            };
        };
        let mut blob = open(source, &self.descriptor)?;
        let checked = self.tar(&mut blob, diff_id);
        // Content that is not the layer's is called that, not a broken tar.
        io::copy(&mut blob, &mut io::sink()).map_err(ReadError)?;
        checked
    }

    fn is_elsewhere(&self) -> bool {
        self.descriptor.urls().as_ref().is_some_and(|urls| !urls.is_empty())
    }

    /// Holds the tar in `blob` against its diffID.
    fn tar(&self, blob: &mut dyn Read, diff_id: &str) -> Result<()> {
        let wanted = Digest::try_from(diff_id).map_err(|_| miette!("its diffID `{diff_id}` is no digest"))?;
        let hasher = Hasher::like(&wanted);
        let mut hasher = hasher.ok_or_else(|| miette!("its diffID {wanted} cannot be checked"))?;
        let mut tar =
            decompress(self.descriptor.media_type(), BufReader::with_capacity(BUFFER, blob)).map_err(broken)?;
        let mut buffer = vec![0; BUFFER];
        loop {
            // Much can come out of little.
            interrupt::check().map_err(broken)?;
            match tar.read(&mut buffer).map_err(broken)? {
                0 => break,
                read => hasher.update(&buffer[..read]),
            }
        }
        match hasher.finish() {
            got if got == wanted => Ok(()),
            got => Err(miette!("the config says diffID {wanted}, the content is {got}")),
        }
    }
}

const BUFFER: usize = 128 << 10;

/// A blob that is what its digest says, but not the compressed tar that its type says.
fn broken(error: io::Error) -> Report {
    miette!("it cannot be decompressed: {error}")
}
