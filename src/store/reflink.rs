//! Shares the bytes of a file on disk by a reflink: a clone, of which a write to either file makes a copy.
//!
//! Hard links would share writes, too: who changes a layout in place would change the cache, and with it all other layouts.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use super::atomic::Audience;

/// A file with verified content.
#[derive(Debug)]
pub struct ShareableFile {
    /// The file, opened before it was verified.
    pub file: File,
    /// The path, which may name another file by now.
    pub path: PathBuf,
}

impl ShareableFile {
    /// Replaces `path` with a file that shares these bytes. The file is created in the folder `temp_folder` on the same
    /// disk.
    ///
    /// # Errors
    /// Returns an error if the bytes cannot be shared, for example between disks. Then they must be copied.
    #[cfg(target_os = "linux")]
    pub(crate) fn share_as(&self, path: &Path, temp_folder: &Path, audience: Audience) -> io::Result<()> {
        let file = super::atomic::create_in(temp_folder, audience)?;
        rustix::fs::ioctl_ficlone(&file, &self.file)?;
        file.as_file().sync_all()?;
        file.persist(path)?;
        Ok(())
    }

    /// Returns an error: the bytes must be copied.
    ///
    /// # Errors
    /// Always returns an error.
    #[cfg(not(target_os = "linux"))]
    pub(crate) fn share_as(&self, _: &Path, _: &Path, _: Audience) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }
}
