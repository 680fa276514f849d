//! Shares the bytes of a file on disk: by a reflink (a copy-on-write clone), or else by a hard link.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use super::atomic::TEMP_PREFIX;
use super::fingerprint::Fingerprint;

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
    /// disk. A hard link is only made if this file has the same permissions as the file `like`.
    ///
    /// # Errors
    /// Returns an error if the bytes cannot be shared, for example between disks. Then they must be copied.
    pub fn share_as(&self, path: &Path, temp_folder: &Path, like: &Path) -> io::Result<()> {
        self.clone_to(path, temp_folder).or_else(|_| self.link_to(path, temp_folder, like))
    }

    #[cfg(target_os = "linux")]
    fn clone_to(&self, path: &Path, temp_folder: &Path) -> io::Result<()> {
        let file = super::atomic::create_in(temp_folder)?;
        rustix::fs::ioctl_ficlone(&file, &self.file)?;
        file.as_file().sync_all()?;
        file.persist(path)?;
        Ok(())
    }

    #[cfg(not(target_os = "linux"))]
    fn clone_to(&self, _: &Path, _: &Path) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn link_to(&self, path: &Path, temp_folder: &Path, like: &Path) -> io::Result<()> {
        let metadata = self.file.metadata()?;
        let fingerprint = Fingerprint::of(&metadata).ok_or(io::ErrorKind::Unsupported)?;
        if metadata.permissions() != fs::metadata(like)?.permissions() {
            return Err(io::Error::other("the permissions differ"));
        }
        if is_link_to(path, &fingerprint) {
            return Ok(());
        }
        let mut builder = tempfile::Builder::new();
        let link = builder.prefix(TEMP_PREFIX).make_in(temp_folder, |link| fs::hard_link(&self.path, link))?;
        if !is_link_to(link.path(), &fingerprint) {
            return Err(io::Error::other("the file was replaced"));
        }
        self.file.sync_all()?;
        let temp_path = link.path().to_owned();
        link.persist(path)?;
        // If another process has linked the same file there meanwhile, renaming leaves both names.
        match fs::remove_file(&temp_path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}

fn is_link_to(path: &Path, file: &Fingerprint) -> bool {
    let Ok(metadata) = fs::symlink_metadata(path) else { return false };
    metadata.is_file() && Fingerprint::of(&metadata).is_some_and(|fingerprint| fingerprint.is_same_file(file))
}
