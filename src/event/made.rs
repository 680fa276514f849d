//! Indexes that were made of images which are elsewhere, as data.

use serde::Serialize;

use crate::image::Digest;
use crate::platform::Platform;

/// An index that was made, with the fields of an image that was built.
#[derive(Clone, Debug, Serialize)]
pub struct MadeIndex {
    /// The name of the image.
    pub name: String,
    /// `registry/repository@digest`: the result line.
    pub reference: String,
    /// The digest of the index.
    pub digest: Digest,
    /// Its tags.
    pub tags: Vec<String>,
    /// The repositories that it is in, `registry/repository`.
    pub repositories: Vec<String>,
    /// The image for each platform.
    pub manifests: Vec<MadeManifest>,
}

/// The image for one platform.
#[derive(Clone, Debug, Serialize)]
pub struct MadeManifest {
    /// The platform.
    pub platform: Platform,
    /// The digest of the manifest.
    pub digest: Digest,
    /// The size of the manifest in bytes.
    pub size: u64,
}
