//! Files that are there whole or not at all.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::Path;

use tempfile::NamedTempFile;

use super::layer::DecompressionBomb;
use crate::error::{Result, on_path};
use crate::image::digest::Mismatch;
use crate::image::layer::decompress::DecompressError;

/// What the names of unfinished files begin with.
pub const TEMPORARY: &str = ".new-";

/// A file without a name of its own yet, in `folder`; it goes when it is dropped.
///
/// It is created as any file is, by the user's umask: tempfile's own default is for secrets, and images are read by
/// others.
///
/// # Errors
/// Of creating it.
pub fn create_in(folder: &Path) -> io::Result<NamedTempFile> {
    let create = |path: &Path| File::options().read(true).write(true).create_new(true).open(path);
    tempfile::Builder::new().prefix(TEMPORARY).make_in(folder, create)
}

/// Puts a new file, as `write` writes it, in the place of `path`, or of what that links to. What is no file there (a
/// pipe, a terminal, `/dev/null`) is written to.
///
/// # Errors
/// Of writing; a file that was there before is then as it was.
pub fn replace(path: &Path, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
    // A link that leads nowhere yet is replaced itself.
    let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    if fs::metadata(&path).is_ok_and(|found| !found.is_file() && !found.is_dir()) {
        return write(&mut File::options().write(true).open(path)?);
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let mut file = create_in(folder.unwrap_or(Path::new(".")))?;
    write(file.as_file_mut())?;
    // A rename may reach the disk before the content does.
    file.as_file().sync_all()?;
    file.persist(&path)?;
    sync_folder(path.parent().unwrap_or(Path::new("/")));
    Ok(())
}

/// Sees to it that the names in a folder outlive a power cut. Where folders cannot be opened, the file system does it by
/// itself.
pub fn sync_folder(folder: &Path) {
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    if let Ok(folder) = File::open(folder) {
        let _ = folder.sync_all();
    }
}

/// Writes all of `content` to a file that will be `path`; an error of the one is not taken for one of the other.
///
/// # Errors
/// Of reading, as they are; of writing, with the path.
pub fn fill(file: &mut NamedTempFile, content: &mut dyn Read, path: &Path) -> Result<()> {
    let mut buffer = vec![0; 128 << 10];
    loop {
        let read = match content.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            read => read.map_err(ReadError)?,
        };
        // The file's own error: that of `NamedTempFile` names its path once more.
        file.as_file_mut().write_all(&buffer[..read]).map_err(|error| on_path("write", path, error))?;
    }
}

/// Content could not be read; why is kept as it is, for those who act on it.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[error("{begin}{0}", begin = if is_told(.0) { "" } else { "it cannot be read: " })]
pub struct ReadError(pub io::Error);

/// Whether an error says by itself what is wrong with the content.
fn is_told(error: &io::Error) -> bool {
    let is_ours = |inner: &(dyn std::error::Error + Send + Sync + 'static)| {
        inner.is::<Mismatch>() || inner.is::<DecompressError>() || inner.is::<DecompressionBomb>()
    };
    error.get_ref().is_some_and(is_ours)
}
