//! Reading a layout.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use miette::{Report, miette};
use oci_spec::image::Descriptor;

use super::index::{INDEX, blob_path, parse_index, resolve_entry};
use crate::error::{Result, cannot_read, or_help};
use crate::reference::TagOrDigest;
use crate::regular_file;
use crate::store::error::Missing;
use crate::store::source::{MAX_DOCUMENT_BYTES, Source};

/// A layout to read from.
#[derive(Clone, Debug)]
pub struct Layout {
    root: PathBuf,
    /// The bytes of its `index.json`.
    index: Vec<u8>,
    entries: Vec<Descriptor>,
    /// The lock of the run that has just written it: nobody replaces the layout until its readers are done.
    _lock: Option<Arc<File>>,
}

impl Layout {
    /// Opens the layout in the folder `root`.
    ///
    /// # Errors
    /// Returns an error if there is no layout, or if its `index.json` cannot be read.
    pub fn open(root: &Path) -> Result<Layout> {
        let path = root.join(INDEX);
        if !path.exists() {
            return Err(miette!(
                help = "name the folder that holds its oci-layout and index.json",
                "there is no OCI layout in {}",
                root.display()
            ));
        }
        let index = read_index(&path)?;
        let entries = parse_index(&index).map_err(|error| unusable(root, error))?;
        Ok(Layout { root: root.to_owned(), index, entries, _lock: None })
    }

    /// Keeps the lock of the layout as long as this layout and its clones.
    #[must_use]
    pub fn with_lock(self, lock: File) -> Layout {
        Layout { _lock: Some(Arc::new(lock)), ..self }
    }

    /// Returns the entries of the layout's `index.json`.
    pub fn entries(&self) -> &[Descriptor] {
        &self.entries
    }

    /// Returns the folder of the layout.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Returns the bytes of the `index.json` that was opened: by now, there may be another one.
    pub fn index(&self) -> &[u8] {
        &self.index
    }
}

/// Returns the error of a layout with an invalid `index.json`.
fn unusable(root: &Path, error: Report) -> Report {
    let error = error.wrap_err(format!("{} is not an OCI layout", root.display()));
    or_help(error, || "copy the complete image again: `skopeo copy --all`".to_owned())
}

/// Reads an `index.json`.
///
/// # Errors
/// Returns an error if it cannot be read.
pub(crate) fn read_index(path: &Path) -> Result<Vec<u8>> {
    let mut index = Vec::new();
    regular_file::open(path)
        .and_then(|file| file.take(MAX_DOCUMENT_BYTES).read_to_end(&mut index))
        .map_err(|error| cannot_read(path, error))?;
    Ok(index)
}

impl Source for Layout {
    fn resolve(&self, name: Option<&TagOrDigest>) -> Result<Descriptor> {
        resolve_entry(self, &self.entries, name)
    }

    fn exists(&self, descriptor: &Descriptor) -> Result<bool> {
        let metadata = fs::metadata(self.root.join(blob_path(descriptor.digest())));
        Ok(metadata.is_ok_and(|found| found.len() == descriptor.size()))
    }

    fn fetch(&self, descriptor: &Descriptor) -> Result<Box<dyn Read + Send + '_>> {
        let path = self.root.join(blob_path(descriptor.digest()));
        match regular_file::open(&path) {
            Ok(file) => Ok(Box::new(file)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(Missing::blob(descriptor, self.location())),
            Err(error) => Err(cannot_read(&path, error)),
        }
    }

    fn location(&self) -> String {
        format!("the layout {}", self.root.display())
    }
}
