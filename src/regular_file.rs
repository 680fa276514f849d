//! Opens files for reading that others may have replaced by a pipe, a device or a link: that must neither hang nor lead
//! elsewhere.

use std::fs::{File, Metadata};
use std::io;
use std::path::Path;

/// Opens a regular file, which may be a link to one. Opening a pipe does not wait for a writer.
///
/// # Errors
/// Returns an error if it is anything else, or cannot be opened.
pub(crate) fn open(path: &Path) -> io::Result<File> {
    let file = open_with(path, false)?;
    check(&file.metadata()?)?;
    Ok(file)
}

/// Opens a regular file, and not a link to one.
///
/// # Errors
/// Returns an error if it is anything else, or cannot be opened.
pub(crate) fn open_no_link(path: &Path) -> io::Result<File> {
    let file = open_unlinked(path)?;
    check(&file.metadata()?)?;
    Ok(file)
}

/// Opens anything but a link, without waiting for the other end of a pipe.
///
/// # Errors
/// Returns an error if it is a link, or cannot be opened.
pub(crate) fn open_unlinked(path: &Path) -> io::Result<File> {
    open_with(path, true)
}

/// Opens a regular file, and not a link to one, to write its content to the disk or to set its times. On Unix, whoever may read
/// it may do so; Windows wants a file that is open for writing.
///
/// # Errors
/// Returns an error if it is anything else, or cannot be opened.
pub(crate) fn open_to_sync(path: &Path) -> io::Result<File> {
    let file = open_no_link(path)?;
    if cfg!(windows) { File::options().write(true).open(path) } else { Ok(file) }
}

fn check(metadata: &Metadata) -> io::Result<()> {
    if metadata.is_dir() {
        return Err(is_a_directory());
    }
    if metadata.is_file() { Ok(()) } else { Err(io::Error::other("not a regular file")) }
}

/// The error in the system's own words.
#[cfg(unix)]
fn is_a_directory() -> io::Error {
    rustix::io::Errno::ISDIR.into()
}

#[cfg(not(unix))]
fn is_a_directory() -> io::Error {
    io::ErrorKind::IsADirectory.into()
}

#[cfg(unix)]
fn open_with(path: &Path, rejects_links: bool) -> io::Result<File> {
    use rustix::fs::OFlags;
    use std::os::unix::fs::OpenOptionsExt;
    let flags = if rejects_links { OFlags::NONBLOCK | OFlags::NOFOLLOW } else { OFlags::NONBLOCK };
    File::options().read(true).custom_flags(flags.bits().cast_signed()).open(path)
}

#[cfg(not(unix))]
fn open_with(path: &Path, rejects_links: bool) -> io::Result<File> {
    if rejects_links && path.is_symlink() {
        return Err(io::Error::other("a symbolic link"));
    }
    File::open(path)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;

    #[test]
    fn only_regular_files_are_opened_without_waiting() {
        let folder = tempfile::tempdir().expect("a folder");
        let [file, link, pipe] = ["file", "link", "pipe"].map(|name| folder.path().join(name));
        fs::write(&file, "").expect("writes");
        symlink("file", &link).expect("links");
        rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, rustix::fs::Mode::RWXU).expect("a pipe");
        assert!(open(&file).is_ok() && open(&link).is_ok() && open_no_link(&file).is_ok());
        assert!(open_no_link(&link).is_err() && open_to_sync(&link).is_err());
        assert!(open_to_sync(&file).is_ok_and(|file| file.sync_all().is_ok()));
        for wrong in [&pipe, folder.path()] {
            assert!(open(wrong).is_err() && open_to_sync(wrong).is_err(), "{}", wrong.display());
        }
    }
}
