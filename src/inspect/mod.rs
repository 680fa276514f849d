//! An image, as it is found, as data: what [`report`](crate::report) draws as a tree, and what `--json` prints.
//!
//! | file | what it does |
//! | --- | --- |
//! | `read` | a root in a source → an [`Image`] |
//! | [`config`] | the config of an image → what it starts, and how |
//! | [`attached`] | what is attached to an image: signatures, SBOMs, attestations |
//!
//! Nothing but indexes, manifests and configs is read, each held against its digest.
//!
//! # The JSON
//!
//! The fields of [`Inspected`], in camel case. Every field is always there: what an image does not say is `null`, `[]`
//! or `{}`. Digests are in full, sizes in bytes, and texts as the image has them. Fields may be added, and none goes.
//!
//! ```json
//! {
//!   "reference": "oci:target/oci/hello",
//!   "images": [{
//!     "tags": ["latest"], "digest": "sha256:…", "mediaType": "…", "size": 671027, "annotations": {},
//!     "manifests": [{
//!       "platform": "linux/amd64", "digest": "sha256:…", "mediaType": "…", "size": 1234, "missing": false,
//!       "artifactType": null, "annotations": {}, "base": { "name": "…", "digest": "sha256:…" },
//!       "config": {
//!         "digest": "sha256:…", "mediaType": "…", "size": 1234, "created": "1970-01-01T00:00:00Z",
//!         "user": "65532", "entrypoint": ["/app/hello"], "cmd": [], "env": ["PATH=…"], "workdir": "/", "ports": [],
//!         "volumes": [], "stopSignal": null, "labels": {}
//!       },
//!       "layersSize": 320000,
//!       "layers": [{
//!         "digest": "sha256:…", "mediaType": "…", "size": 320000, "diffId": "sha256:…", "createdBy": "…",
//!         "comment": null, "annotations": {}
//!       }],
//!       "attached": []
//!     }],
//!     "attached": [{
//!       "digest": "sha256:…", "mediaType": "…", "size": 900, "missing": false, "artifactType": "…", "annotations": {},
//!       "contents": [{ "digest": "sha256:…", "mediaType": "…", "size": 4000, "annotations": {} }], "attached": []
//!     }]
//!   }]
//! }
//! ```

pub mod attached;
pub mod config;
mod read;

use serde::Serialize;

use crate::image::manifest::Annotations;
use crate::image::{Descriptor, Digest, MediaType};
use crate::platform::Platform;
pub use attached::Attached;
pub use config::Config;
pub use read::Reader;

/// What was found where a user looked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Inspected {
    /// Where that is, in full.
    pub reference: String,
    /// The image that was named, or all that are there.
    pub images: Vec<Image>,
}

/// An image: an index, or a manifest without one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Image {
    /// Its tags where it is; all of a layout's, the one that was asked for of a registry's.
    pub tags: Vec<String>,
    /// Of the index, or of the one manifest.
    pub digest: Digest,
    /// The type of that.
    pub media_type: MediaType,
    /// Of index, manifests, configs and layers together, in bytes, each counted once; of those that are shown.
    pub size: u64,
    /// Of the index, or of the one manifest.
    pub annotations: Annotations,
    /// The images in it, one for each platform, or the artifact that it is.
    pub manifests: Vec<ImageManifest>,
    /// What is attached to the index.
    pub attached: Vec<Attached>,
}

/// An image for one platform, or an artifact.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ImageManifest {
    /// What it is for; nothing for an artifact.
    pub platform: Option<Platform>,
    /// The manifest.
    #[serde(flatten)]
    pub blob: Blob,
    /// Whether the index lists it, but it is not there: some copies are for some platforms only.
    pub missing: bool,
    /// What kind of artifact it calls itself.
    pub artifact_type: Option<String>,
    /// Of the manifest.
    pub annotations: Annotations,
    /// What it is built on, by its annotations and those of its index, or else its labels.
    pub base: Option<BaseName>,
    /// Its config; nothing where the manifest is missing.
    pub config: Option<Config>,
    /// Of all layers, in bytes.
    pub layers_size: u64,
    /// Its layers, the lowest first.
    pub layers: Vec<Layer>,
    /// What is attached to it.
    pub attached: Vec<Attached>,
}

/// What an image calls its base (`org.opencontainers.image.base.*`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BaseName {
    /// A reference.
    pub name: Option<String>,
    /// What that stood for.
    pub digest: Option<String>,
}

/// A layer of an image, or a file of an artifact.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Layer {
    /// Its blob.
    #[serde(flatten)]
    pub blob: Blob,
    /// The digest of the tar within, by the config.
    pub diff_id: Option<String>,
    /// The command that made it, by the config's history.
    pub created_by: Option<String>,
    /// What else the history says of it.
    pub comment: Option<String>,
    /// Of its descriptor.
    pub annotations: Annotations,
}

/// What a descriptor says of content.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Blob {
    /// Of all its bytes.
    pub digest: Digest,
    /// What they are.
    pub media_type: MediaType,
    /// How many they are.
    pub size: u64,
}

impl Blob {
    fn new(descriptor: &Descriptor) -> Blob {
        Blob {
            digest: descriptor.digest().clone(),
            media_type: descriptor.media_type().clone(),
            size: descriptor.size(),
        }
    }
}

/// The annotations of a descriptor, in order.
fn annotations(descriptor: &Descriptor) -> Annotations {
    descriptor.annotations().clone().into_iter().flatten().collect()
}
