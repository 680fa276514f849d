//! Limits of what the layers of an image may use: small layers can describe more than memory and disks hold.

use super::error::ApplyError;
use crate::image::layer::tar_reader::{SpecialFile, TarEntry, TarEntryKind};

/// Files and directories: more than any real image has.
pub(crate) const MOST_FILES: usize = 2_000_000;
/// The memory of a tree, in bytes: a real image of hundreds of thousands of files uses a fraction of it.
const MOST_MEMORY: usize = 256 << 20;
/// Nested directories.
pub(crate) const MOST_DEPTH: usize = 256;
/// The longest target of a symbolic link that Linux accepts.
const MOST_LINK_TARGET: usize = 4095;
/// The names of one file's extended attributes together, and the value of each, as in Linux.
const MOST_XATTRS: usize = 64 << 10;
/// The largest major and minor device number of Linux.
const MOST_DEVICE: (u32, u32) = (4095, 1_048_575);

/// The approximate memory of a node, a name and an extended attribute, beside their bytes.
const NODE: usize = 300;
const NAME: usize = 64;
const XATTR: usize = 128;

/// Directories that no entry describes: this many per entry, plus a constant.
const IMPLICIT_PER_ENTRY: usize = 4;
const FREE_IMPLICIT: usize = 10_000;

/// What the layers have used so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct Usage {
    entries: usize,
    memory: usize,
    /// The bytes of paths and link targets as the layers write them.
    written: usize,
    /// Directories that no entry describes.
    implicit: usize,
}

impl Usage {
    /// Returns the bytes of paths and link targets as the layers write them.
    pub(crate) fn written(&self) -> usize {
        self.written
    }

    /// Returns the number of directories that were needed, but that no entry described at that time.
    pub(crate) fn implicit(&self) -> usize {
        self.implicit
    }

    /// Counts an entry, before it is applied.
    ///
    /// # Errors
    /// Returns an error if no file system can store the entry, or a limit is exceeded.
    pub(crate) fn add_entry(&mut self, entry: &TarEntry) -> Result<(), ApplyError> {
        let target = match &entry.kind {
            TarEntryKind::HardLink(target) | TarEntryKind::Symlink(target) => target.len(),
            _ => 0,
        };
        let xattrs = &entry.attributes.xattrs;
        self.entries += 1;
        self.written += entry.path.len() + target;
        self.add_memory(entry.path.len() + target)?;
        self.add_memory(xattrs.iter().map(|(name, value)| name.len() + value.len() + XATTR).sum())?;
        self.check_entry(entry).map_err(|error| error.at(&entry.path))
    }

    fn check_entry(&self, entry: &TarEntry) -> Result<(), ApplyError> {
        if self.entries > MOST_FILES {
            return Err(ApplyError::TooManyFiles(MOST_FILES));
        }
        match &entry.kind {
            TarEntryKind::Symlink(target) if target.len() > MOST_LINK_TARGET => {
                return Err(ApplyError::SymlinkTooLong(MOST_LINK_TARGET));
            }
            TarEntryKind::Special(SpecialFile::Character(major, minor) | SpecialFile::Block(major, minor))
                if *major > MOST_DEVICE.0 || *minor > MOST_DEVICE.1 =>
            {
                return Err(ApplyError::DeviceNumber { major: *major, minor: *minor, most: MOST_DEVICE });
            }
            _ => {}
        }
        let xattrs = &entry.attributes.xattrs;
        // Each name ends in a NUL where Linux lists them.
        if xattrs.keys().map(|name| name.len() + 1).sum::<usize>() > MOST_XATTRS
            || xattrs.values().any(|value| value.len() > MOST_XATTRS)
        {
            return Err(ApplyError::XattrsTooLarge(MOST_XATTRS >> 10));
        }
        Ok(())
    }

    /// Counts a new node.
    ///
    /// # Errors
    /// Returns an error if the limit of memory is exceeded.
    pub(crate) fn add_node(&mut self) -> Result<(), ApplyError> {
        self.add_memory(NODE)
    }

    /// Counts a new name.
    ///
    /// # Errors
    /// Returns an error if the limit of memory is exceeded.
    pub(crate) fn add_name(&mut self, name: &[u8]) -> Result<(), ApplyError> {
        self.add_memory(name.len() + NAME)
    }

    /// Counts a directory that no entry describes.
    ///
    /// # Errors
    /// Returns an error if there are too many of them.
    pub(crate) fn add_implicit_directory(&mut self) -> Result<(), ApplyError> {
        self.implicit += 1;
        if self.implicit > IMPLICIT_PER_ENTRY * self.entries + FREE_IMPLICIT {
            return Err(ApplyError::TooManyImplicitDirectories);
        }
        Ok(())
    }

    fn add_memory(&mut self, bytes: usize) -> Result<(), ApplyError> {
        self.memory += bytes;
        if self.memory > MOST_MEMORY {
            return Err(ApplyError::TooMuchMemory(MOST_MEMORY >> 20));
        }
        Ok(())
    }
}
