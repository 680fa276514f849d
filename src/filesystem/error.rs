//! Why an entry of a layer is rejected.

use crate::image::layer::quote::quote;

/// An entry that no image needs, and that would do harm on a real file system.
#[derive(Debug, PartialEq, Eq, miette::Diagnostic, thiserror::Error)]
pub(crate) enum ApplyError {
    /// The entry at a path is invalid.
    #[error("entry {path} {why}", path = quote(path))]
    TarEntry {
        /// The path as the layer writes it.
        path: Vec<u8>,
        /// What is wrong.
        why: Box<ApplyError>,
    },
    /// `..` in a path.
    #[error("has `..` in its path")]
    ParentDirectory,
    /// The root is not a directory.
    #[error("is the root of the image, but not a directory")]
    RootNotDirectory,
    /// A NUL byte in a path.
    #[error("has a NUL byte in its path")]
    Nul,
    /// A path or name that no file can have.
    #[error("exceeds the limit of {0} bytes for a name or path")]
    NameTooLong(usize),
    /// Too many nested directories.
    #[error("exceeds the limit of {0} nested directories")]
    TooDeep(usize),
    /// A parent that is not a directory.
    #[error("is in {}, which is not a directory", quote(_0))]
    ParentNotDirectory(Vec<u8>),
    /// A loop of symbolic links.
    #[error("is behind a loop of symbolic links")]
    SymlinkLoop,
    /// A hard link to nothing.
    #[error("is a hard link to {}, which is not in the image", quote(_0))]
    HardLinkTargetMissing(Vec<u8>),
    /// A hard link to a directory.
    #[error("is a hard link to {}, which is a directory", quote(_0))]
    HardLinkToDirectory(Vec<u8>),
    /// A whiteout of `.`, `..` or an empty name.
    #[error("is a whiteout without a valid name")]
    InvalidWhiteout,
    /// Something below a whiteout.
    #[error("is below a whiteout")]
    BelowWhiteout,
    /// Too many files.
    #[error("exceeds the limit of {0} files")]
    TooManyFiles(usize),
    /// Too much memory.
    #[error("paths and extended attributes exceed the limit of {0} MiB")]
    TooMuchMemory(usize),
    /// A symbolic link that no file system can store.
    #[error("has a link target that exceeds the limit of {0} bytes")]
    SymlinkTooLong(usize),
    /// Extended attributes that no file system can store.
    #[error("has extended attributes that exceed the limit of {0} KiB")]
    XattrsTooLarge(usize),
    /// A device number that Linux cannot represent.
    #[error("is the device {major}:{minor}, which exceeds the largest device number {}:{}", most.0, most.1)]
    DeviceNumber {
        /// Its major number.
        major: u32,
        /// Its minor number.
        minor: u32,
        /// The largest major and minor number.
        most: (u32, u32),
    },
    /// Too many directories that no entry describes.
    #[error("needs too many parent directories that have no entry of their own")]
    TooManyImplicitDirectories,
    /// Paths that links make much longer than they are written.
    #[error("links make the paths of its files more than {0} times as long as they are written")]
    PathGrowth(usize),
}

impl ApplyError {
    /// Adds the path of the entry, unless the error has one or is about the image as a whole.
    #[must_use]
    pub(crate) fn at(self, path: &[u8]) -> ApplyError {
        match self {
            ApplyError::TarEntry { .. } | ApplyError::TooMuchMemory(_) | ApplyError::PathGrowth(_) => self,
            why => {
                // A path may be very long: the message is not.
                let shown = path.get(..200).unwrap_or(path);
                ApplyError::TarEntry { path: shown.to_owned(), why: Box::new(why) }
            }
        }
    }
}
