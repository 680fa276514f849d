//! Symbolic links: they stay links, so what is written in them has to mean in the image what it means here.

use std::collections::{BTreeMap, VecDeque};
use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};

use crate::image::layer::{EntryKind, LayerEntry};

/// Why a link cannot go in.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// Nothing is there.
    #[error("leads to {0}, where nothing is")]
    Dangling(String),
    /// A path of this computer.
    #[error("leads to {0}, a path of this computer: a link says the way from its own folder")]
    Absolute(String),
    /// Something outside of the package.
    #[error("leads to {0}, out of the package")]
    Outside(String),
    /// A folder that it is in.
    #[error("leads to {0}, a folder that it is in itself: who follows it finds no end")]
    Around(String),
    /// What no image can say.
    #[error("leads to a name that is not UTF-8, or has a control character")]
    Name,
    /// Anything else: links that lead to each other, folders that may not be entered.
    #[error("leads to {0}, and cannot be followed: {1}")]
    Unfollowed(String, io::Error),
}

/// What `path` is in the end, which is to be inside of `root`.
///
/// # Errors
/// What it is instead.
pub fn end(path: &Path, root: &Path) -> Result<PathBuf, Refusal> {
    let said = || fs::read_link(path).unwrap_or_else(|_| path.to_owned()).display().to_string();
    match path.canonicalize() {
        Ok(end) if end.starts_with(root) => Ok(end),
        Ok(_) => Err(Refusal::Outside(said())),
        Err(error) if [io::ErrorKind::NotFound, io::ErrorKind::NotADirectory].contains(&error.kind()) => {
            Err(Refusal::Dangling(said()))
        }
        Err(error) => Err(Refusal::Unfollowed(said(), error)),
    }
}

/// What is written in the link `path`, which is to lead to something inside of `root`, all the way.
///
/// # Errors
/// Where it leads instead.
pub fn text(path: &Path, root: &Path) -> Result<String, Refusal> {
    let target = fs::read_link(path).map_err(|error| Refusal::Unfollowed("nothing".to_owned(), error))?;
    let text = target.to_str().filter(|text| !text.contains(char::is_control)).ok_or(Refusal::Name)?.to_owned();
    if target.has_root() {
        return Err(Refusal::Absolute(text));
    }
    let mut way = path.parent().unwrap_or(root).to_owned();
    for part in target.components() {
        match part {
            Component::ParentDir => drop(way.pop()),
            part => way.push(part),
        }
        if !way.starts_with(root) {
            return Err(Refusal::Outside(text));
        }
    }
    let end = end(path, root)?;
    match path.starts_with(&end) {
        true => Err(Refusal::Around(text)),
        false => Ok(text.replace('\\', if cfg!(windows) { "/" } else { "\\" })),
    }
}

/// The links among the entries that lead to none of them, each with what is written in it: in the image, what they lead
/// to may be the base's, or nothing.
pub fn leading_nowhere(entries: &[LayerEntry]) -> Vec<(&str, &str)> {
    let tree = Tree(entries.iter().map(|entry| (entry.path.as_str(), &entry.kind)).collect());
    let links = entries.iter().filter_map(|entry| match &entry.kind {
        EntryKind::Symlink(target) => Some((entry.path.as_str(), target.as_str())),
        _ => None,
    });
    links.filter(|(path, _)| !tree.has(path)).collect()
}

/// Links that are followed for one path: as many as Linux follows.
const MOST_LINKS: usize = 40;

struct Tree<'a>(BTreeMap<&'a str, &'a EntryKind>);

impl Tree<'_> {
    /// Whether something is at `path` that is no link, once all links are followed.
    fn has(&self, path: &str) -> bool {
        let mut left: VecDeque<String> = path.split('/').map(str::to_owned).collect();
        let mut here: Vec<String> = Vec::new();
        let mut links = 0;
        while let Some(part) = left.pop_front() {
            match part.as_str() {
                "" | "." => continue,
                ".." => {
                    here.pop();
                    continue;
                }
                _ => here.push(part),
            }
            let at = here.join("/");
            match self.0.get(at.as_str()) {
                Some(EntryKind::Symlink(target)) => {
                    links += 1;
                    if links > MOST_LINKS {
                        return false;
                    }
                    here.pop();
                    target.split('/').rev().for_each(|part| left.push_front(part.to_owned()));
                }
                Some(_) => {}
                // Not all folders have an entry: the standard ones are the base's.
                None => {
                    let inside = format!("{at}/");
                    let next = self.0.range(inside.as_str()..).next();
                    if !next.is_some_and(|(path, _)| path.starts_with(&inside)) {
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
        LayerEntry { path: path.to_owned(), kind: EntryKind::Symlink(target.to_owned()), mode: 0o777, owner: (0, 0) }
    }

    #[test]
    fn links_are_followed_in_the_image_as_a_container_would() {
        let file = |path| LayerEntry::file(path, 0o644, FileContent::Bytes(Vec::new()));
        let entries = [
            file("srv/v1/a"),
            link("srv/now", "v1"),
            link("srv/a", "now/a"),
            link("srv/up", "../srv/./v1//a"),
            link("srv/root", "../.."),
            link("srv/gone", "../etc/a"),
            link("srv/x", "y"),
            link("srv/y", "x"),
        ];
        assert_eq!(leading_nowhere(&entries), [("srv/gone", "../etc/a"), ("srv/x", "y"), ("srv/y", "x")]);
    }
}
