//! The files of an image, as its layers make them.

use serde::Serialize;

use super::image::{ImageInfo, LayerInfo, ManifestInfo};
use crate::error::Result;
use crate::filesystem::contents::merge;
use crate::filesystem::{NodeId, NodeKind, PathIndex, Tree};
use crate::image::layer::tar_reader::SpecialFile;
use crate::image::{Descriptor, DiffId, Digest, Layer};
use crate::platform::Platform;
use crate::store::Source;

/// The files of images.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ListedFiles {
    /// The full reference.
    pub reference: String,
    /// The images for each platform.
    pub images: Vec<ImageFiles>,
}

/// The files of the image for one platform.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ImageFiles {
    /// The platform.
    pub platform: Option<Platform>,
    /// The digest of the manifest.
    pub digest: Digest,
    /// The files: directories before their content, names sorted.
    pub files: Vec<FileInfo>,
}

/// A file of an image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FileInfo {
    /// The absolute path. Bytes that are not UTF-8 are replaced by U+FFFD.
    pub path: String,
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
    /// The digest of the layer that a file or a link is from, or `None` for a directory: several layers may have it.
    pub layer: Option<Digest>,
}

/// The type of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum FileKind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link.
    Symlink,
    /// A character device.
    CharacterDevice,
    /// A block device.
    BlockDevice,
    /// A named pipe.
    Fifo,
}

impl FileKind {
    /// Returns the letter that `ls -l` prints for it.
    pub fn letter(self) -> char {
        match self {
            FileKind::File => '-',
            FileKind::Directory => 'd',
            FileKind::Symlink => 'l',
            FileKind::CharacterDevice => 'c',
            FileKind::BlockDevice => 'b',
            FileKind::Fifo => 'p',
        }
    }
}

/// Returns the files of the image for each platform: all of them, or `path` and what is below it. An image that lacks `path`
/// has none.
///
/// # Errors
/// Returns an error if a layer cannot be read, or is not what its digests say.
pub(crate) fn files(source: &dyn Source, images: &[ImageInfo], path: Option<&str>) -> Result<Vec<ImageFiles>> {
    let manifests = images.iter().flat_map(|image| &image.manifests);
    // An artifact has no files, and a manifest that is missing has no layers.
    let manifests = manifests.filter(|manifest| manifest.artifact_type.is_none() && manifest.config.is_some());
    manifests.map(|manifest| of_manifest(source, manifest, path)).collect()
}

fn of_manifest(source: &dyn Source, manifest: &ManifestInfo, path: Option<&str>) -> Result<ImageFiles> {
    let layers: Vec<_> = manifest.layers.iter().filter_map(layer).collect();
    let tree = merge(source, &layers)?;
    let files = match path.map_or(Some(None), |path| tree.find(path).map(Some)) {
        Some(root) => list(&tree, root, &layers),
        None => Vec::new(),
    };
    Ok(ImageFiles { platform: manifest.platform.clone(), digest: manifest.blob.digest.clone(), files })
}

/// Returns the layer that a manifest and its config describe, or `None` if the config has no diffID of it.
pub(crate) fn layer(info: &LayerInfo) -> Option<Layer> {
    let blob = &info.blob;
    let descriptor = Descriptor::new(blob.media_type.clone(), blob.size, blob.digest.clone());
    let diff_id = Digest::try_from(info.diff_id.as_deref()?).ok()?;
    Some(Layer { descriptor, diff_id: DiffId(diff_id) })
}

/// Returns the node `root` and all that is below it, or all of the tree.
fn list(tree: &Tree, root: Option<NodeId>, layers: &[Layer]) -> Vec<FileInfo> {
    let begin = root.map(|root| PathIndex::new(tree).path(root)).unwrap_or_default();
    let mut files = Vec::new();
    // The names from the root to the current directory.
    let mut open: Vec<(NodeId, &[u8])> = Vec::new();
    for entry in tree.entries() {
        while open.last().is_some_and(|(directory, _)| *directory != entry.parent) {
            open.pop();
        }
        let names: Vec<_> = open.iter().map(|(_, name)| *name).chain([entry.name]).collect();
        if names.starts_with(&begin) {
            let path = format!("/{}", String::from_utf8_lossy(&names.join(&b'/')));
            files.push(file(tree, entry.node, path, layers.get(entry.layer)));
        }
        if tree.node(entry.node).is_directory() {
            open.push((entry.node, entry.name));
        }
    }
    files
}

/// Returns what is known of a node.
pub(crate) fn file(tree: &Tree, node: NodeId, path: String, layer: Option<&Layer>) -> FileInfo {
    let node = tree.node(node);
    let (kind, size, target) = match &node.kind {
        NodeKind::Directory(_) => (FileKind::Directory, None, None),
        NodeKind::File { size, .. } => (FileKind::File, Some(*size), None),
        NodeKind::Symlink(target) => (FileKind::Symlink, None, Some(String::from_utf8_lossy(target).into_owned())),
        NodeKind::Special(SpecialFile::Character(..)) => (FileKind::CharacterDevice, None, None),
        NodeKind::Special(SpecialFile::Block(..)) => (FileKind::BlockDevice, None, None),
        NodeKind::Special(SpecialFile::Fifo) => (FileKind::Fifo, None, None),
    };
    let layer = layer.filter(|_| kind != FileKind::Directory).map(|layer| layer.descriptor.digest().clone());
    let (uid, gid) = node.attributes.owner;
    FileInfo { path, kind, mode: format!("{:04o}", node.attributes.mode), uid, gid, size, target, layer }
}
