//! Files that are there whole or not at all.

use std::fs::File;
use std::io;
use std::path::Path;

use tempfile::NamedTempFile;

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

/// Puts a new file, as `write` writes it, in the place of `path`.
///
/// # Errors
/// Of writing; a file that was there before is then as it was.
pub fn replace(path: &Path, write: impl FnOnce(&mut NamedTempFile) -> io::Result<()>) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let mut file = create_in(folder.unwrap_or(Path::new(".")))?;
    write(&mut file)?;
    file.persist(path)?;
    Ok(())
}
