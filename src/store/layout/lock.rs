//! The file that marks the folder of a layout, and whose such a folder is.

use std::fs::{self, File, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use miette::miette;
use oci_spec::image::Descriptor;

use super::{IMAGE_NAME, Layout, MARK, MARK_CONTENT, is_attached};
use crate::error::{Result, on_path};
use crate::event::{Event, Listener};
use crate::interrupt;
use crate::reference::Reference;
use crate::store::atomic;

/// The file that marks a layout, held by one run at a time.
#[derive(Debug)]
pub struct LayoutLock {
    pub file: File,
    /// Whether it was made by this run.
    made: bool,
    /// The folders that were made with it, the innermost first.
    made_folders: Vec<PathBuf>,
}

impl LayoutLock {
    /// Waits, and says so, while another run holds it.
    ///
    /// # Errors
    /// When the folder or the file cannot be made.
    pub fn take(root: &Path, listener: Listener) -> Result<LayoutLock> {
        let path = root.join(MARK);
        loop {
            let made_folders = root.ancestors().take_while(|folder| !folder.exists()).map(Path::to_owned).collect();
            fs::create_dir_all(root).map_err(|error| on_path("create", root, error))?;
            let made = !path.exists();
            let mut options = File::options();
            options.read(true).write(true).create(true).truncate(false);
            let file = options.open(&path).map_err(|error| on_path("write", &path, error))?;
            hold(&file, root, listener).map_err(|error| on_path("lock", &path, error))?;
            // A run that failed removes its folder, and with it the file that we may have waited for.
            if path.exists() {
                return Ok(LayoutLock { file, made, made_folders });
            }
        }
    }

    /// Writes what a mark says, if it does not say so already.
    pub fn write(&mut self) -> io::Result<()> {
        self.file.rewind()?;
        let mut content = String::new();
        self.file.read_to_string(&mut content)?;
        if content != MARK_CONTENT {
            self.file.set_len(0)?;
            self.file.rewind()?;
            self.file.write_all(MARK_CONTENT.as_bytes())?;
        }
        Ok(())
    }

    /// Undoes what taking it has made.
    pub fn release(&self, root: &Path) {
        if self.made {
            let _ = fs::remove_file(root.join(MARK));
        }
        // Those go that are empty.
        let _ = self.made_folders.iter().try_for_each(fs::remove_dir);
    }
}

fn hold(mark: &File, root: &Path, listener: Listener) -> io::Result<()> {
    match mark.try_lock() {
        Err(TryLockError::WouldBlock) => {
            listener(Event::Waiting { path: root.to_owned() });
            // Not one call that waits: the user may not want to.
            while let Err(TryLockError::WouldBlock) = mark.try_lock() {
                interrupt::check()?;
                std::thread::sleep(Duration::from_millis(20));
            }
            Ok(())
        }
        // Where files cannot be locked, cargo goes on too.
        Err(TryLockError::Error(error)) if error.kind() != io::ErrorKind::Unsupported => Err(error),
        _ => Ok(()),
    }
}

/// A folder without a layout is ours when it is empty, or holds what a run of ours that was killed has left.
pub fn refuse_full(root: &Path, mark: &LayoutLock) -> Result<()> {
    let others = fs::read_dir(root).into_iter().flatten().flatten();
    let is_ours = |name: &str| name == MARK || !mark.made && (name == "blobs" || name.starts_with(atomic::TEMPORARY));
    let foreign = others.filter(|other| !other.file_name().to_str().is_some_and(is_ours)).count();
    if foreign == 0 {
        return Ok(());
    }
    Err(miette!(
        help = "name a folder that is empty or not there yet",
        "{} is not an OCI layout, and not empty",
        root.display()
    ))
}

/// A layout with somebody else's images is not ours to replace.
pub fn refuse_foreign(root: &Path, name: &str) -> Result<()> {
    let help = "name another folder, or remove that one first";
    let layout =
        Layout::open(root).map_err(|error| miette!(help = help, "{} is not overwritten: {error}", root.display()))?;
    let image = |entry: &Descriptor| {
        let annotations = entry.annotations().as_ref()?;
        let reference: Reference = annotations.get(IMAGE_NAME)?.parse().ok()?;
        Some(reference.with_tag(""))
    };
    let own = name.parse().ok().map(|name: Reference| name.with_tag(""));
    // What is attached to the image goes with it.
    if layout.entries.iter().filter(|entry| !is_attached(&layout, entry)).all(|entry| image(entry) == own) {
        return Ok(());
    }
    Err(miette!(help = help, "{} holds an image other than {name}, and is not overwritten", root.display()))
}
