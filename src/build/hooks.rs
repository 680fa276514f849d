//! What a caller does while images are built.

use std::collections::HashSet;

use oci_spec::image::Descriptor;

use crate::base::Base;
use crate::error::Result;
use crate::plan::ImagePlan;
use crate::store::Source;

/// What is done for images while cargo runs, by those who do something with them.
pub trait Ahead: Sync {
    /// As soon as there is a plan.
    ///
    /// # Errors
    /// What makes it useless to go on.
    fn begin(&self, _: &[ImagePlan]) -> Result<()> {
        Ok(())
    }

    /// As soon as the bases of the images are known, and after [`Ahead::begin`].
    ///
    /// # Errors
    /// What makes it useless to go on.
    fn bases(&self, _: &[ImageBase]) -> Result<()> {
        Ok(())
    }

    /// When cargo has something to compile: all that is to be done with the bases.
    ///
    /// # Errors
    /// What makes it useless to go on.
    fn wait(&self, _: &[ImageBase]) -> Result<()> {
        Ok(())
    }
}

/// What is below the image of the same number in a plan.
pub struct ImageBase<'a> {
    /// The image.
    pub plan: &'a ImagePlan,
    /// The base.
    pub base: &'a Base,
    /// Its content.
    pub source: &'a dyn Source,
}

impl ImageBase<'_> {
    /// The layers of the base for all platforms, each once.
    pub fn layers(&self) -> Vec<Descriptor> {
        let mut seen = HashSet::new();
        let layers = self.base.images.iter().flat_map(|image| &image.layers);
        layers.filter(|layer| seen.insert(layer.digest())).cloned().collect()
    }
}

/// There is nothing to do before images are there.
impl Ahead for () {}
