//! Path resolution within a root, as after chroot(2): `..` stops at the root, and absolute symbolic links begin there.

use super::error::ApplyError;
use super::node::{NodeId, ROOT};

/// The most symbolic links on the way to one file, as in Linux (`MAXSYMLINKS`).
const MOST_LINKS: usize = 40;
/// The most names on that way, those in link targets included.
const MOST_STEPS: usize = 1024;

/// Resolves one path, name by name.
pub(crate) struct PathResolver {
    /// The directories from the root to here.
    directories: Vec<OpenDirectory>,
    /// The names that are still to be resolved, the next one last.
    remaining: Vec<Vec<u8>>,
    links: usize,
    steps: usize,
}

/// A directory on the way.
struct OpenDirectory {
    node: NodeId,
    /// The length of its path, where that matters.
    path_length: usize,
}

impl PathResolver {
    /// Creates a resolver that stands at the root, before these names.
    pub(crate) fn new<'a>(names: impl DoubleEndedIterator<Item = &'a [u8]>) -> PathResolver {
        PathResolver {
            directories: vec![OpenDirectory { node: ROOT, path_length: 0 }],
            remaining: names.rev().map(<[u8]>::to_owned).collect(),
            links: 0,
            steps: 0,
        }
    }

    /// Returns the next name to look up in the current directory, or `None` at the end.
    ///
    /// # Errors
    /// Returns an error if there are too many names.
    pub(crate) fn next_name(&mut self) -> Result<Option<Vec<u8>>, ApplyError> {
        while let Some(name) = self.remaining.pop() {
            self.steps += 1;
            if self.steps > MOST_STEPS {
                return Err(ApplyError::SymlinkLoop);
            }
            if name != b".." {
                return Ok(Some(name));
            }
            // There is nothing above the root.
            if self.directories.len() > 1 {
                self.directories.pop();
            }
        }
        Ok(None)
    }

    /// Returns the current directory.
    pub(crate) fn current(&self) -> NodeId {
        self.directories.last().map_or(ROOT, |directory| directory.node)
    }

    /// Returns the length of the current directory's path.
    pub(crate) fn path_length(&self) -> usize {
        self.directories.last().map_or(0, |directory| directory.path_length)
    }

    /// Returns how many directories deep the current one is, the root included.
    pub(crate) fn depth(&self) -> usize {
        self.directories.len()
    }

    /// Enters a directory; `path_length` is that of its path.
    pub(crate) fn enter(&mut self, node: NodeId, path_length: usize) {
        self.directories.push(OpenDirectory { node, path_length });
    }

    /// Continues at the target of a symbolic link.
    ///
    /// # Errors
    /// Returns an error if there are too many links or names.
    pub(crate) fn follow(&mut self, target: &[u8]) -> Result<(), ApplyError> {
        self.links += 1;
        if self.links > MOST_LINKS {
            return Err(ApplyError::SymlinkLoop);
        }
        if target.starts_with(b"/") {
            self.directories.truncate(1);
        }
        let names = target.split(|byte| *byte == b'/').rev().filter(|name| !name.is_empty() && *name != b".");
        // One name beyond the limit is enough to see that there are too many.
        self.remaining.extend(names.take(MOST_STEPS + 1).map(<[u8]>::to_owned));
        if self.remaining.len() > MOST_STEPS {
            return Err(ApplyError::SymlinkLoop);
        }
        Ok(())
    }
}
