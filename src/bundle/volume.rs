//! The image's volumes → what the runtime mounts over folders of the root file system.

use serde_json::Value;

use crate::filesystem::{NodeKind, Places, Tree};
use crate::image::config::Object;
use crate::image::layer::tar_reader::Attributes;

/// A folder that is not part of the root file system of a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Volume {
    /// Where it is, as an absolute path.
    pub path: String,
    /// Its mode and its owner in the image.
    pub attributes: (u32, (u32, u32)),
}

/// The volumes of an image, and what cannot be one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Volumes {
    /// In the order of their paths.
    pub mounted: Vec<Volume>,
    /// As the image writes them.
    pub skipped: Vec<String>,
}

/// What the runtime mounts itself: nothing can be mounted over parts of it.
const MOUNTED: [&str; 3] = ["proc", "sys", "dev"];

impl Volumes {
    /// Those of `image`, of whose files `tree` is made.
    pub fn of(image: &Object, tree: &Tree) -> Volumes {
        let written = image.get("config").and_then(|run| run.get("Volumes")).and_then(Value::as_object);
        let mut volumes = Volumes::default();
        let mut places = None;
        for path in written.into_iter().flat_map(|volumes| volumes.keys()) {
            let places = places.get_or_insert_with(|| Places::of(tree));
            match volume(path, tree, places) {
                Some(volume) => volumes.mounted.push(volume),
                None => volumes.skipped.push(path.clone()),
            }
        }
        volumes.mounted.sort_by(|one, other| one.path.cmp(&other.path));
        volumes.mounted.dedup_by(|one, other| one.path == other.path);
        volumes
    }
}

/// A volume, which is whose the folder in the image is that it is mounted over.
fn volume(written: &str, tree: &Tree, places: &Places) -> Option<Volume> {
    let names = normal(written)?;
    let path = |names: &[&str]| format!("/{}", names.join("/"));
    // Where the image has nothing, the runtime makes a folder: in the last one that is there.
    let known = (0..=names.len()).rev().find(|known| tree.find(&path(&names[..*known])).is_some())?;
    let node = tree.find(&path(&names[..known]))?;
    let is_folder = matches!(tree.node(node).kind, NodeKind::Directory(_));
    let is_dangling = names.get(known).is_some_and(|next| tree.children(node).any(|(name, _)| name == next.as_bytes()));
    let top = places.path(node).first().copied().or(names.first().map(|name| name.as_bytes()))?;
    if !is_folder || is_dangling || MOUNTED.iter().any(|mounted| mounted.as_bytes() == top) {
        return None;
    }
    // A link to the root is the root, too.
    let root = Attributes { mode: 0o755, ..Attributes::default() };
    let found = match known == names.len() {
        true if places.get(node).is_none() => return None,
        true => &tree.node(node).attributes,
        false => &root,
    };
    Some(Volume { path: path(&names), attributes: (found.mode, found.owner) })
}

/// The names of an absolute path without `.` and `..`; nothing for the root and for what is no such path.
fn normal(path: &str) -> Option<Vec<&str>> {
    let mut names = Vec::new();
    for name in path.strip_prefix('/')?.split('/') {
        match name {
            "" | "." => {}
            ".." => drop(names.pop()),
            name => names.push(name),
        }
    }
    // Over the root itself nothing can be mounted.
    Some(names).filter(|names| !names.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::filesystem::Origin;
    use crate::image::layer::tar_reader::{TarEntry, TarEntryKind};
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
            let entry = (TarEntry { path: path.into(), kind, attributes }, Origin { layer: 0, entry });
            tree.apply(entry.0, entry.1).expect("applies");
        }
        tree
    }

    fn volumes(paths: &[&str]) -> (Vec<String>, Vec<String>) {
        let written: Object = paths.iter().map(|path| ((*path).to_owned(), json!({}))).collect();
        let image = json!({ "config": { "Volumes": written } });
        let found = Volumes::of(image.as_object().expect("an object"), &tree());
        (found.mounted.into_iter().map(|volume| volume.path).collect(), found.skipped)
    }

    #[test]
    fn volumes_are_whose_the_folders_below_them_are() {
        let image = json!({ "config": { "Volumes": { "/to-data": {}, "/new": {} } } });
        let found = Volumes::of(image.as_object().expect("an object"), &tree());
        let volume = |path: &str, attributes| Volume { path: path.to_owned(), attributes };
        let expected = [volume("/new", (0o755, (0, 0))), volume("/to-data", (0o1777, (33, 34)))];
        assert_eq!((&found.mounted[..], &found.skipped[..]), (&expected[..], &[][..]));
    }

    #[test]
    fn paths_of_volumes_have_one_form() {
        let (mounted, skipped) = volumes(&["/data", "/data/", "//data/./x/..", "/../data/x/", "/none/of/it"]);
        assert_eq!((mounted, skipped.len()), (vec!["/data".into(), "/data/x".into(), "/none/of/it".into()], 0));
    }

    #[test]
    fn what_no_runtime_can_mount_over_is_no_volume() {
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
