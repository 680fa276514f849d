//! The data of an inspected image.

use serde::Serialize;

use super::blob::{BlobInfo, annotations};
use super::config::{ConfigInfo, HistoryStep};
use super::referrers::AttachedManifest;
use crate::image::manifest::Annotations;
use crate::image::{Descriptor, Digest, MediaType};
use crate::platform::Platform;

/// The images at a reference.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Inspected {
    /// The full reference.
    pub reference: String,
    /// The image that the reference names, or all images of a layout or archive.
    pub images: Vec<ImageInfo>,
    /// How many attached manifests were left out because there are too many. What is attached to those is not counted.
    pub omitted: usize,
}

/// An image: an index, or a manifest without an index.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ImageInfo {
    /// All tags in a layout, or the requested tag in a registry.
    pub tags: Vec<String>,
    /// The digest of the index or manifest.
    pub digest: Digest,
    /// The media type of the index or manifest.
    pub media_type: MediaType,
    /// The total size of index, manifests, configs and layers in bytes; shared content counts once.
    pub size: u64,
    /// The annotations of the index or manifest.
    pub annotations: Annotations,
    /// The images for each platform, or the artifact.
    pub manifests: Vec<ManifestInfo>,
    /// The manifests attached to the index.
    pub attached: Vec<AttachedManifest>,
}

/// An image for one platform, or an artifact.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ManifestInfo {
    /// The platform, or `None` for an artifact.
    pub platform: Option<Platform>,
    /// The manifest.
    #[serde(flatten)]
    pub blob: BlobInfo,
    /// Whether the index lists the manifest, but it is not there: some copies leave out platforms.
    pub missing: bool,
    /// The artifact type.
    pub artifact_type: Option<String>,
    /// The annotations of the manifest.
    pub annotations: Annotations,
    /// The base image, by the annotations of manifest or index, or else the labels.
    pub base: Option<BaseName>,
    /// The config, or `None` if the manifest is missing.
    pub config: Option<ConfigInfo>,
    /// The total size of the layers in bytes.
    pub layers_size: u64,
    /// The layers, the lowest first.
    pub layers: Vec<LayerInfo>,
    /// The manifests attached to this one.
    pub attached: Vec<AttachedManifest>,
}

/// The base image that an image names (`org.opencontainers.image.base.*`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BaseName {
    /// The reference.
    pub name: Option<String>,
    /// The digest that the reference resolved to.
    pub digest: Option<String>,
}

/// A layer of an image, or a file of an artifact.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LayerInfo {
    /// The blob.
    #[serde(flatten)]
    pub blob: BlobInfo,
    /// The digest of the uncompressed tar, from the config.
    pub diff_id: Option<String>,
    /// The command that created the layer, from the history of the config.
    pub created_by: Option<String>,
    /// The comment in the history.
    pub comment: Option<String>,
    /// The annotations of the descriptor.
    pub annotations: Annotations,
}

impl LayerInfo {
    /// Combines a descriptor with what the config says about the layer.
    pub fn new(descriptor: &Descriptor, diff_id: Option<String>, step: HistoryStep) -> LayerInfo {
        LayerInfo {
            blob: BlobInfo::new(descriptor),
            diff_id,
            created_by: step.created_by,
            comment: step.comment,
            annotations: annotations(descriptor),
        }
    }
}
