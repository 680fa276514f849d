//! What a descriptor says about content.

use serde::Serialize;

use crate::image::manifest::Annotations;
use crate::image::{Descriptor, Digest, MediaType};

/// The digest, media type and size of a blob.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BlobInfo {
    /// The digest.
    pub digest: Digest,
    /// The media type.
    pub media_type: MediaType,
    /// The size in bytes.
    pub size: u64,
}

impl BlobInfo {
    /// Copies the fields of a descriptor.
    pub fn new(descriptor: &Descriptor) -> BlobInfo {
        BlobInfo {
            digest: descriptor.digest().clone(),
            media_type: descriptor.media_type().clone(),
            size: descriptor.size(),
        }
    }
}

/// Returns the annotations of a descriptor, sorted by key.
pub(crate) fn annotations(descriptor: &Descriptor) -> Annotations {
    descriptor.annotations().clone().into_iter().flatten().collect()
}
