//! What an image is made of: digests, layers, configs, manifests and indexes, after OCI's image-spec 1.1.

pub mod about;
pub mod artifact;
pub mod config;
pub mod digest;
pub mod layer;
pub mod manifest;
pub mod media_type;
pub mod passwd;
pub mod predicate;

pub use self::layer::compression::{Compression, CompressionOptions};
pub use digest::{DiffId, Digest};
pub use layer::Layer;
pub use oci_spec::image::{Descriptor, MediaType};

use serde_json::Value;

/// The one way JSON is written here: sorted keys, no spaces, so that equal documents have equal digests.
pub fn canonical_json(document: &Value) -> Vec<u8> {
    // serde_json's own map is sorted. Writing a `Value` to memory cannot fail: its keys are strings.
    document.to_string().into_bytes()
}

/// The same for people: with sorted keys, a line for each, and a line break at the end.
pub fn canonical_json_pretty(document: &Value) -> Vec<u8> {
    format!("{document:#}\n").into_bytes()
}
