//! Files that are written atomically.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::Path;

use tempfile::NamedTempFile;

use super::error::ReadError;
use crate::error::{Result, on_path};

/// The prefix of temporary files.
pub(crate) const TEMP_PREFIX: &str = ".new-";

/// Creates a temporary file in `folder`, which is removed when it is dropped.
///
/// Its permissions follow the umask, as those of any file: by default, temporary files are only readable by their owner,
/// but others read images.
///
/// # Errors
/// Returns an error if the file cannot be created.
pub(crate) fn create_in(folder: &Path) -> io::Result<NamedTempFile> {
    let mut options = File::options();
    options.read(true).write(true).create_new(true);
    tempfile::Builder::new().prefix(TEMP_PREFIX).make_in(folder, |path| options.open(path))
}

/// Replaces the file at `path`, or the one it links to, with what `write` writes. A pipe, a terminal or `/dev/null` is
/// written to directly.
///
/// # Errors
/// Returns an error if writing fails. Then an existing file is unchanged.
pub(crate) fn replace(path: &Path, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
    // A broken link is replaced itself.
    let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    if fs::metadata(&path).is_ok_and(|found| !found.is_file() && !found.is_dir()) {
        return write(&mut File::options().write(true).open(path)?);
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let mut file = create_in(folder.unwrap_or(Path::new(".")))?;
    write(file.as_file_mut())?;
    // Otherwise the rename could reach the disk before the content.
    file.as_file().sync_all()?;
    file.persist(&path)?;
    sync_folder(path.parent().unwrap_or(Path::new("/")));
    Ok(())
}

/// Makes the names in a folder survive a power failure. Where folders cannot be opened, the file system does that.
pub(crate) fn sync_folder(folder: &Path) {
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    if let Ok(folder) = File::open(folder) {
        let _ = folder.sync_all();
    }
}

/// Writes all of `content` to a temporary file for `path`.
///
/// # Errors
/// Returns a [`ReadError`] if reading fails, or an error that names `path` if writing fails.
pub(crate) fn write_all(file: &mut NamedTempFile, content: &mut dyn Read, path: &Path) -> Result<()> {
    let mut buffer = vec![0; 128 << 10];
    loop {
        let read = match content.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            read => read.map_err(ReadError)?,
        };
        // Write to the inner file: errors of `NamedTempFile` would name the temporary path.
        file.as_file_mut().write_all(&buffer[..read]).map_err(|error| on_path("write", path, error))?;
    }
}
