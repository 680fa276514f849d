//! A folder that is built under another name, and gets its own when it is whole.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, RenameFlags, lremovexattr, renameat_with};
use rustix::io::Errno;

use super::failure::WriteFailed;
use crate::error::Result;
use crate::store::atomic::TEMP_PREFIX;

/// A folder without its name; it goes when it is dropped. It is its maker's alone, then and later: programs in it that
/// are root's for whoever starts them are for no other user of this computer to start.
pub struct Staging {
    path: PathBuf,
    target: PathBuf,
    is_kept: bool,
}

impl Staging {
    /// Begins a folder beside `target`.
    ///
    /// # Errors
    /// Of creating it.
    pub fn begin(target: &Path) -> Result<Staging> {
        let folder = super::folder_of(target);
        let private = fs::Permissions::from_mode(0o700);
        let made = tempfile::Builder::new().prefix(TEMP_PREFIX).permissions(private).tempdir_in(folder);
        let path = made.map_err(|error| WriteFailed::report("write in", folder, error))?.keep();
        let staging = Staging { path, target: target.to_owned(), is_kept: false };
        // What the folder above gives to all that is made in it is not what the image says.
        for name in ["system.posix_acl_default", "system.posix_acl_access"] {
            match lremovexattr(&staging.path, name) {
                Ok(()) | Err(Errno::NODATA | Errno::NOTSUP) => {}
                Err(error) => return Err(WriteFailed::report("write", &staging.path, error.into())),
            }
        }
        Ok(staging)
    }

    /// Where it is now.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes a file into it.
    ///
    /// # Errors
    /// Of writing.
    pub fn write(&self, name: &str, content: &[u8]) -> Result<()> {
        let path = self.path.join(name);
        let created = fs::File::options().write(true).create_new(true).open(&path);
        let written = created.and_then(|mut file| {
            file.write_all(content)?;
            // Whatever the umask takes away from new files.
            file.set_permissions(fs::Permissions::from_mode(0o644))
        });
        written.map_err(|error| WriteFailed::report("write", &path, error))
    }

    /// Gives it its name, where nothing may be.
    ///
    /// # Errors
    /// Of renaming; something that is there by now.
    pub fn commit(mut self) -> Result<()> {
        let failed = |error: io::Error| WriteFailed::report("write", &self.target, error);
        let renamed = match renameat_with(CWD, &self.path, CWD, &self.target, RenameFlags::NOREPLACE) {
            // Not every file system can do both at once.
            Err(Errno::INVAL | Errno::NOSYS) if self.target.symlink_metadata().is_err() => {
                fs::rename(&self.path, &self.target)
            }
            renamed => renamed.map_err(io::Error::from),
        };
        renamed.map_err(failed)?;
        self.is_kept = true;
        Ok(())
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        if !self.is_kept && fs::remove_dir_all(&self.path).is_err() {
            let _ = remove(&self.path);
        }
    }
}

/// Removes folders that may be closed to their own maker, or in each other so deep that not all can be open at once: each
/// comes to the top before it goes.
fn remove(top: &Path) -> io::Result<()> {
    let mut left = folders_in(top)?;
    let mut number = 0_u64;
    while let Some(folder) = left.pop() {
        open_up(&folder)?;
        for below in folders_in(&folder)? {
            open_up(&below)?;
            number += 1;
            let moved = top.join(format!(".{number}"));
            fs::rename(below, &moved)?;
            left.push(moved);
        }
        fs::remove_dir_all(folder)?;
    }
    fs::remove_dir_all(top)
}

fn open_up(folder: &Path) -> io::Result<()> {
    fs::set_permissions(folder, fs::Permissions::from_mode(0o700))
}

fn folders_in(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut folders = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            folders.push(entry.path());
        }
    }
    Ok(folders)
}
