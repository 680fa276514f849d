//! The bytes of a file under a second name, without a second place on the disk: as a copy that the file system makes when
//! one of the two is written to, else as a hard link.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use super::atomic::TEMPORARY;
use super::fingerprint::Fingerprint;

/// A file whose content is known to be right, and where it is.
#[derive(Debug)]
pub struct ShareableFile {
    /// Opened before it was looked at.
    pub file: File,
    /// Its name, which may be another file's by now.
    pub path: PathBuf,
}

impl ShareableFile {
    /// Puts its content at `path`, in the place of what is there. The file is made in the folder `unfinished`, which is on
    /// the same disk as `path`, and shared only where those who may read it are those who may read the file `like`.
    ///
    /// # Errors
    /// Where bytes cannot be shared, as between two disks: then they are to be copied.
    pub fn put(&self, path: &Path, unfinished: &Path, like: &Path) -> io::Result<()> {
        self.clone_to(path, unfinished).or_else(|_| self.link_to(path, unfinished, like))
    }

    #[cfg(target_os = "linux")]
    fn clone_to(&self, path: &Path, unfinished: &Path) -> io::Result<()> {
        let file = super::atomic::create_in(unfinished)?;
        rustix::fs::ioctl_ficlone(&file, &self.file)?;
        file.as_file().sync_all()?;
        file.persist(path)?;
        Ok(())
    }

    #[cfg(not(target_os = "linux"))]
    fn clone_to(&self, _: &Path, _: &Path) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn link_to(&self, path: &Path, unfinished: &Path, like: &Path) -> io::Result<()> {
        let (own, wanted) = (self.file.metadata()?, fs::metadata(like)?);
        let stamp = |metadata: &fs::Metadata| Fingerprint::of(metadata).ok_or(io::ErrorKind::Unsupported);
        let own_stamp = stamp(&own)?;
        if own.permissions() != wanted.permissions() {
            return Err(io::Error::other("it has other permissions"));
        }
        let is_own = |path: &Path| {
            let found = fs::symlink_metadata(path)?;
            Ok::<_, io::Error>(found.is_file() && stamp(&found)?.is_same_file(&own_stamp))
        };
        if is_own(path).is_ok_and(|is_own| is_own) {
            return Ok(());
        }
        let link = |link: &Path| fs::hard_link(&self.path, link);
        let link = tempfile::Builder::new().prefix(TEMPORARY).make_in(unfinished, link)?;
        if !is_own(link.path())? {
            return Err(io::Error::other("it was replaced"));
        }
        self.file.sync_all()?;
        let unfinished = link.path().to_owned();
        link.persist(path)?;
        // Where somebody has linked the same file there meanwhile, both names stay.
        match fs::remove_file(&unfinished) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}
