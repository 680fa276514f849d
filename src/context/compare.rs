//! Two images, by the names that a user typed → what differs between them.

use miette::{Context, Report};

use super::GlobalContext;
use super::image::{OpenImage, no_image_for};
use crate::compare::difference::ImageDifference;
use crate::compare::{ComparedImage, compare, first};
use crate::error::{Result, or_help};
use crate::event::counter::Activity;
use crate::image::{Descriptor, Digest};
use crate::inspect::attachments::AttachmentReader;
use crate::inspect::referrers::group_by_subject;
use crate::inspect::{ImageInfo, ImageReader};
use crate::platform::Platform;
use crate::reference::BaseReference;
use crate::store::{LimitedSource, ProgressSource};

/// Which parts of two images are compared.
#[derive(Clone, Copy, Default)]
pub(crate) struct Extent<'a> {
    /// The platform, or `None` for all.
    pub platform: Option<&'a Platform>,
    /// Whether what is attached is compared too.
    pub attachments: bool,
    /// Whether the first difference is found, down to the byte.
    pub first: bool,
}

/// Compares two images. Two with the same digest are not read.
///
/// # Errors
/// Returns an error if there is no such image, none for the platform, or it is not what its digests say.
pub(crate) fn difference(
    names: [&BaseReference; 2],
    extent: Extent,
    context: &GlobalContext,
) -> Result<ImageDifference> {
    let opened = names.map(|name| {
        let image = OpenImage::open(name, context)?;
        let root = image.root()?;
        Ok::<_, Report>((image, root))
    });
    let [a, b] = opened;
    let ((a, a_root), (b, b_root)) = (a.wrap_err_with(|| unread(names[0]))?, b.wrap_err_with(|| unread(names[1]))?);
    let is_read = a_root.digest() != b_root.digest();
    let read = |image: &OpenImage, root: &Descriptor, name: &BaseReference| {
        if !is_read {
            return Ok(None);
        }
        let info = info(image, root, extent, context).map_err(|error| explained(error, name));
        info.map(Some).wrap_err_with(|| unread(name))
    };
    let (of_a, of_b) = (read(&a, &a_root, names[0])?, read(&b, &b_root, names[1])?);
    let [a, b] = [&a, &b].map(|image| ProgressSource {
        source: image.source(),
        activity: Activity::Reading,
        listener: context.listener,
    });
    let side =
        |name: &BaseReference, root, info, source| ComparedImage { reference: name.to_string(), root, info, source };
    let (a, b) = (side(names[0], a_root, of_a, &a), side(names[1], b_root, of_b, &b));
    let mut found = compare(&a, &b, extent.platform.is_some())?;
    if extent.first {
        found.first = first(&found, &a, &b)?;
    }
    Ok(found)
}

fn unread(name: &BaseReference) -> String {
    format!("cannot read {name}")
}

fn explained(error: Report, name: &BaseReference) -> Report {
    or_help(error, || format!("`cargo oci validate {name}` names each blob that is wrong"))
}

/// Reads all of an image but its layers.
///
/// # Errors
/// Returns an error if there is no image for the platform, or it is not what its digests say.
pub(crate) fn info(image: &OpenImage, root: &Descriptor, extent: Extent, context: &GlobalContext) -> Result<ImageInfo> {
    let source = LimitedSource::new(image.source());
    let listed = group_by_subject(image.source(), if extent.attachments { image.entries() } else { &[] });
    let referrers =
        |subject: &Digest| if extent.attachments { image.referrers(subject, &listed) } else { Ok(Vec::new()) };
    let attachments = AttachmentReader::new(&source, &referrers);
    let reader = ImageReader { source: &source, attachments: &attachments, only: extent.platform };
    let (found, platforms) = reader.image(root, Vec::new())?;
    attachments.warning().into_iter().for_each(|warning| context.warn(warning));
    match extent.platform {
        Some(only) if found.manifests.is_empty() => Err(no_image_for(only, image.source(), &platforms)),
        _ => Ok(found),
    }
}
