//! What an image may have of everything: its layers are small and say much, and memory and disks are neither.

use super::{NodeKind, Refused, Tree};
use crate::image::layer::tar_reader::{SpecialFile, TarEntry, TarEntryKind};

/// Files and folders: more than any real image has.
pub const MOST_FILES: usize = 2_000_000;
/// What the tree takes in memory, in bytes: a real image of hundreds of thousands of files has a part of it.
const MOST_BYTES: usize = 256 << 20;
/// Folders in folders.
pub const MOST_DEPTH: usize = 256;
/// The longest target of a symbolic link that Linux takes.
const MOST_TARGET: usize = 4095;
/// The names of one file's extended attributes together, and the value of each: as Linux has it.
const MOST_XATTRS: usize = 64 << 10;
/// The largest numbers of devices that Linux has room for.
const MOST_DEVICE: (u32, u32) = (4095, 1_048_575);

/// About what a node, a name and an extended attribute take in memory, beside their bytes.
const NODE: usize = 300;
const NAME: usize = 64;
const XATTR: usize = 128;

/// Folders that no entry is for: so many for each entry, and so many more.
const IMPLICIT: (usize, usize) = (4, 10_000);
/// Names as they are from the root, beside what the layers say: links make them longer than they are written.
const GROWN: (usize, usize) = (4, 8 << 20);

/// What was taken of all that.
#[derive(Clone, Debug, Default)]
pub struct Taken {
    entries: usize,
    /// In memory.
    bytes: usize,
    /// As the layers have written them: names, and where links lead.
    written: usize,
    /// Folders that no entry is for.
    implicit: usize,
}

impl Taken {
    /// Counts an entry, before anything is done with it.
    ///
    /// # Errors
    /// One that no file system takes; more than any real image has.
    pub fn entry(&mut self, entry: &TarEntry) -> Result<(), Refused> {
        let target = match &entry.kind {
            TarEntryKind::HardLink(target) | TarEntryKind::Symlink(target) => target.len(),
            _ => 0,
        };
        let xattrs = &entry.attributes.xattrs;
        self.entries += 1;
        self.written += entry.path.len() + target;
        self.take(entry.path.len() + target)?;
        self.take(xattrs.iter().map(|(name, value)| name.len() + value.len() + XATTR).sum())?;
        let why = match &entry.kind {
            _ if self.entries > MOST_FILES => Refused::TooMany(MOST_FILES),
            TarEntryKind::Symlink(target) if target.len() > MOST_TARGET => Refused::Target(MOST_TARGET),
            TarEntryKind::Special(SpecialFile::Character(major, minor) | SpecialFile::Block(major, minor))
                if *major > MOST_DEVICE.0 || *minor > MOST_DEVICE.1 =>
            {
                Refused::Device((*major, *minor), MOST_DEVICE)
            }
            // Each name ends in a NUL where Linux lists them.
            _ if xattrs.keys().map(|name| name.len() + 1).sum::<usize>() > MOST_XATTRS
                || xattrs.values().any(|value| value.len() > MOST_XATTRS) =>
            {
                Refused::Xattrs(MOST_XATTRS >> 10)
            }
            _ => return Ok(()),
        };
        Err(why.at(&entry.path))
    }

    /// Counts a new node.
    ///
    /// # Errors
    /// More than any real image has.
    pub fn node(&mut self) -> Result<(), Refused> {
        self.take(NODE)
    }

    /// Counts a new name.
    ///
    /// # Errors
    /// More than any real image has.
    pub fn name(&mut self, name: &[u8]) -> Result<(), Refused> {
        self.take(name.len() + NAME)
    }

    /// Counts a folder that no entry is for.
    ///
    /// # Errors
    /// More than any real image has.
    pub fn implicit(&mut self) -> Result<(), Refused> {
        self.implicit += 1;
        match self.implicit > IMPLICIT.0 * self.entries + IMPLICIT.1 {
            true => Err(Refused::Implicit),
            false => Ok(()),
        }
    }

    fn take(&mut self, bytes: usize) -> Result<(), Refused> {
        self.bytes += bytes;
        match self.bytes > MOST_BYTES {
            true => Err(Refused::TooMuch(MOST_BYTES >> 20)),
            false => Ok(()),
        }
    }
}

impl Tree {
    /// Looks whether the finished tree is about as large as its layers are: a tar of it has each name in full.
    ///
    /// # Errors
    /// Names that links have made much longer than they are written.
    pub fn check(&self) -> Result<(), Refused> {
        let most = GROWN.0 * self.taken.written + GROWN.1;
        // Of every node, the length of its first name from the root.
        let mut lengths = vec![None; self.len()];
        let mut total = 0;
        for (folder, name, node) in self.names() {
            let length = lengths[folder].unwrap_or(0) + 1 + name.len();
            total += length;
            match (lengths[node], &self.nodes[node].kind) {
                (Some(first), NodeKind::File { .. } | NodeKind::Symlink(_) | NodeKind::Special(_)) => total += first,
                _ => lengths[node] = Some(length),
            }
            if total > most {
                return Err(Refused::Grown(GROWN.0));
            }
        }
        Ok(())
    }
}
