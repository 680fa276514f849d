//! The volumes of an image → what the runtime mounts over directories of the root file system.

use serde_json::Value;

use crate::filesystem::{PathIndex, Tree};
use crate::image::config::Object;

/// A directory that is not part of the root file system of a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Volume {
    /// Its absolute path.
    pub(crate) path: String,
    /// The mode of the directory in the image.
    pub(crate) mode: u32,
    /// The owner of the directory in the image.
    pub(crate) owner: (u32, u32),
}

/// The volumes of an image, and those that cannot be mounted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Volumes {
    /// Sorted by path.
    pub(crate) mounted: Vec<Volume>,
    /// As the image writes them.
    pub(crate) skipped: Vec<String>,
}

/// What the runtime mounts itself: volumes cannot be mounted over parts of it.
const MOUNTED: [&str; 3] = ["proc", "sys", "dev"];

impl Volumes {
    /// Returns the volumes of `image`, whose files are `tree`.
    pub(crate) fn new(image: &Object, tree: &Tree) -> Volumes {
        let paths = image.get("config").and_then(|run| run.get("Volumes")).and_then(Value::as_object);
        let mut volumes = Volumes::default();
        let mut index = None;
        for path in paths.into_iter().flat_map(|volumes| volumes.keys()) {
            let index = index.get_or_insert_with(|| PathIndex::new(tree));
            match volume(path, tree, index) {
                Some(volume) => volumes.mounted.push(volume),
                None => volumes.skipped.push(path.clone()),
            }
        }
        volumes.mounted.sort_by(|one, other| one.path.cmp(&other.path));
        volumes.mounted.dedup_by(|one, other| one.path == other.path);
        volumes
    }
}

/// Returns a volume with the mode and owner of the directory that it is mounted over, or `None` if it cannot be mounted.
fn volume(path: &str, tree: &Tree, index: &PathIndex) -> Option<Volume> {
    let names = normalize(path)?;
    // The runtime creates what is missing, in the last directory that exists.
    let (known, node) =
        (0..=names.len()).rev().find_map(|count| Some((count, tree.find(&absolute(&names[..count]))?)))?;
    let is_dangling = names.get(known).is_some_and(|next| tree.children(node).any(|(name, _)| name == next.as_bytes()));
    let top = index.path(node).first().copied().or(names.first().map(|name| name.as_bytes()))?;
    if !tree.node(node).is_directory() || is_dangling || MOUNTED.iter().any(|mounted| mounted.as_bytes() == top) {
        return None;
    }
    let path = absolute(&names);
    if known < names.len() {
        return Some(Volume { path, mode: 0o755, owner: (0, 0) });
    }
    // A link to the root is the root.
    index.first(node)?;
    let attributes = &tree.node(node).attributes;
    Some(Volume { path, mode: attributes.mode, owner: attributes.owner })
}

fn absolute(names: &[&str]) -> String {
    format!("/{}", names.join("/"))
}

/// Returns the names of an absolute path without `.` and `..`, or `None` for the root and for relative paths.
fn normalize(path: &str) -> Option<Vec<&str>> {
    let mut names = Vec::new();
    for name in path.strip_prefix('/')?.split('/') {
        match name {
            "" | "." => {}
            ".." => drop(names.pop()),
            name => names.push(name),
        }
    }
    // Nothing can be mounted over the root itself.
    Some(names).filter(|names| !names.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::filesystem::EntryIndex;
    use crate::image::layer::tar_reader::{Attributes, TarEntry, TarEntryKind};
    use serde_json::json;

    fn tree() -> Tree {
        let mut tree = Tree::default();
        let entries = [
            ("data", TarEntryKind::Directory),
            ("file", TarEntryKind::File(0)),
            ("sys", TarEntryKind::Directory),
            ("to-sys", TarEntryKind::Symlink(b"sys".to_vec())),
            ("to-root", TarEntryKind::Symlink(b"/".to_vec())),
            ("to-data", TarEntryKind::Symlink(b"data".to_vec())),
            ("dangling", TarEntryKind::Symlink(b"proc/x".to_vec())),
        ];
        for (entry, (path, kind)) in entries.into_iter().enumerate() {
            let attributes = Attributes { mode: 0o1777, owner: (33, 34), ..Attributes::default() };
            let index = EntryIndex { layer: 0, entry };
            tree.apply(TarEntry { path: path.into(), kind, attributes }, index).expect("applies");
        }
        tree
    }

    fn volumes(paths: &[&str]) -> (Vec<String>, Vec<String>) {
        let written: Object = paths.iter().map(|path| ((*path).to_owned(), json!({}))).collect();
        let image = json!({ "config": { "Volumes": written } });
        let found = Volumes::new(image.as_object().expect("an object"), &tree());
        (found.mounted.into_iter().map(|volume| volume.path).collect(), found.skipped)
    }

    #[test]
    fn volumes_have_mode_and_owner_of_their_directories() {
        let image = json!({ "config": { "Volumes": { "/to-data": {}, "/new": {} } } });
        let found = Volumes::new(image.as_object().expect("an object"), &tree());
        let expected = [
            Volume { path: "/new".to_owned(), mode: 0o755, owner: (0, 0) },
            Volume { path: "/to-data".to_owned(), mode: 0o1777, owner: (33, 34) },
        ];
        assert_eq!((&found.mounted[..], &found.skipped[..]), (&expected[..], &[][..]));
    }

    #[test]
    fn volumes_have_normalized_paths() {
        let (mounted, skipped) = volumes(&["/data", "/data/", "//data/./x/..", "/../data/x/", "/none/of/it"]);
        assert_eq!((mounted, skipped.len()), (vec!["/data".into(), "/data/x".into(), "/none/of/it".into()], 0));
    }

    #[test]
    fn volumes_that_cannot_be_mounted_are_skipped() {
        let wrong = [
            "",
            "/",
            "/.",
            "/data/..",
            "data",
            "/file",
            "/file/x",
            "/sys",
            "/sys/fs/cgroup",
            "/data/../proc/1",
            "/dev",
            "/dev/shm",
            "/to-sys/fs",
            "/to-root",
            "/to-root/sys",
            "/dangling",
            "/dangling/x",
        ];
        for path in wrong {
            assert_eq!(volumes(&[path]), (vec![], vec![path.to_owned()]), "{path}");
        }
        assert_eq!(volumes(&["/system", "/data/sys"]).1, [""; 0]);
    }
}
