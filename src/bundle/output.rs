//! Where a bundle goes, and whether it can be written there.

use std::io;
use std::path::{Path, PathBuf};

use miette::miette;

use crate::error::{Result, in_directory};

/// A user and a group of the host.
pub(crate) type HostOwner = (u32, u32);

/// Where a bundle is written, and how.
#[derive(Clone, Debug)]
pub(crate) struct BundleOutput {
    /// The directory or file to create.
    pub(crate) path: PathBuf,
    /// Directory or tar file.
    pub(crate) format: BundleFormat,
    /// Whether all files belong to the current user, who is root in the container.
    pub(crate) rootless: bool,
}

/// The formats of a bundle.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum BundleFormat {
    /// A directory, as runtimes expect it.
    #[default]
    Directory,
    /// A tar file of such a directory: needs no rights, and holds what the file system may not.
    Tar,
}

impl BundleOutput {
    /// Checks that the bundle can be made, before anything is done.
    ///
    /// # Errors
    /// Returns an error if the path exists or cannot be the path of a bundle, or if the user has not the rights.
    pub(crate) fn check(&self) -> Result<()> {
        let path = self.location()?;
        let name = path.file_name();
        if path.symlink_metadata().is_ok() {
            let mut help = "choose another path".to_owned();
            // `/`, `.` and `..` cannot be removed.
            if name.is_some() {
                help = format!("{help}, or remove it first: rm -r {}", path.display());
            }
            return Err(miette!(help = help, "{} already exists", path.display()));
        }
        if name.is_none() {
            return Err(miette!(
                help = "choose a new directory",
                "`{}` is not a valid path for a bundle",
                self.path.display()
            ));
        }
        self.owner()?;
        match self.format {
            BundleFormat::Tar => Ok(()),
            BundleFormat::Directory => check_can_change_owners(self.rootless),
        }
    }

    /// Checks that the parent directory exists. The default one is created by the build.
    ///
    /// # Errors
    /// Returns an error if it does not exist or is not a directory.
    pub(crate) fn check_parent(&self) -> Result<()> {
        let path = self.location()?;
        let parent = parent(&path);
        let metadata = parent.metadata().map_err(|error| in_directory(parent, error))?;
        if !metadata.is_dir() {
            return Err(in_directory(parent, io::ErrorKind::NotADirectory.into()));
        }
        Ok(())
    }

    /// Returns the path without a trailing `/` or `/.`.
    ///
    /// # Errors
    /// Returns an error if the path of a tar file can only be that of a directory.
    pub(crate) fn location(&self) -> Result<PathBuf> {
        let bytes = self.path.as_os_str().as_encoded_bytes();
        if self.format == BundleFormat::Tar && (bytes.ends_with(b"/") || bytes.ends_with(b"/.")) {
            return Err(miette!(
                help = "remove the trailing slash, or make a directory with `--output dir`",
                "{} is a path of a directory, not of a tar file",
                self.path.display()
            ));
        }
        Ok(self.path.components().collect())
    }

    /// Returns the owner of all files in a rootless bundle, or `None` in others.
    ///
    /// # Errors
    /// Returns an error if the system has no numeric users.
    pub(crate) fn owner(&self) -> Result<Option<HostOwner>> {
        if !self.rootless {
            return Ok(None);
        }
        let owner = current_user();
        Ok(Some(owner.ok_or_else(|| miette!(help = "remove `--rootless`", "this system has no numeric users"))?))
    }
}

/// Returns the effective user and group of this process, or `None` on systems without numeric users.
#[cfg(unix)]
#[expect(clippy::unnecessary_wraps, reason = "other systems have none")]
fn current_user() -> Option<HostOwner> {
    Some((rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw()))
}

/// Returns `None`: this system has no numeric users.
#[cfg(not(unix))]
fn current_user() -> Option<HostOwner> {
    None
}

/// Returns the parent directory of a path, `.` for a name alone.
pub(crate) fn parent(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Checks that the user may create files of others, or need not.
#[cfg(target_os = "linux")]
pub(crate) fn check_can_change_owners(rootless: bool) -> Result<()> {
    if rootless || rustix::process::geteuid().is_root() {
        return Ok(());
    }
    Err(miette!(
        help =
            "make a bundle that is all yours with `--rootless`, or a tar file that root can unpack with `--output tar`",
        "only root can create files of other users, which the image has"
    ))
}

/// Checks that the file system can hold a root file system of Linux: it cannot.
///
/// # Errors
/// Returns an error on systems other than Linux.
#[cfg(not(target_os = "linux"))]
pub(crate) fn check_can_change_owners(_: bool) -> Result<()> {
    Err(miette!(
        help = "make a tar file with `--output tar`, and unpack it on Linux",
        "the file system of this host cannot hold a root file system of Linux"
    ))
}
