//! `cargo oci inspect`: platforms, layers, configuration and attachments of an image.

use miette::Context;
use oci_spec::image::Digest;

use super::Outcome;
use crate::cli::NamedArgs;
use crate::context::GlobalContext;
use crate::context::image::{ImageRoot, OpenImage, no_image_for, reference};
use crate::error::{Result, or_help};
use crate::image::media_type::is_document;
use crate::inspect::attachments::AttachmentReader;
use crate::inspect::referrers::{AttachedManifest, group_by_subject};
use crate::inspect::{ImageInfo, ImageReader, Inspected};
use crate::store::LimitedSource;
use crate::store::layout::subject_lists::is_referrers_list;

/// Reads the image that is named, or all images of its layout.
///
/// # Errors
/// Returns an error if there is no such image, none for the platform, or it is not what its digests say.
pub(crate) fn run(args: &NamedArgs, context: &GlobalContext) -> Result<Outcome> {
    let reference = reference(&args.image)?;
    let failure = || format!("cannot inspect {reference}");
    let image = OpenImage::open(&reference, context).wrap_err_with(failure)?;
    let listed = group_by_subject(image.source(), image.entries());
    let referrers = |subject: &Digest| image.referrers(subject, &listed);
    let source = LimitedSource::new(image.source());
    let attachments = AttachmentReader::new(&source, &referrers);
    let reader = ImageReader { source: &source, attachments: &attachments, only: args.platform.as_ref() };
    let images = image.roots().and_then(|roots| read_all(&reader, roots)).wrap_err_with(failure).map_err(|error| {
        or_help(error, || format!("`cargo oci validate {reference}` names each blob that is wrong"))
    })?;
    attachments.warning().into_iter().for_each(|warning| context.warn(warning));
    let (reference, omitted) = (reference.to_string(), attachments.omitted());
    Ok(Outcome::Inspected(Inspected { reference, images, omitted }, args.json))
}

fn is_image(root: &ImageRoot) -> bool {
    is_document(root.descriptor.media_type()) && !is_referrers_list(&root.descriptor)
}

/// Reads the roots. Artifacts are shown at what they are attached to.
fn read_all(reader: &ImageReader, roots: Vec<ImageRoot>) -> Result<Vec<ImageInfo>> {
    let one = roots.len() == 1;
    let (mut images, mut platforms) = (Vec::new(), Vec::new());
    for root in roots.into_iter().filter(|root| one || is_image(root)) {
        let (image, found) = reader.image(&root.descriptor, root.tags)?;
        images.push(image);
        platforms.extend(found);
    }
    let attached: Vec<_> = images.iter().flat_map(attached_to).collect();
    images.retain(|image| !attached.contains(&image.digest));
    match reader.only {
        Some(only) => {
            images.retain(|image| !image.manifests.is_empty());
            if images.is_empty() { Err(no_image_for(only, reader.source, &platforms)) } else { Ok(images) }
        }
        None => Ok(images),
    }
}

/// Returns the digests of all that is attached to an image, directly or to an attachment.
fn attached_to(image: &ImageInfo) -> Vec<Digest> {
    let of_manifests = image.manifests.iter().flat_map(|manifest| &manifest.attached);
    let mut left: Vec<&AttachedManifest> = image.attached.iter().chain(of_manifests).collect();
    let mut found = Vec::new();
    while let Some(attached) = left.pop() {
        found.push(attached.blob.digest.clone());
        left.extend(&attached.attached);
    }
    found
}
