//! The way along a path, as chroot(2) has it: `..` ends at the root, and so do absolute symbolic links.

use super::{NodeId, ROOT, Refused};

/// Symbolic links on the way to one file, as Linux has it.
const MOST_LINKS: usize = 40;
/// Names on that way, those in links among them.
const MOST_STEPS: usize = 1024;

/// On the way along a path, within the root: as chroot(2) has it.
pub struct Walk {
    /// From the root to here, with the lengths of their paths where these matter.
    pub folders: Vec<(NodeId, usize)>,
    /// What is still to be walked, the next name last.
    left: Vec<Vec<u8>>,
    links: usize,
    steps: usize,
}

impl Walk {
    /// At the root, with these names before it.
    pub fn new<'a>(names: impl DoubleEndedIterator<Item = &'a [u8]>) -> Walk {
        Walk { folders: vec![(ROOT, 0)], left: names.rev().map(<[u8]>::to_owned).collect(), links: 0, steps: 0 }
    }

    /// The next name; nothing at the end.
    ///
    /// # Errors
    /// A way that is too long.
    pub fn next(&mut self) -> Result<Option<Vec<u8>>, Refused> {
        self.steps += 1;
        match self.steps > MOST_STEPS {
            true => Err(Refused::Loop),
            false => Ok(self.left.pop()),
        }
    }

    /// The folder that it has come to.
    pub fn here(&self) -> NodeId {
        self.folders.last().map_or(ROOT, |(node, _)| *node)
    }

    /// The length of that folder's path.
    pub fn length(&self) -> usize {
        self.folders.last().map_or(0, |(_, length)| *length)
    }

    /// Whether a name was a step up; there is nothing above the root.
    pub fn up(&mut self, name: &[u8]) -> bool {
        if name == b".." && self.folders.len() > 1 {
            self.folders.pop();
        }
        name == b".."
    }

    /// Goes on where a symbolic link leads.
    ///
    /// # Errors
    /// More links than any file is behind.
    pub fn follow(&mut self, target: &[u8]) -> Result<(), Refused> {
        self.links += 1;
        if self.links > MOST_LINKS {
            return Err(Refused::Loop);
        }
        if target.starts_with(b"/") {
            self.folders.truncate(1);
        }
        let names = target.split(|byte| *byte == b'/').rev().filter(|name| !name.is_empty() && *name != b".");
        // One more than may be walked is enough to see that they are too many.
        self.left.extend(names.take(MOST_STEPS + 1).map(<[u8]>::to_owned));
        match self.left.len() > MOST_STEPS {
            true => Err(Refused::Loop),
            false => Ok(()),
        }
    }
}
