//! The documents of an image: digests, layers, configs, manifests and indexes (OCI image-spec 1.1).

pub(crate) mod artifact;
pub(crate) mod attestation;
pub(crate) mod config;
pub(crate) mod cosign_tag;
pub mod digest;
pub(crate) mod exact_number;
mod json;
pub mod layer;
pub(crate) mod manifest;
pub(crate) mod media_type;
pub(crate) mod passwd;
pub(crate) mod predicate;

pub use self::json::{canonical_json, canonical_json_pretty, string_map, strings};
pub use self::layer::Layer;
pub use self::layer::compression::{Compression, CompressionOptions};
pub use digest::{DiffId, Digest};
pub use oci_spec::image::{Descriptor, MediaType};
