//! `cargo oci referrers`: list what is attached to an image.

use miette::Context;

use super::Outcome;
use crate::cli::ReferrersArgs;
use crate::context::GlobalContext;
use crate::context::image::{OpenImage, reference};
use crate::context::subject::signable_manifests;
use crate::error::Result;
use crate::inspect::referrers::{AttachedManifest, ImageReferrers, SubjectReferrers, group_by_subject};
use crate::reference::BaseReference;

/// Lists what is attached to the image that is named, and to its manifest for each platform.
///
/// # Errors
/// Returns an error if there is no such image, or an attachment cannot be read.
pub(crate) fn run(args: &ReferrersArgs, context: &GlobalContext) -> Result<Outcome> {
    let reference = reference(&args.image)?;
    let found = list(&reference, context).wrap_err_with(|| format!("cannot list what is attached to {reference}"))?;
    Ok(Outcome::Referrers(found, args.json))
}

fn list(reference: &BaseReference, context: &GlobalContext) -> Result<ImageReferrers> {
    let image = OpenImage::open(reference, context)?;
    let source = image.source();
    let listed = group_by_subject(source, image.entries());
    let mut subjects = Vec::new();
    for manifest in signable_manifests(source, &image.root()?)? {
        let digest = manifest.descriptor.digest().clone();
        let attached = AttachedManifest::of(source, &|subject| image.referrers(subject, &listed), &digest)?;
        subjects.push(SubjectReferrers { platform: manifest.platform, digest, attached });
    }
    Ok(ImageReferrers { reference: reference.to_string(), subjects })
}
