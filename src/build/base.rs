//! The bases of the images of a plan.

use super::verify_base::BaseVerifier;
use super::{budget, files, settings, support};
use crate::assets::BaseFacts;
use crate::base::Base;
use crate::context::base::Bases;
use crate::error::Result;
use crate::plan::ImagePlan;

/// A base, and what it decides of our layers.
pub(crate) struct PreparedBase {
    /// The base.
    pub base: Base,
    /// For each of its platforms, what it decides of the layer of assets.
    pub facts: Vec<BaseFacts>,
}

/// How much of a base was read.
pub(crate) enum BaseState {
    /// Nothing.
    Unknown,
    /// Its documents.
    Read(Base),
    /// Everything, and its layers are available.
    Prepared(PreparedBase),
}

/// Reads the documents of the base of an image, and checks that the image fits it.
///
/// # Errors
/// Returns an error if the base cannot be pulled, is not signed as it must be, or the image does not fit it.
pub(crate) fn read(image: &ImagePlan, bases: &mut Bases) -> Result<Base> {
    let base = bases.read(image)?;
    BaseVerifier::new(bases).check(image, &base)?;
    settings::check(image, &base)?;
    budget::check_base(image, &base)?;
    Ok(base)
}

/// Looks up users and folders in the layers of a base, and warns if it gets no more fixes.
///
/// # Errors
/// Returns an error if the base cannot be read, or does not know the user of the image or an owner of files.
pub(crate) fn prepare(image: &ImagePlan, base: Base, bases: &Bases) -> Result<PreparedBase> {
    support::check(image, &base, bases)?;
    let cache = bases.context().cache()?;
    let facts = files::facts(image, &base, bases.source(&image.base)?, &cache)?;
    if let Some(warning) = files::missing_program(image, &base, &facts) {
        bases.context().warn(warning);
    }
    Ok(PreparedBase { base, facts })
}
