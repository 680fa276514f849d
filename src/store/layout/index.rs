//! The files of a layout and the entries of its `index.json`.

use miette::IntoDiagnostic;
use oci_spec::image::{ANNOTATION_REF_NAME, Descriptor, MediaType};
use serde_json::{Value, json};

use crate::error::Result;
use crate::image::canonical_json;
use crate::image::digest::Digest;
use crate::image::manifest::Manifest;
use crate::reference::Reference;
use crate::store::referrers::MAX_REFERRERS;
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

/// Returns the entries of an `index.json`, or of the list of what is attached: as many as a registry may list.
///
/// # Errors
/// Returns an error if it is invalid.
pub(crate) fn parse_index(index: &[u8]) -> Result<Vec<Descriptor>> {
    Manifest::parse_referrers(index, MAX_REFERRERS).into_diagnostic()
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
