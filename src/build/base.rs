//! What is below the images of a plan.

use super::{files, image};
use crate::assets::OwnerIds;
use crate::base::Base;
use crate::context::base::Bases;
use crate::error::Result;
use crate::plan::{ImagePlan, Plan};
use crate::platform::Target;

/// What is below an image.
pub struct Below {
    /// The base.
    pub base: Base,
    /// For each of its platforms, whose the files of each rule are.
    pub owners: Vec<Vec<OwnerIds>>,
}

/// What is known of it so far, for all images.
pub enum Known {
    /// Nothing was asked yet.
    Nothing,
    /// What the documents of the bases say.
    Documents(Vec<Base>),
    /// All that there is to know; the layers are where they are read.
    All(Vec<Below>),
}

impl Known {
    /// The bases, where they are known.
    pub fn bases(&self) -> Vec<&Base> {
        match self {
            Known::Nothing => Vec::new(),
            Known::Documents(bases) => bases.iter().collect(),
            Known::All(below) => below.iter().map(|below| &below.base).collect(),
        }
    }

    /// What the image with this number is built for.
    pub fn targets(&self, at: usize, image: &ImagePlan) -> Vec<Target> {
        match self.bases().get(at) {
            Some(base) => base.images.iter().map(|image| image.target).collect(),
            None => image.targets().unwrap_or_default(),
        }
    }

    /// Asks for the rest.
    ///
    /// # Errors
    /// A base that cannot be had, or that an image does not fit.
    pub fn complete(self, plan: &Plan, bases: &mut Bases) -> Result<Vec<Below>> {
        let read = match self {
            Known::All(below) => return Ok(below),
            Known::Documents(read) => read,
            Known::Nothing => read(plan, bases)?,
        };
        bases.fetch()?;
        let look = |(image, base): (&ImagePlan, Base)| {
            let owners = files::owners(image, &base, bases.source(&image.base)?)?;
            Ok(Below { base, owners })
        };
        plan.images.iter().zip(read).map(look).collect()
    }
}

/// Reads the documents of all bases; what does not go with them is refused.
///
/// # Errors
/// A base that cannot be had, or that an image does not fit.
pub fn read(plan: &Plan, bases: &mut Bases) -> Result<Vec<Base>> {
    let read = |image: &ImagePlan| {
        let base = bases.read(image)?;
        bases.verifier().check(image, &base)?;
        image::check(image, &base)?;
        Ok(base)
    };
    plan.images.iter().map(read).collect()
}
