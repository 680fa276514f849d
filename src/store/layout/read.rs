//! Reading a layout.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use miette::{Report, miette};
use oci_spec::image::Descriptor;

use super::index::{INDEX, blob_path, parse_index};
use super::lists::{LayoutLists, REFERRERS};
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
    /// The bytes of its `referrers.json`, if there is one.
    referrers: Option<Vec<u8>>,
    lists: LayoutLists,
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
        let (index, referrers) = read_lists(root)?;
        let images = parse_index(&index).map_err(|error| unusable(root, error))?;
        let lists = LayoutLists::new(images, referrers.as_deref(), root)?;
        Ok(Layout { root: root.to_owned(), index, referrers, lists, _lock: None })
    }

    /// Keeps the lock of the layout as long as this layout and its clones.
    #[must_use]
    pub fn with_lock(self, lock: File) -> Layout {
        Layout { _lock: Some(Arc::new(lock)), ..self }
    }

    /// Returns the entries of the layout's `index.json`, and then those of its `referrers.json`.
    pub fn entries(&self) -> &[Descriptor] {
        self.lists.entries()
    }

    /// Returns the entries of the layout's `index.json`.
    pub fn images(&self) -> &[Descriptor] {
        self.lists.images()
    }

    /// Returns the entries of the layout's `referrers.json`: what is attached to the images.
    pub fn referrers(&self) -> &[Descriptor] {
        self.lists.referrers()
    }

    /// Returns the folder of the layout.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Returns the bytes of the `index.json` that was opened: by now, there may be another one.
    pub fn index(&self) -> &[u8] {
        &self.index
    }

    /// Returns the bytes of the `referrers.json` that was opened, or `None` if there was none.
    pub(crate) fn referrers_list(&self) -> Option<&[u8]> {
        self.referrers.as_deref()
    }
}

/// Returns the error of a layout with an invalid `index.json`.
fn unusable(root: &Path, error: Report) -> Report {
    let error = error.wrap_err(format!("{} is not an OCI layout", root.display()));
    or_help(error, || "copy the complete image again: `skopeo copy --all`".to_owned())
}

/// How often the lists are read again if another run replaces them meanwhile.
const ATTEMPTS: usize = 8;

/// Reads `index.json` and `referrers.json`, both as the same run has left them.
fn read_lists(root: &Path) -> Result<(Vec<u8>, Option<Vec<u8>>)> {
    let index_path = root.join(INDEX);
    let mut index = read_list(&index_path)?;
    let mut referrers = None;
    for _ in 0..ATTEMPTS {
        referrers = read_referrers(root)?;
        let now = read_list(&index_path)?;
        if now == index {
            break;
        }
        index = now;
    }
    Ok((index, referrers))
}

/// Reads the `referrers.json` of the layout in `root`. Returns `None` if there is none.
///
/// # Errors
/// Returns an error if it cannot be read.
pub(crate) fn read_referrers(root: &Path) -> Result<Option<Vec<u8>>> {
    let path = root.join(REFERRERS);
    match regular_file::open(&path).and_then(read_all) {
        Ok(list) => Ok(Some(list)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(cannot_read(&path, error)),
    }
}

/// Reads an `index.json`, or another list.
///
/// # Errors
/// Returns an error if it cannot be read.
pub(crate) fn read_list(path: &Path) -> Result<Vec<u8>> {
    regular_file::open(path).and_then(read_all).map_err(|error| cannot_read(path, error))
}

fn read_all(file: File) -> io::Result<Vec<u8>> {
    let mut list = Vec::new();
    file.take(MAX_DOCUMENT_BYTES).read_to_end(&mut list)?;
    Ok(list)
}

impl Source for Layout {
    fn resolve(&self, name: Option<&TagOrDigest>) -> Result<Descriptor> {
        self.lists.resolve(self, name)
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
