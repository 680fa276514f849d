//! Symbolic links: they stay links, so their targets must mean the same in the image as on the host.

use std::collections::{BTreeMap, VecDeque};
use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};

use crate::image::layer::{EntryKind, LayerEntry};

/// Why a link cannot go into an image.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LinkError {
    /// The target does not exist.
    #[error("is a dangling link to {0}")]
    Dangling(String),
    /// The target is an absolute path.
    #[error("is a link to {0}, a path of the host: expected a relative target")]
    Absolute(String),
    /// The target is outside of the package.
    #[error("is a link to {0}, outside of the package")]
    Outside(String),
    /// The target is a parent directory of the link.
    #[error("is a link to {0}, a directory that contains it")]
    Cycle(String),
    /// The target has a name that no image can have.
    #[error("is a link to a name that is not UTF-8 or has a control character")]
    InvalidName,
    /// The target cannot be resolved: links to each other, or directories without access.
    #[error("is a link to {0}, which cannot be followed: {1}")]
    Unresolved(String, io::Error),
    /// The link itself cannot be read.
    #[error("is a link that cannot be read: {0}")]
    Unreadable(io::Error),
}

/// Returns a path without links, in the form that other programs know too.
///
/// # Errors
/// Returns an error if there is no such file.
pub(super) fn canonical(path: &Path) -> io::Result<PathBuf> {
    let canonical = path.canonicalize()?;
    let plain = canonical.to_str().filter(|_| cfg!(windows)).and_then(without_prefix).map(PathBuf::from);
    Ok(plain.unwrap_or(canonical))
}

/// Returns a path of Windows without the prefix `\\?\`, which git does not know. Paths of shares, and those that are too long
/// for other programs, need it: `None`.
fn without_prefix(path: &str) -> Option<&str> {
    const MOST_CHARS: usize = 259;
    let rest = path.strip_prefix(r"\\?\")?;
    (rest.get(1..3) == Some(r":\") && rest.encode_utf16().count() <= MOST_CHARS).then_some(rest)
}

/// Returns the file that `path` resolves to, which must be in `root`.
///
/// # Errors
/// Returns an error if nothing is there, or it is outside of `root`.
pub(crate) fn resolve(path: &Path, root: &Path) -> Result<PathBuf, LinkError> {
    match canonical(path) {
        Ok(resolved) if resolved.starts_with(root) => Ok(resolved),
        Ok(_) => Err(LinkError::Outside(target(path))),
        Err(error) if [io::ErrorKind::NotFound, io::ErrorKind::NotADirectory].contains(&error.kind()) => {
            Err(LinkError::Dangling(target(path)))
        }
        Err(error) => Err(LinkError::Unresolved(target(path), error)),
    }
}

/// Returns the target of a link, or the path of any other file.
fn target(path: &Path) -> String {
    fs::read_link(path).unwrap_or_else(|_| path.to_owned()).display().to_string()
}

/// Returns the target of the link `path`, each step of which must stay in `root`.
///
/// # Errors
/// Returns an error if the target cannot go into an image.
pub(crate) fn read(path: &Path, root: &Path) -> Result<String, LinkError> {
    let target = fs::read_link(path).map_err(LinkError::Unreadable)?;
    let text = target.to_str().filter(|text| !text.contains(char::is_control)).ok_or(LinkError::InvalidName)?;
    let text = text.to_owned();
    if target.has_root() {
        return Err(LinkError::Absolute(text));
    }
    let mut current = path.parent().unwrap_or(root).to_owned();
    for part in target.components() {
        match part {
            Component::ParentDir => drop(current.pop()),
            part => current.push(part),
        }
        if !current.starts_with(root) {
            return Err(LinkError::Outside(text));
        }
    }
    if path.starts_with(resolve(path, root)?) {
        return Err(LinkError::Cycle(text));
    }
    Ok(if cfg!(windows) { text.replace('\\', "/") } else { text })
}

/// Returns the links among the entries whose target is none of the entries, each with its target. In the image, the target
/// may be a file of the base, or missing.
pub(crate) fn dangling_links(entries: &[LayerEntry]) -> Vec<(&str, &str)> {
    let tree = EntryTree(entries.iter().map(|entry| (entry.path.as_str(), &entry.kind)).collect());
    let links = entries.iter().filter_map(|entry| match &entry.kind {
        EntryKind::Symlink(target) => Some((entry.path.as_str(), target.as_str())),
        _ => None,
    });
    links.filter(|(path, _)| !tree.resolves(path)).collect()
}

/// The most links on the way to one file, as in Linux.
const MOST_LINKS: usize = 40;

/// The entries by path.
struct EntryTree<'a>(BTreeMap<&'a str, &'a EntryKind>);

impl EntryTree<'_> {
    /// Returns whether `path` exists, once all links are followed.
    fn resolves(&self, path: &str) -> bool {
        let mut remaining: VecDeque<String> = path.split('/').map(str::to_owned).collect();
        let mut current: Vec<String> = Vec::new();
        let mut links = 0;
        while let Some(part) = remaining.pop_front() {
            match part.as_str() {
                "" | "." => continue,
                ".." => {
                    current.pop();
                    continue;
                }
                _ => current.push(part),
            }
            let path = current.join("/");
            match self.0.get(path.as_str()) {
                Some(EntryKind::Symlink(target)) => {
                    links += 1;
                    if links > MOST_LINKS {
                        return false;
                    }
                    current.pop();
                    target.split('/').rev().for_each(|part| remaining.push_front(part.to_owned()));
                }
                Some(_) => {}
                // Not all directories have an entry: standard ones are in the base.
                None => {
                    let prefix = format!("{path}/");
                    let next = self.0.range(prefix.as_str()..).next();
                    if !next.is_some_and(|(path, _)| path.starts_with(&prefix)) {
                        return false;
                    }
                }
            }
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::layer::FileContent;

    fn link(path: &str, target: &str) -> LayerEntry {
        LayerEntry { kind: EntryKind::Symlink(target.to_owned()), mode: 0o777, ..LayerEntry::directory(path) }
    }

    #[test]
    fn windows_paths_lose_their_prefix_where_they_can() {
        assert_eq!(without_prefix(r"\\?\C:\x\y"), Some(r"C:\x\y"));
        let long = format!(r"\\?\C:\{}", "x".repeat(260));
        for path in [r"\\?\UNC\server\share", r"\\.\pipe\x", r"C:\x", "/x", &long] {
            assert_eq!(without_prefix(path), None, "{path}");
        }
    }

    #[test]
    fn dangling_links_are_found_within_the_image() {
        let entries = [
            LayerEntry::file("srv/v1/a", 0o644, FileContent::Bytes(Vec::new())),
            link("srv/now", "v1"),
            link("srv/a", "now/a"),
            link("srv/up", "../srv/./v1//a"),
            link("srv/root", "../.."),
            link("srv/gone", "../etc/a"),
            link("srv/x", "y"),
            link("srv/y", "x"),
        ];
        assert_eq!(dangling_links(&entries), [("srv/gone", "../etc/a"), ("srv/x", "y"), ("srv/y", "x")]);
    }
}
