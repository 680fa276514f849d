//! Images that were built, as data.

use std::path::PathBuf;

use oci_spec::image::Descriptor;
use serde::Serialize;

use crate::image::Digest;
use crate::platform::Platform;

/// An image that was built.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BuiltImage {
    /// Its local name.
    pub name: String,
    /// Its names in engines, without a tag.
    #[serde(skip)]
    pub local_names: Vec<String>,
    /// `oci:LAYOUT@DIGEST`: the result line.
    pub reference: String,
    /// The digest of the index.
    pub digest: Digest,
    /// The total size of its blobs in bytes.
    pub size: u64,
    /// Its tags.
    pub tags: Vec<String>,
    /// The repositories that it was pushed to, `registry/repository`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub repositories: Vec<String>,
    /// The folder of its layout.
    pub layout: PathBuf,
    /// The base.
    pub base: BuiltBase,
    /// The image for each platform.
    pub manifests: Vec<BuiltManifest>,
    /// The attachments of the index, and of the manifest for each platform.
    pub attached: Vec<BuiltAttachment>,
    /// The descriptor of the index, or of the only manifest.
    #[serde(skip)]
    pub root: Descriptor,
}

/// An attachment of an image, such as an SBOM.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BuiltAttachment {
    /// The type of the artifact.
    pub artifact_type: String,
    /// The type of the statement in it, if it is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub predicate_type: Option<String>,
    /// The digest of its subject.
    pub subject: Digest,
    /// The digest of the manifest.
    pub digest: Digest,
    /// The size of its manifest in bytes.
    pub size: u64,
    /// The name of the file.
    pub file: String,
    /// The content.
    #[serde(skip)]
    pub content: Descriptor,
    /// The descriptor of its manifest in the layout.
    #[serde(skip)]
    pub descriptor: Descriptor,
}

impl BuiltImage {
    /// Returns `NAME:TAG` for every name and every tag.
    pub fn tagged_names(&self) -> Vec<String> {
        self.local_names
            .iter()
            .flat_map(|name| self.tags.iter().map(|tag| format!("{name}:{tag}")).collect::<Vec<_>>())
            .collect()
    }
}

/// The base of an image.
#[derive(Clone, Debug, Serialize)]
pub struct BuiltBase {
    /// Its name, as the user typed it.
    pub name: String,
    /// The digest of the base, or `None` for `scratch`.
    pub digest: Option<Digest>,
}

/// The image for one platform.
#[derive(Clone, Debug, Serialize)]
pub struct BuiltManifest {
    /// The platform, with the variant as the base writes it.
    pub platform: Platform,
    /// The digest of the manifest.
    pub digest: Digest,
    /// The size of the manifest in bytes.
    pub size: u64,
    /// What the index says about it in a manifest of its own, such as an SBOM.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attestation: Option<Descriptor>,
    /// Its config.
    pub config: Descriptor,
    /// Its layers, the lowest first.
    pub layers: Vec<Descriptor>,
    /// The number of layers of the base.
    #[serde(skip)]
    pub below: usize,
    /// The descriptor of the manifest in the layout.
    #[serde(skip)]
    pub descriptor: Descriptor,
}
