//! The bases of the images of a plan.

use super::verify_base::BaseVerifier;
use super::{files, settings};
use crate::assets::OwnerIds;
use crate::base::Base;
use crate::context::base::Bases;
use crate::error::Result;
use crate::plan::ImagePlan;

/// A base, and the owners that its layers name.
pub(crate) struct PreparedBase {
    /// The base.
    pub base: Base,
    /// For each of its platforms, the owner of the files of each rule.
    pub owners: Vec<Vec<OwnerIds>>,
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
    Ok(base)
}

/// Looks up the owners of files in the layers of a base.
///
/// # Errors
/// Returns an error if the base cannot be read, or does not know an owner.
pub(crate) fn prepare(image: &ImagePlan, base: Base, bases: &Bases) -> Result<PreparedBase> {
    let owners = files::owners(image, &base, bases.source(&image.base)?)?;
    Ok(PreparedBase { base, owners })
}
