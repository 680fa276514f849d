//! Files of the host that go into a layer.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

const NOT_REGULAR: &str = "no longer a regular file";

/// Opens a regular file.
///
/// Another program may have replaced the file since it was listed. A link is not followed out of the package, and
/// opening a pipe does not block.
///
/// # Errors
/// Returns an error if the file is not a regular one or cannot be opened.
pub(crate) fn open(path: &Path) -> io::Result<File> {
    let file = open_without_following(path)?;
    if file.metadata()?.is_file() { Ok(file) } else { Err(io::Error::other(NOT_REGULAR)) }
}

#[cfg(unix)]
fn open_without_following(path: &Path) -> io::Result<File> {
    use rustix::fs::{Mode, OFlags};
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK;
    match rustix::fs::open(path, flags, Mode::empty()) {
        Ok(file) => Ok(file.into()),
        Err(rustix::io::Errno::LOOP) => Err(io::Error::other(NOT_REGULAR)),
        Err(error) => Err(error.into()),
    }
}

#[cfg(not(unix))]
fn open_without_following(path: &Path) -> io::Result<File> {
    File::open(path)
}

/// Adds the path, which an [`io::Error`] does not name.
pub(crate) fn error_on(path: &Path, error: &io::Error) -> io::Error {
    use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
    if let (StorageFull | QuotaExceeded | FileTooLarge, Some(code)) = (error.kind(), error.raw_os_error()) {
        // Only writing fails so: the layer could not be written, and the file is not at fault.
        return io::Error::from_raw_os_error(code);
    }
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

/// A reader that fails unless it yields exactly `remaining` bytes: the size in the entry's header.
pub(crate) struct ExactReader<R> {
    inner: R,
    remaining: u64,
}

impl<R: Read> ExactReader<R> {
    /// Creates a reader of exactly `size` bytes.
    pub(crate) fn new(inner: R, size: u64) -> ExactReader<R> {
        ExactReader { inner, remaining: size }
    }
}

impl<R: Read> Read for ExactReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        crate::interrupt::check()?;
        let read = self.inner.read(buffer)?;
        if (read == 0 && self.remaining > 0 && !buffer.is_empty()) || read as u64 > self.remaining {
            return Err(io::Error::other("the file changed while it was read"));
        }
        self.remaining -= read as u64;
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exact_reader_rejects_other_sizes() {
        for (size, content) in [(4, &b"hello"[..]), (6, b"hello")] {
            let error = io::copy(&mut ExactReader::new(content, size), &mut io::sink()).unwrap_err();
            assert!(error.to_string().contains("changed"), "{error}");
        }
    }
}
