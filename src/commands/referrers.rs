//! `cargo oci referrers`: list what is attached to an image.

use miette::Context;

use super::Outcome;
use crate::cli::ReferrersArgs;
use crate::context::GlobalContext;
use crate::context::image::{OpenImage, reference};
use crate::context::subject::signable_manifests;
use crate::error::Result;
use crate::image::Digest;
use crate::inspect::attachments::AttachmentReader;
use crate::inspect::referrers::{ImageReferrers, SubjectReferrers, group_by_subject};
use crate::reference::BaseReference;
use crate::store::LimitedSource;

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
    let source = &LimitedSource::new(image.source());
    let listed = group_by_subject(image.source(), image.entries());
    let manifests = signable_manifests(source, &image.root()?)?;
    let digests: Vec<_> = manifests.iter().map(|manifest| manifest.descriptor.digest().clone()).collect();
    let referrers = |subject: &Digest| image.referrers(subject, &listed);
    let reader = AttachmentReader::new(source, &referrers);
    let mut subjects = Vec::new();
    for ((manifest, digest), attached) in manifests.into_iter().zip(digests.clone()).zip(reader.attached_to(&digests)?)
    {
        subjects.push(SubjectReferrers { platform: manifest.platform, digest, attached });
    }
    reader.warning().into_iter().for_each(|warning| context.warn(warning));
    Ok(ImageReferrers { reference: reference.to_string(), subjects, omitted: reader.omitted() })
}
