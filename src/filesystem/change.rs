//! The path of a layer's entry → what it changes (image-spec, `layer.md`, "Whiteouts").

use super::error::ApplyError;

/// A name in a directory.
pub(crate) type Name<'a> = &'a [u8];

/// What an entry changes, by its path. The parents come first.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Change<'a> {
    /// The root itself.
    Root,
    /// An object under a name.
    Entry(Vec<Name<'a>>, Name<'a>),
    /// Removes a name that lower layers have.
    Whiteout(Vec<Name<'a>>, Name<'a>),
    /// Removes all that lower layers have in a directory.
    Opaque(Vec<Name<'a>>),
    /// Nothing: metadata of AUFS, which some images still have.
    Nothing,
}

const WHITEOUT: &[u8] = b".wh.";
const OPAQUE: &[u8] = b".wh..wh..opq";
const AUFS_METADATA: &[u8] = b".wh..wh.";

/// The longest path that Linux accepts, in bytes (`PATH_MAX`).
pub(crate) const MOST_PATH: usize = 4096;
/// The longest name (`NAME_MAX`).
const MOST_NAME: usize = 255;

impl<'a> Change<'a> {
    /// Parses the path of an entry.
    ///
    /// # Errors
    /// Returns an error if the path leads out of the root, or if no file can have it.
    pub(crate) fn parse(path: &'a [u8]) -> Result<Change<'a>, ApplyError> {
        let mut parents = components(path).map_err(|error| error.at(path))?;
        let Some(name) = parents.pop() else {
            return Ok(Change::Root);
        };
        if parents.iter().chain([&name]).any(|name| name.starts_with(AUFS_METADATA) && *name != OPAQUE) {
            return Ok(Change::Nothing);
        }
        if parents.iter().any(|name| name.starts_with(WHITEOUT)) {
            return Err(ApplyError::BelowWhiteout.at(path));
        }
        match name.strip_prefix(WHITEOUT) {
            _ if name == OPAQUE => Ok(Change::Opaque(parents)),
            Some(b"" | b"." | b"..") => Err(ApplyError::InvalidWhiteout.at(path)),
            Some(hidden) => Ok(Change::Whiteout(parents, hidden)),
            None => Ok(Change::Entry(parents, name)),
        }
    }
}

/// Returns the names in a path, relative to the root.
///
/// # Errors
/// Returns an error if the path contains `..` or a NUL byte, or is too long.
pub(crate) fn components(path: &[u8]) -> Result<Vec<Name<'_>>, ApplyError> {
    if path.len() > MOST_PATH {
        return Err(ApplyError::NameTooLong(MOST_PATH));
    }
    if path.contains(&0) {
        return Err(ApplyError::Nul);
    }
    let names: Vec<_> = path.split(|byte| *byte == b'/').filter(|name| !name.is_empty() && *name != b".").collect();
    for name in &names {
        if *name == b".." {
            return Err(ApplyError::ParentDirectory);
        }
        if name.len() > MOST_NAME {
            return Err(ApplyError::NameTooLong(MOST_NAME));
        }
    }
    Ok(names)
}
