//! One image on its way through the pipeline.

use std::collections::HashMap;
use std::sync::{Mutex, OnceLock};

use miette::miette;

use super::base::{BaseState, PreparedBase};
use super::image::ImageBuilder;
use crate::base::Base;
use crate::compile::Binary;
use crate::error::Result;
use crate::image::layer::Layer;
use crate::parallel::lock;
use crate::plan::ImagePlan;
use crate::platform::Target;

/// An image whose layout is not begun yet.
pub(crate) struct PlannedImage<'a> {
    /// The plan of the image.
    pub plan: &'a ImagePlan,
    /// The state of its base.
    pub base: BaseState,
}

impl PlannedImage<'_> {
    /// Returns the base, or `None` if it was not looked at yet.
    pub(crate) fn base(&self) -> Option<&Base> {
        match &self.base {
            BaseState::Unknown => None,
            BaseState::Read(base) | BaseState::Prepared(PreparedBase { base, .. }) => Some(base),
        }
    }

    /// Returns the targets of the image.
    pub(crate) fn targets(&self) -> Vec<Target> {
        match self.base() {
            Some(base) => base.images.iter().map(|image| image.target).collect(),
            None => self.plan.targets().unwrap_or_default(),
        }
    }
}

/// An image that is being built.
pub(crate) struct ImageJob<'a> {
    /// The plan of the image.
    pub plan: &'a ImagePlan,
    /// Its targets.
    pub targets: Vec<Target>,
    /// Writes it.
    pub builder: ImageBuilder<'a>,
    /// The documents of its base, if they were read before cargo ran.
    documents: Option<Base>,
    prepared: OnceLock<PreparedBase>,
    /// The layers of its binaries that are done.
    layers: Mutex<HashMap<Target, Layer>>,
}

impl<'a> ImageJob<'a> {
    /// Creates the job of an image. Nothing is written yet.
    pub(crate) fn new(image: PlannedImage<'a>, builder: ImageBuilder<'a>) -> ImageJob<'a> {
        let targets = image.targets();
        let (documents, prepared) = match image.base {
            BaseState::Unknown => (None, OnceLock::new()),
            BaseState::Read(base) => (Some(base), OnceLock::new()),
            BaseState::Prepared(prepared) => (None, prepared.into()),
        };
        ImageJob { plan: image.plan, targets, builder, documents, prepared, layers: Mutex::default() }
    }

    /// Returns the documents of the base if its layers were not prepared yet.
    pub(crate) fn documents(&self) -> Option<&Base> {
        self.documents.as_ref()
    }

    /// Returns whether the base is prepared.
    pub(crate) fn is_prepared(&self) -> bool {
        self.prepared.get().is_some()
    }

    /// Sets the prepared base.
    pub(crate) fn set_prepared(&self, base: PreparedBase) {
        // A base is prepared once.
        let _ = self.prepared.set(base);
    }

    /// Returns the prepared base.
    ///
    /// # Errors
    /// Returns an error if it was not prepared.
    pub(crate) fn prepared(&self) -> Result<&PreparedBase> {
        self.prepared.get().ok_or_else(|| miette!("the base {} was not prepared", self.plan.base))
    }

    /// Writes the layer of the binaries for a target.
    ///
    /// # Errors
    /// Returns an error if the binaries cannot be read, or the layout cannot be written.
    pub(crate) fn write_binaries(&self, target: Target, binaries: &[Binary]) -> Result<()> {
        let layer = self.builder.binaries(target, binaries)?;
        lock(&self.layers).insert(target, layer);
        Ok(())
    }

    /// Returns the layer of the binaries for a target.
    ///
    /// # Errors
    /// Returns an error if cargo did not build them.
    pub(crate) fn layer(&self, target: Target) -> Result<Layer> {
        let layer = lock(&self.layers).get(&target).cloned();
        layer.ok_or_else(|| miette!("cargo did not build the binaries for {}", target.triple))
    }
}
