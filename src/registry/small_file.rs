//! Files of settings: text with a size limit.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use crate::interrupt::blocking;

/// The size limit of a file.
const MOST_BYTES: u64 = 1 << 20;

/// Reads a file, which may be a pipe: a password manager may serve it so. Returns `None` if there is none.
///
/// # Errors
/// Returns an error if the file cannot be read, is not UTF-8, or is larger than 1 MiB.
pub(super) fn read(path: &Path) -> io::Result<Option<String>> {
    let name = path.to_owned();
    let text = blocking::run(move || {
        let mut text = String::new();
        File::open(name)?.take(MOST_BYTES + 1).read_to_string(&mut text)?;
        Ok(text)
    });
    match text {
        Ok(text) if text.len() as u64 > MOST_BYTES => Err(io::Error::other("larger than 1 MiB")),
        Ok(text) => Ok(Some(text)),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(None),
        Err(error) => Err(error),
    }
}
