//! Why an entry of a layer is not applied.

use crate::image::layer::quote::quote;

/// What no image needs, and what would do harm if it were done to a real file system.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Something is wrong with the entry of that name.
    #[error("its entry {path} {why}", path = quote(path))]
    TarEntry {
        /// As the layer writes it.
        path: Vec<u8>,
        /// What is wrong.
        why: Box<Refused>,
    },
    /// `..` in a name.
    #[error("leads upwards, and perhaps out of the image")]
    Outside,
    /// A root that is no folder.
    #[error("is the root of the image, and no folder")]
    Root,
    /// A NUL byte in a name.
    #[error("holds a NUL byte in its name")]
    Nul,
    /// A name that no file can have.
    #[error("has a name of more than {0} bytes")]
    TooLong(usize),
    /// Folders in folders.
    #[error("is deeper than {0} folders")]
    TooDeep(usize),
    /// A parent that is a file.
    #[error("is in {}, which is no folder", quote(_0))]
    NoFolder(Vec<u8>),
    /// Symbolic links that lead to each other.
    #[error("is behind symbolic links that lead to each other")]
    Loop,
    /// A hard link to nothing.
    #[error("is a hard link to {}, which is not in the image", quote(_0))]
    Missing(Vec<u8>),
    /// A hard link to a folder.
    #[error("is a hard link to {}, which is a folder", quote(_0))]
    LinkToFolder(Vec<u8>),
    /// A whiteout of the folder itself, or of the one above.
    #[error("is a whiteout of nothing that has a name")]
    Whiteout,
    /// Something in a whiteout.
    #[error("is in a whiteout")]
    InWhiteout,
    /// Files without end.
    #[error("is one too many: more than {0} files are refused")]
    TooMany(usize),
    /// Names without end.
    #[error("its files, their names and extended attributes take more than {0} MiB of memory")]
    TooMuch(usize),
    /// A symbolic link that no file system takes.
    #[error("leads to a name of more than {0} bytes")]
    Target(usize),
    /// Extended attributes that no file system takes.
    #[error("has extended attributes of more than {0} KiB")]
    Xattrs(usize),
    /// A device that there is no number for: its own, and the largest.
    #[error("is the device {}:{}, but the largest number of one is {}:{}", _0.0, _0.1, _1.0, _1.1)]
    Device((u32, u32), (u32, u32)),
    /// Folders of folders that no entry is for.
    #[error("is in one folder too many that no entry is for: no real image has so few entries for so many")]
    Implicit,
    /// Names that are much longer than they are written.
    #[error("its links make the names of its files more than {0} times as long as they are written")]
    Grown(usize),
}

impl Refused {
    /// Says which entry it is about, unless that is said.
    pub fn at(self, path: &[u8]) -> Refused {
        match self {
            Refused::TarEntry { .. } | Refused::TooMuch(_) | Refused::Grown(_) => self,
            why => {
                // A name without end is not shown without end.
                let shown = path.get(..200).unwrap_or(path);
                Refused::TarEntry { path: shown.to_owned(), why: Box::new(why) }
            }
        }
    }
}
