//! The names of a layer's entries, and what they say: image-spec, `layer.md`, "Whiteouts".

use super::Refused;

/// A name in a folder.
pub type Name<'a> = &'a [u8];

/// What an entry's name makes of it. Each has the names of the parents first.
#[derive(Debug, PartialEq, Eq)]
pub enum Change<'a> {
    /// The root itself.
    Root,
    /// Something under that name.
    Entry(Vec<Name<'a>>, Name<'a>),
    /// Nothing of the layers below under that name.
    Whiteout(Vec<Name<'a>>, Name<'a>),
    /// Nothing of the layers below in that folder.
    Opaque(Vec<Name<'a>>),
    /// Notes of a storage driver, which some images have in them.
    Nothing,
}

const WHITEOUT: &[u8] = b".wh.";
const OPAQUE: &[u8] = b".wh..wh..opq";
const NOTES: &[u8] = b".wh..wh.";

/// The longest path that Linux takes, in bytes.
pub const MOST_PATH: usize = 4096;
/// The longest name.
const MOST_NAME: usize = 255;

impl<'a> Change<'a> {
    /// Reads a name.
    ///
    /// # Errors
    /// A name that leads out of the root, or that no file can have.
    pub fn read(path: &'a [u8]) -> Result<Change<'a>, Refused> {
        let mut parents = components(path).map_err(|error| error.at(path))?;
        let Some(name) = parents.pop() else {
            return Ok(Change::Root);
        };
        if parents.iter().chain([&name]).any(|name| name.starts_with(NOTES) && *name != OPAQUE) {
            return Ok(Change::Nothing);
        }
        if parents.iter().any(|name| name.starts_with(WHITEOUT)) {
            return Err(Refused::InWhiteout.at(path));
        }
        match name.strip_prefix(WHITEOUT) {
            _ if name == OPAQUE => Ok(Change::Opaque(parents)),
            Some(b"" | b"." | b"..") => Err(Refused::Whiteout.at(path)),
            Some(hidden) => Ok(Change::Whiteout(parents, hidden)),
            None => Ok(Change::Entry(parents, name)),
        }
    }
}

/// The names in a path, which is taken from the root.
///
/// # Errors
/// A step up; what no path can be.
pub fn components(path: &[u8]) -> Result<Vec<Name<'_>>, Refused> {
    if path.len() > MOST_PATH {
        return Err(Refused::TooLong(MOST_PATH));
    }
    if path.contains(&0) {
        return Err(Refused::Nul);
    }
    let names = path.split(|byte| *byte == b'/').filter(|name| !name.is_empty() && *name != b".");
    let check = |name: Name<'_>| match name {
        b".." => Err(Refused::Outside),
        name if name.len() > MOST_NAME => Err(Refused::TooLong(MOST_NAME)),
        _ => Ok(()),
    };
    names.map(|name| check(name).map(|()| name)).collect()
}
