//! What a caller does while images are built.

use std::collections::HashSet;

use oci_spec::image::Descriptor;

use crate::base::Base;
use crate::error::Result;
use crate::plan::ImagePlan;
use crate::store::Source;

/// What a caller does with images while cargo runs. `()` does nothing.
pub(crate) trait Hooks: Sync {
    /// Called as soon as there is a plan.
    ///
    /// # Errors
    /// Returns an error if it is useless to go on.
    fn on_plan(&self, _: &[ImagePlan]) -> Result<()> {
        Ok(())
    }

    /// Called with the bases of all images while cargo compiles, and after [`Hooks::on_plan`]. It is not called if cargo
    /// has nothing to compile.
    ///
    /// # Errors
    /// Returns an error if it is useless to go on.
    fn while_compiling(&self, _: &[ImageBase]) -> Result<()> {
        Ok(())
    }
}

impl Hooks for () {}

/// The base of the image with the same number in the plan.
pub(crate) struct ImageBase<'a> {
    /// The image.
    pub plan: &'a ImagePlan,
    /// Its base.
    pub base: &'a Base,
    /// The content of the base.
    pub source: &'a dyn Source,
}

impl ImageBase<'_> {
    /// Returns the layers of the base for all platforms, each once.
    pub(crate) fn layers(&self) -> Vec<Descriptor> {
        let mut seen = HashSet::new();
        let layers = self.base.images.iter().flat_map(|image| &image.layers);
        layers.filter(|layer| seen.insert(layer.digest())).cloned().collect()
    }
}
