//! What differs between two images.

use serde::Serialize;
use serde_json::Value;

use crate::image::Digest;
use crate::inspect::blob::BlobInfo;
use crate::inspect::files::FileKind;
use crate::inspect::package_changes::PackageChanges;
use crate::platform::Platform;

/// What differs between two images.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ImageDifference {
    /// The first image.
    pub a: ImageName,
    /// The second image.
    pub b: ImageName,
    /// Whether both have the same digest, or their images for the platform that was selected.
    pub same: bool,
    /// What the indexes say otherwise, but for the images that they list.
    pub index: Vec<ValueChange>,
    /// The platforms whose images differ.
    pub platforms: Vec<PlatformDifference>,
    /// The first difference, down to the byte, if it was asked for.
    pub first: Option<FirstDifference>,
}

/// The first difference of two images.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct FirstDifference {
    /// The platform, or `None` if the indexes differ.
    pub platform: Option<Platform>,
    /// The layer of the second image, counted from 1, the lowest first.
    pub layer: Option<usize>,
    /// The path of the file.
    pub path: Option<String>,
    /// The first byte of the file that differs, counted from 0.
    pub byte: Option<u64>,
    /// The name of the value, if no file and no layer differs.
    pub value: Option<String>,
}

/// The name of an image that is compared.
#[derive(Clone, Debug, Serialize)]
pub struct ImageName {
    /// The full reference.
    pub reference: String,
    /// The digest of the index or manifest.
    pub digest: Digest,
}

/// Which of both images has something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ChangeKind {
    /// Only the second.
    Added,
    /// Only the first.
    Removed,
    /// Both, in different ways.
    Changed,
}

/// What differs between the images for one platform.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PlatformDifference {
    /// The platform.
    pub platform: Option<Platform>,
    /// Which of both images is for the platform.
    pub change: ChangeKind,
    /// The digest of the first manifest.
    pub a: Option<Digest>,
    /// The digest of the second manifest.
    pub b: Option<Digest>,
    /// What the manifests say otherwise, but for config and layers.
    pub manifest: Vec<ValueChange>,
    /// What the configs say otherwise.
    pub config: Vec<ValueChange>,
    /// The layers that differ.
    pub layers: Vec<LayerChange>,
    /// The files that differ, sorted by path.
    pub files: Vec<FileChange>,
    /// How many files differ in nothing but the time of their last change.
    pub only_times: usize,
    /// The packages that differ, or `None` unless an SBOM is attached to both.
    pub packages: Option<PackageChanges>,
}

/// A value of a document that differs.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ValueChange {
    /// Where it is, such as `config.Labels.org.opencontainers.image.version`.
    pub name: String,
    /// Which of both images has it.
    pub change: ChangeKind,
    /// The first image's.
    pub a: Option<Value>,
    /// The second image's.
    pub b: Option<Value>,
}

/// A layer that differs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LayerChange {
    /// Which of both images has it.
    pub change: ChangeKind,
    /// The first image's.
    pub a: Option<NumberedLayer>,
    /// The second image's.
    pub b: Option<NumberedLayer>,
}

/// A layer and its position.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NumberedLayer {
    /// The position, counted from 1, the lowest first.
    pub number: usize,
    /// The blob.
    #[serde(flatten)]
    pub blob: BlobInfo,
}

/// A file that differs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FileChange {
    /// The absolute path. Bytes that are not UTF-8 are replaced by U+FFFD.
    pub path: String,
    /// Which of both images has the file.
    pub change: ChangeKind,
    /// What differs, if both have it: `type`, `content`, `mode`, `owner`, `target`, `device` and `xattrs`.
    pub differs: Vec<&'static str>,
    /// The file in the first image.
    pub a: Option<FileState>,
    /// The file in the second image.
    pub b: Option<FileState>,
}

/// A file of one of both images.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FileState {
    /// The type.
    #[serde(rename = "type")]
    pub kind: FileKind,
    /// The mode in octal, with setuid, setgid and sticky: `0755`.
    pub mode: String,
    /// The user.
    pub uid: u32,
    /// The group.
    pub gid: u32,
    /// The size of a file in bytes, or `None` for other types.
    pub size: Option<u64>,
    /// The target of a symbolic link.
    pub target: Option<String>,
    /// The digest of a file's content.
    pub digest: Option<Digest>,
}

impl ChangeKind {
    /// Returns which of both images has something, or `None` if neither has.
    pub(crate) fn of<T>(a: Option<&T>, b: Option<&T>) -> Option<ChangeKind> {
        match (a, b) {
            (None, None) => None,
            (None, Some(_)) => Some(ChangeKind::Added),
            (Some(_), None) => Some(ChangeKind::Removed),
            (Some(_), Some(_)) => Some(ChangeKind::Changed),
        }
    }
}
