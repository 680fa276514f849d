//! What is attached to the images that a user names.

use std::io::{self, Write};

use miette::miette;

use super::GlobalContext;
use super::image::{OpenImage, no_image_for};
use super::subject::signable_manifests;
use crate::cli::AttachmentName;
use crate::error::{Result, in_io};
use crate::image::{Descriptor, Digest};
use crate::inspect::attachments::AttachmentReader;
use crate::inspect::referrers::{ImageReferrers, SubjectReferrers, group_by_subject};
use crate::inspect::selection;
use crate::platform::Platform;
use crate::reference::BaseReference;
use crate::store::{LimitedSource, Source, open};

/// The most bytes that are held in memory: they are verified before they are printed.
const MOST_BYTES: u64 = 64 << 20;

/// Lists what is attached to an image, and to its manifest for each platform, or for `platform` alone.
///
/// # Errors
/// Returns an error if there is no such image, or an attachment cannot be read.
pub(crate) fn list(
    image: &OpenImage,
    reference: &BaseReference,
    platform: Option<&Platform>,
    context: &GlobalContext,
) -> Result<ImageReferrers> {
    let source = &LimitedSource::new(image.source());
    let listed = group_by_subject(image.source(), image.entries());
    let mut manifests = signable_manifests(source, &image.root()?)?;
    if let Some(platform) = platform {
        let known: Vec<_> = manifests.iter().filter_map(|manifest| manifest.platform.clone()).collect();
        manifests.retain(|manifest| manifest.platform.as_ref() == Some(platform));
        if manifests.is_empty() {
            return Err(no_image_for(platform, source, &known));
        }
    }
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

/// Returns the descriptor of the content of one attachment, by the first of the names that means one.
///
/// # Errors
/// Returns an error if there is no such attachment, or if there are several.
pub(crate) fn content(found: &ImageReferrers, names: &[AttachmentName]) -> Result<Descriptor> {
    let blob = &selection::content(found, names)?.blob;
    Ok(Descriptor::new(blob.media_type.clone(), blob.size, blob.digest.clone()))
}

/// Reads the content of an attachment.
///
/// # Errors
/// Returns an error if it is too large for the memory, cannot be read, or does not match its digest.
pub(crate) fn read(source: &dyn Source, content: &Descriptor) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    if content.size() > MOST_BYTES {
        return Err(miette!(
            help = "write it to a file: `cargo oci referrers IMAGE --get DIGEST --output FILE`",
            "{} has {} MiB",
            content.digest(),
            content.size() >> 20
        ));
    }
    copy(source, content, &mut bytes)
        .map_err(|error| miette!("cannot read {} from {}: {error}", content.digest(), source.location()))?;
    Ok(bytes)
}

/// Writes the content of an attachment.
///
/// # Errors
/// Returns an error if it cannot be read or written, or does not match its digest.
pub(crate) fn copy(source: &dyn Source, content: &Descriptor, to: &mut dyn Write) -> io::Result<()> {
    let mut content = open(source, content).map_err(in_io)?;
    io::copy(&mut content, to).map(drop)
}
