//! The files of a layout and the entries of its `index.json`.

use miette::{IntoDiagnostic, miette};
use oci_spec::image::{ANNOTATION_REF_NAME, Descriptor, MediaType};
use serde_json::{Value, json};

use crate::error::Result;
use crate::image::canonical_json;
use crate::image::digest::Digest;
use crate::image::manifest::Manifest;
use crate::image::media_type::is_document;
use crate::reference::{Reference, TagOrDigest};
use crate::store::source::{Source, read};

/// The file that lists the images of a layout.
pub(crate) const INDEX: &str = "index.json";
/// The file that marks a layout.
pub(crate) const OCI_LAYOUT: &str = "oci-layout";
/// The content of [`OCI_LAYOUT`].
pub(crate) const OCI_LAYOUT_CONTENT: &str = r#"{"imageLayoutVersion":"1.0.0"}"#;
/// The annotation with the full name of an image, which containerd imports it under. It also tells whose image a layout
/// holds.
const IMAGE_NAME: &str = "io.containerd.image.name";

/// Returns the path of a blob relative to the root of a layout.
pub(crate) fn blob_path(digest: &Digest) -> String {
    format!("blobs/{}/{}", digest.algorithm(), digest.digest())
}

/// Creates the entry of `descriptor` for the image name `image` (`NAME:TAG`).
pub(crate) fn index_entry(descriptor: &Descriptor, image: &str) -> Value {
    let reference = image.parse::<Reference>();
    let mut entry = json!(descriptor);
    entry["annotations"] = json!({
        ANNOTATION_REF_NAME: image.rsplit(':').next(),
        IMAGE_NAME: reference.map_or(image.to_owned(), |reference| reference.to_string()),
    });
    entry
}

/// Serializes an `index.json` with these entries.
pub(crate) fn write_index(entries: &[Value]) -> Vec<u8> {
    canonical_json(&json!({ "schemaVersion": 2, "mediaType": MediaType::ImageIndex, "manifests": entries }))
}

/// Returns the entries of an `index.json`.
///
/// # Errors
/// Returns an error if it is invalid.
pub(crate) fn parse_index(index: &[u8]) -> Result<Vec<Descriptor>> {
    let manifest = Manifest::parse(&MediaType::ImageIndex, index).into_diagnostic()?;
    Ok(manifest.into_index().unwrap_or_default())
}

/// Returns the tag of an entry.
pub(crate) fn tag(entry: &Descriptor) -> Option<&str> {
    entry.annotations().as_ref()?.get(ANNOTATION_REF_NAME).map(String::as_str)
}

/// Returns the image name of an entry without its tag.
pub(crate) fn image_name(entry: &Descriptor) -> Option<String> {
    let reference: Reference = entry.annotations().as_ref()?.get(IMAGE_NAME)?.parse().ok()?;
    Some(reference.with_tag(""))
}

/// Returns the subject in the manifest of an entry, or `None` if it has none or cannot be read.
pub(crate) fn subject_of(source: &dyn Source, entry: &Descriptor) -> Option<Descriptor> {
    let bytes = read(source, entry).ok()?;
    Manifest::parse(entry.media_type(), &bytes).ok()?.subject
}

/// Returns whether an entry is attached to another: it is an artifact, or its manifest has a subject.
pub(crate) fn is_attached(source: &dyn Source, entry: &Descriptor) -> bool {
    entry.artifact_type().is_some() || is_document(entry.media_type()) && subject_of(source, entry).is_some()
}

/// Returns the entry with a tag or digest. Without a name: the only image.
///
/// # Errors
/// Returns an error if there is no such entry, or several images and no name.
pub(crate) fn resolve_entry(
    source: &dyn Source,
    entries: &[Descriptor],
    name: Option<&TagOrDigest>,
) -> Result<Descriptor> {
    let found = match name {
        Some(TagOrDigest::Tag(name)) => entries.iter().find(|entry| tag(entry) == Some(name)).cloned(),
        Some(TagOrDigest::Digest(digest)) => entries.iter().find(|entry| entry.digest() == digest).cloned(),
        None => only_image(source, entries),
    };
    if let Some(found) = found {
        return Ok(found);
    }
    let location = source.location();
    let tags: Vec<_> = entries.iter().filter_map(tag).collect();
    let help = match &tags[..] {
        [] => "none of its images has a tag: name one by its digest".to_owned(),
        tags => format!("it has {}: append one after a colon", tags.join(", ")),
    };
    Err(match name {
        Some(name) => {
            let kind = if name.digest().is_some() { "digest" } else { "tag" };
            miette!(help = help, "{location} has no {kind} {name}")
        }
        None => miette!(help = help, "{location} has {} images: expected a tag", entries.len()),
    })
}

/// Returns the only image: all entries, or those that are not attached to another, have the same digest.
fn only_image(source: &dyn Source, entries: &[Descriptor]) -> Option<Descriptor> {
    let all: Vec<_> = entries.iter().collect();
    let image = same_image(&all).or_else(|| {
        let images: Vec<_> = all.into_iter().filter(|entry| !is_attached(source, entry)).collect();
        same_image(&images)
    });
    image.cloned()
}

/// Returns the first entry if all have the same digest: one image may have several tags.
fn same_image<'a>(entries: &[&'a Descriptor]) -> Option<&'a Descriptor> {
    let first = *entries.first()?;
    entries.iter().all(|entry| entry.digest() == first.digest()).then_some(first)
}
