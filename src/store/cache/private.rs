//! Files and folders that belong to the user alone.

use std::fs::{self, File};
use std::io;
use std::path::Path;

use crate::error::Result;
use crate::regular_file;

/// Checks that the cache folder belongs to the user and that nobody else can write to it: otherwise its content could
/// be anything.
///
/// # Errors
/// Returns an error if others could have written to it.
#[cfg(unix)]
pub(crate) fn check_owner(root: &Path, metadata: &fs::Metadata) -> Result<()> {
    use std::os::unix::fs::MetadataExt;
    let user = rustix::process::geteuid().as_raw();
    let reason = if metadata.uid() != user {
        format!("it belongs to the user {}, not to you ({user})", metadata.uid())
    } else if is_world_writable(metadata) {
        "everyone can write to it".to_owned()
    } else {
        return Ok(());
    };
    Err(miette::miette!(
        help = "make it private with `chown` and `chmod 700`, or set CARGO_OCI_CACHE_DIR to a private folder",
        "cannot use the cache {}: {reason}",
        root.display()
    ))
}

/// Accepts every folder: the system separates the folders of users itself.
///
/// # Errors
/// Never returns an error.
#[cfg(not(unix))]
pub(crate) fn check_owner(_: &Path, _: &fs::Metadata) -> Result<()> {
    Ok(())
}

/// Checks that no link leads from the cache to elsewhere: what is removed from the cache must not be missing there.
///
/// # Errors
/// Returns an error if there is a link.
pub(crate) fn check_links(root: &Path) -> Result<()> {
    let mut names = ["lock", "unfinished", "memory", "blobs", "blobs/sha256", "blobs/sha512"].into_iter();
    match names.find(|name| root.join(name).is_symlink()) {
        Some(name) => Err(miette::miette!(
            help = "remove the link, or set CARGO_OCI_CACHE_DIR to another folder, which itself may be a link",
            "cannot use the cache {}: {name} is a symbolic link",
            root.display()
        )),
        None => Ok(()),
    }
}

/// Opens a blob: a regular file, not a link, that only the user can write to.
///
/// # Errors
/// Returns an error if it is anything else, or cannot be opened.
pub(crate) fn open_blob(path: &Path) -> io::Result<File> {
    let file = regular_file::open_no_link(path)?;
    if is_private(&file.metadata()?) { Ok(file) } else { Err(io::Error::other("not a private file")) }
}

#[cfg(unix)]
fn is_private(metadata: &fs::Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;
    metadata.uid() == rustix::process::geteuid().as_raw() && !is_world_writable(metadata)
}

#[cfg(not(unix))]
fn is_private(_: &fs::Metadata) -> bool {
    true
}

#[cfg(unix)]
fn is_world_writable(metadata: &fs::Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;
    metadata.mode() & 0o002 != 0
}

/// Creates a folder and its parents, on Unix with mode 0700.
///
/// # Errors
/// Returns an error if a folder cannot be created.
pub(crate) fn create_private(folder: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.recursive(true).create(folder)
}
