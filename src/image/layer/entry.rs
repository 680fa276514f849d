//! The entries of a layer to write.

use std::collections::BTreeMap;
use std::path::PathBuf;

/// A file, folder or link of a layer.
#[derive(Clone, Debug)]
pub struct LayerEntry {
    /// The path relative to the image's root, without a leading `./`, separated by `/`.
    pub path: String,
    /// Folder, file or link.
    pub kind: EntryKind,
    /// Permission bits, with setuid, setgid and sticky: up to `0o7777`.
    pub mode: u32,
    /// Numeric user and group.
    pub owner: (u64, u64),
    /// The time of the last modification in seconds since 1970: always the same, so that a layer changes only with its files.
    pub mtime: u64,
}

/// The type of a [`LayerEntry`].
#[derive(Clone, Debug)]
pub enum EntryKind {
    /// A folder.
    Directory,
    /// A regular file.
    File(FileContent),
    /// A symbolic link and its target.
    Symlink(String),
}

/// Where the content of a file comes from.
#[derive(Clone, Debug)]
pub enum FileContent {
    /// A regular file on the host. If a link has replaced it, the link is not followed.
    Path(PathBuf),
    /// Bytes in memory.
    Bytes(Vec<u8>),
}

impl LayerEntry {
    /// Creates a folder with mode 0755 that root owns, from 1970.
    pub fn directory(path: &str) -> LayerEntry {
        LayerEntry { path: path.to_owned(), kind: EntryKind::Directory, mode: 0o755, owner: (0, 0), mtime: 0 }
    }

    /// Creates a file that root owns, from 1970.
    pub fn file(path: &str, mode: u32, content: FileContent) -> LayerEntry {
        LayerEntry { path: path.to_owned(), kind: EntryKind::File(content), mode, owner: (0, 0), mtime: 0 }
    }
}

/// The folders at an image's root that a base provides, with modes of their own.
pub const ROOT_FOLDERS: [&str; 20] = [
    "bin", "boot", "dev", "etc", "home", "lib", "lib32", "lib64", "media", "mnt", "opt", "proc", "root", "run", "sbin",
    "srv", "sys", "tmp", "usr", "var",
];

/// Adds the missing parent folders and sorts the entries by path.
///
/// A folder's entry overrides the attributes that lower layers gave it. So the standard folders at the root are left to
/// the base, unless there is none (`is_scratch`).
pub fn with_parents(entries: Vec<LayerEntry>, is_scratch: bool) -> Vec<LayerEntry> {
    let belongs_to_base = |path: &str| !is_scratch && ROOT_FOLDERS.contains(&path);
    let mut all = BTreeMap::new();
    for entry in &entries {
        for (end, _) in entry.path.match_indices('/') {
            let parent = &entry.path[..end];
            if !belongs_to_base(parent) && !all.contains_key(parent) {
                all.insert(parent.to_owned(), LayerEntry::directory(parent));
            }
        }
    }
    for entry in entries {
        if !matches!(entry.kind, EntryKind::Directory) || !belongs_to_base(&entry.path) {
            all.insert(entry.path.clone(), entry);
        }
    }
    all.into_values().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(entries: &[LayerEntry]) -> Vec<&str> {
        entries.iter().map(|entry| entry.path.as_str()).collect()
    }

    fn file(path: &str) -> LayerEntry {
        LayerEntry::file(path, 0o644, FileContent::Bytes(Vec::new()))
    }

    #[test]
    fn with_parents_leaves_root_folders_to_base() {
        let entries = with_parents(vec![file("etc/a/b"), file("app/x"), file("app-x/y")], false);
        assert_eq!(paths(&entries), ["app", "app-x", "app-x/y", "app/x", "etc/a", "etc/a/b"]);
        let entries = with_parents(vec![file("etc/a/b")], true);
        assert_eq!(paths(&entries), ["etc", "etc/a", "etc/a/b"]);
        let folders = vec![LayerEntry::directory("tmp"), LayerEntry::directory("data")];
        assert_eq!(paths(&with_parents(folders.clone(), false)), ["data"]);
        assert_eq!(paths(&with_parents(folders, true)), ["data", "tmp"]);
    }
}
