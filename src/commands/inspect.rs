//! `cargo oci inspect`: platforms, layers, configuration and attachments of an image.

use miette::{Context, Report, miette};
use oci_spec::image::Digest;

use super::Outcome;
use crate::cli::{InspectArgs, NamedArgs};
use crate::context::GlobalContext;
use crate::context::image::{ImageRoot, OpenImage, no_image_for, reference};
use crate::error::{Result, or_help};
use crate::event::counter::Activity;
use crate::image::media_type::is_document;
use crate::inspect::attachments::AttachmentReader;
use crate::inspect::files::files;
use crate::inspect::referrers::{AttachedManifest, group_by_subject};
use crate::inspect::{ImageInfo, ImageReader, Inspected, ListedFiles};
use crate::reference::BaseReference;
use crate::store::layout::subject_lists::is_referrers_list;
use crate::store::{LimitedSource, ProgressSource};

/// Reads the image that is named, or all images of its layout.
///
/// # Errors
/// Returns an error if there is no such image, none for the platform, or it is not what its digests say.
pub(crate) fn run(args: &InspectArgs, context: &GlobalContext) -> Result<Outcome> {
    match &args.files {
        Some(path) => list_files(&args.named, path, context),
        None => inspect(&args.named, context),
    }
}

fn inspect(args: &NamedArgs, context: &GlobalContext) -> Result<Outcome> {
    let reference = reference(&args.image)?;
    let failure = || format!("cannot inspect {reference}");
    let image = OpenImage::open(&reference, context).wrap_err_with(failure)?;
    let listed = group_by_subject(image.source(), image.entries());
    let referrers = |subject: &Digest| image.referrers(subject, &listed);
    let source = LimitedSource::new(image.source());
    let attachments = AttachmentReader::new(&source, &referrers);
    let reader = ImageReader { source: &source, attachments: &attachments, only: args.platform.as_ref() };
    let images = image.roots().and_then(|roots| read_all(&reader, roots));
    let images = images.wrap_err_with(failure).map_err(|error| explained(error, &reference))?;
    attachments.warning().into_iter().for_each(|warning| context.warn(warning));
    let (reference, omitted) = (reference.to_string(), attachments.omitted());
    Ok(Outcome::Inspected(Inspected { reference, images, omitted }, args.json))
}

/// Reads the files of the image that is named, or of all images of its layout. What is attached is not asked for.
fn list_files(args: &NamedArgs, path: &str, context: &GlobalContext) -> Result<Outcome> {
    let reference = reference(&args.image)?;
    let listed = || {
        let image = OpenImage::open(&reference, context)?;
        let none = |_: &Digest| Ok(Vec::new());
        let attachments = AttachmentReader::new(image.source(), &none);
        let reader = ImageReader { source: image.source(), attachments: &attachments, only: args.platform.as_ref() };
        let images = read_all(&reader, image.roots()?)?;
        let activity = Activity::Reading;
        let source = ProgressSource { source: image.source(), activity, listener: context.listener };
        let images = files(&source, &images, Some(path).filter(|path| *path != "/"))?;
        if path != "/" && images.iter().all(|image| image.files.is_empty()) {
            return Err(miette!(
                help = format!("`cargo oci inspect {reference} --files` lists all files"),
                "the image has no {path}"
            ));
        }
        Ok(ListedFiles { reference: reference.to_string(), images })
    };
    let found = listed().wrap_err_with(|| format!("cannot list the files of {reference}"));
    found.map(|found| Outcome::Files(found, args.json)).map_err(|error| explained(error, &reference))
}

fn explained(error: Report, reference: &BaseReference) -> Report {
    or_help(error, || format!("`cargo oci validate {reference}` names each blob that is wrong"))
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
