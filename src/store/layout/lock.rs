//! The lock of a layout: its `oci-layout` file. Also checks that a folder may be overwritten.

use std::fs::{self, File, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};

use miette::miette;
use serde_json::Value;

use super::index::{OCI_LAYOUT, OCI_LAYOUT_CONTENT, image_name};
use super::lists::REFERRERS;
use super::own::{OWN_BLOBS, OwnBlobs};
use super::parts::check_parts;
use super::read::Layout;
use super::subject_lists::is_attached;
use crate::error::{Result, on_path};
use crate::event::{Event, Listener};
use crate::interrupt;
use crate::reference::Reference;
use crate::store::atomic::{self, TEMP_PREFIX};
use crate::store::source::MAX_DOCUMENT_BYTES;

/// The `oci-layout` file of a layout, locked by one run at a time.
#[derive(Debug)]
pub(crate) struct LayoutLock {
    file: File,
    /// Whether this run created the file.
    is_new: bool,
    /// The folders that this run created for it, innermost first.
    new_folders: Vec<PathBuf>,
}

impl LayoutLock {
    /// Locks the layout in `root`. Waits while another run holds the lock, and reports that to `listener`.
    ///
    /// # Errors
    /// Returns an error if the folder or the file cannot be created or locked.
    pub(crate) fn acquire(root: &Path, listener: Listener) -> Result<LayoutLock> {
        let path = root.join(OCI_LAYOUT);
        loop {
            let new_folders = root.ancestors().take_while(|folder| !folder.exists()).map(Path::to_owned).collect();
            atomic::create_folder(root).map_err(|error| on_path("create", root, error))?;
            check_parts(root)?;
            let is_new = !path.exists();
            let file = open_lock(&path).map_err(|error| on_path("write", &path, error))?;
            wait_for_lock(&file, root, listener).map_err(|error| on_path("lock", &path, error))?;
            // A failed run removes its folder, and with it the file that this run may have waited for.
            if path.exists() {
                // Look again with the lock.
                check_parts(root)?;
                return Ok(LayoutLock { file, is_new, new_folders });
            }
        }
    }

    /// Writes the content of the file, unless it marks a layout already.
    ///
    /// # Errors
    /// Returns an error if writing fails.
    pub(crate) fn write(&mut self) -> io::Result<()> {
        self.file.rewind()?;
        let mut content = String::new();
        (&self.file).take(MAX_DOCUMENT_BYTES).read_to_string(&mut content)?;
        if !is_marker(&content) {
            self.file.set_len(0)?;
            self.file.rewind()?;
            self.file.write_all(OCI_LAYOUT_CONTENT.as_bytes())?;
        }
        Ok(())
    }

    /// Returns the locked file under a second handle, which keeps the lock.
    ///
    /// # Errors
    /// Returns an error if the handle cannot be duplicated.
    pub(crate) fn try_clone(&self) -> io::Result<File> {
        self.file.try_clone()
    }

    /// Removes the file and the folders that this run created for it, if they are empty.
    pub(crate) fn release(&self, root: &Path) {
        if self.is_new {
            let _ = fs::remove_file(root.join(OCI_LAYOUT));
        }
        let _ = self.new_folders.iter().try_for_each(fs::remove_dir);
    }
}

/// Opens the file of a lock, or creates it. A link is not followed, and a pipe not waited for.
fn open_lock(path: &Path) -> io::Result<File> {
    let mut options = File::options();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    {
        use rustix::fs::OFlags;
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o664).custom_flags((OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed());
    }
    options.open(path)
}

/// Returns whether a file marks a layout of the version that is written here. Other programs format it otherwise.
fn is_marker(content: &str) -> bool {
    let version = |text: &str| Some(serde_json::from_str::<Value>(text).ok()?["imageLayoutVersion"].clone());
    version(content).is_some_and(|found| Some(found) == version(OCI_LAYOUT_CONTENT))
}

fn wait_for_lock(file: &File, root: &Path, listener: Listener) -> io::Result<()> {
    match file.try_lock() {
        Err(TryLockError::WouldBlock) => {
            listener(Event::Waiting { path: root.to_owned() });
            interrupt::blocking::lock(file)
        }
        // Without file locks, go on, as cargo does.
        Err(TryLockError::Error(error)) if error.kind() != io::ErrorKind::Unsupported => Err(error),
        _ => Ok(()),
    }
}

/// Checks that a folder without a layout is empty, or holds only what a killed run of ours left.
///
/// # Errors
/// Returns an error if it holds anything else.
pub(crate) fn check_empty(root: &Path, lock: &LayoutLock) -> Result<()> {
    let was_ours = OwnBlobs::exists(root) && !lock.is_new;
    let is_ours = |name: &str| {
        name == OCI_LAYOUT
            || was_ours && (["blobs", OWN_BLOBS, REFERRERS].contains(&name) || name.starts_with(TEMP_PREFIX))
    };
    let mut files = fs::read_dir(root).into_iter().flatten().flatten();
    if files.all(|file| file.file_name().to_str().is_some_and(is_ours)) {
        return Ok(());
    }
    Err(miette!(help = "name an empty or new folder", "{} is not an OCI layout, and not empty", root.display()))
}

/// Checks that a layout holds only the image `name`, and what is attached to it.
///
/// # Errors
/// Returns an error if it holds another image, or cannot be read.
pub(crate) fn check_same_image(root: &Path, name: &str) -> Result<()> {
    let help = "name another folder, or remove this one first";
    let layout =
        Layout::open(root).map_err(|error| miette!(help = help, "cannot overwrite {}: {error}", root.display()))?;
    let own = name.parse().ok().map(|name: Reference| name.with_tag(""));
    let mut images = layout.images().iter().filter(|entry| !is_attached(&layout, entry));
    if images.all(|entry| image_name(entry) == own) {
        return Ok(());
    }
    Err(miette!(help = help, "cannot overwrite {}: it holds an image other than {name}", root.display()))
}
