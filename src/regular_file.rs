//! Opens files that must be regular ones. Opening a pipe would wait until another program writes to it, and reading a device
//! may never end.

use std::fs::File;
use std::io;
use std::path::Path;

/// Opens a regular file for reading. A link to one is followed.
///
/// # Errors
/// Returns an error if the file is not a regular one or cannot be opened.
pub(crate) fn open(path: &Path) -> io::Result<File> {
    let file = open_without_waiting(path)?;
    let kind = file.metadata()?.file_type();
    // Reading a folder fails with a better error.
    if kind.is_file() || kind.is_dir() { Ok(file) } else { Err(io::Error::other("not a regular file")) }
}

#[cfg(unix)]
fn open_without_waiting(path: &Path) -> io::Result<File> {
    use rustix::fs::{Mode, OFlags};
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    Ok(rustix::fs::open(path, flags, Mode::empty())?.into())
}

#[cfg(not(unix))]
fn open_without_waiting(path: &Path) -> io::Result<File> {
    File::open(path)
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn open_rejects_pipes_and_devices() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = |name: &str| folder.path().join(name);
        assert!(Command::new("mkfifo").arg(path("pipe")).status().expect("mkfifo runs").success());
        std::fs::write(path("file"), "content").expect("a file");
        std::os::unix::fs::symlink("file", path("link")).expect("a link");
        for (name, expected) in [("file", None), ("link", None), ("pipe", Some("not a regular file"))] {
            assert_eq!(open(&path(name)).err().map(|error| error.to_string()).as_deref(), expected, "{name}");
        }
        assert_eq!(open(Path::new("/dev/zero")).expect_err("a device").to_string(), "not a regular file");
        assert_eq!(open(&path("none")).expect_err("none").kind(), io::ErrorKind::NotFound);
    }
}
