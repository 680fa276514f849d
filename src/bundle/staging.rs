//! A directory that is built under a temporary name, and renamed when it is complete.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, RenameFlags, lremovexattr, renameat_with};
use rustix::io::Errno;

use super::output::parent;
use crate::error::{Result, in_directory, on_path};
use crate::interrupt;
use crate::store::atomic::{self, TEMP_PREFIX};

/// A directory with a temporary name, removed on drop. Only its owner can enter it, also after the rename: other users of
/// the host must not start setuid programs of the image.
pub(crate) struct Staging {
    path: PathBuf,
    target: PathBuf,
    /// The directory, locked, so that other runs do not take it for one that was left.
    _lock: fs::File,
    is_committed: bool,
}

impl Staging {
    /// Creates a directory beside `target`.
    ///
    /// # Errors
    /// Returns an error if it cannot be created.
    pub(crate) fn create(target: &Path) -> Result<Staging> {
        let parent = parent(target);
        atomic::sweep_with(parent, remove_all);
        let (path, lock) = create_locked(parent).map_err(|error| in_directory(parent, error))?;
        let staging = Staging { path, target: target.to_owned(), _lock: lock, is_committed: false };
        // Default ACLs of the parent directory would change the modes of the image.
        for name in ["system.posix_acl_default", "system.posix_acl_access"] {
            match lremovexattr(&staging.path, name) {
                Ok(()) | Err(Errno::NODATA | Errno::NOTSUP) => {}
                Err(error) => return Err(on_path("write", &staging.path, error.into())),
            }
        }
        Ok(staging)
    }

    /// Returns its temporary path.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Writes a file into it.
    ///
    /// # Errors
    /// Returns an error if the file cannot be written.
    pub(crate) fn write(&self, name: &str, content: &[u8]) -> Result<()> {
        let path = self.path.join(name);
        let created = fs::File::options().write(true).create_new(true).open(&path);
        let written = created.and_then(|mut file| {
            file.write_all(content)?;
            // Independent of the umask.
            file.set_permissions(fs::Permissions::from_mode(0o644))
        });
        written.map_err(|error| on_path("write", &path, error))
    }

    /// Renames it to its path, which must not exist.
    ///
    /// # Errors
    /// Returns an error if it cannot be renamed, or the path exists by now.
    pub(crate) fn commit(mut self) -> Result<()> {
        let renamed = match renameat_with(CWD, &self.path, CWD, &self.target, RenameFlags::NOREPLACE) {
            // Not every file system supports this in one step.
            Err(Errno::INVAL | Errno::NOSYS) if self.target.symlink_metadata().is_err() => {
                fs::rename(&self.path, &self.target)
            }
            renamed => renamed.map_err(io::Error::from),
        };
        renamed.map_err(|error| on_path("write", &self.target, error))?;
        self.is_committed = true;
        Ok(())
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        let _cleanup = interrupt::clean_up();
        if !self.is_committed {
            remove_all(&self.path);
        }
    }
}

/// Creates a temporary directory in `parent`, and locks it.
fn create_locked(parent: &Path) -> io::Result<(PathBuf, fs::File)> {
    loop {
        let private = fs::Permissions::from_mode(0o700);
        let path = tempfile::Builder::new().prefix(TEMP_PREFIX).permissions(private).tempdir_in(parent)?.keep();
        // Another run may have swept the directory before it was locked: create another one.
        match fs::File::open(&path) {
            Ok(directory) if atomic::lock(&directory, &path) => return Ok((path, directory)),
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
}

fn remove_all(directory: &Path) {
    if fs::remove_dir_all(directory).is_err() {
        let _ = remove(directory);
    }
}

/// Removes directories that may deny access to their owner, or are nested so deep that not all can be open at once: each
/// is moved to the top before it is removed.
fn remove(top: &Path) -> io::Result<()> {
    let mut remaining = directories_in(top)?;
    let mut number = 0_u64;
    while let Some(directory) = remaining.pop() {
        allow_access(&directory)?;
        for child in directories_in(&directory)? {
            allow_access(&child)?;
            number += 1;
            let moved = top.join(format!(".{number}"));
            fs::rename(child, &moved)?;
            remaining.push(moved);
        }
        fs::remove_dir_all(directory)?;
    }
    fs::remove_dir_all(top)
}

fn allow_access(directory: &Path) -> io::Result<()> {
    fs::set_permissions(directory, fs::Permissions::from_mode(0o700))
}

fn directories_in(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let mut directories = Vec::new();
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            directories.push(entry.path());
        }
    }
    Ok(directories)
}
