//! Reading a layout in a tar file.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use miette::{Context, Report, miette};
use oci_spec::image::Descriptor;

use crate::error::{Result, cannot_read};
use crate::image::layer::tar_reader::{TarEntryKind, TarReader};
use crate::reference::TagOrDigest;
use crate::regular_file;
use crate::store::error::Missing;
use crate::store::layout::index::{INDEX, blob_path, parse_index};
use crate::store::layout::lists::{LayoutLists, REFERRERS};
use crate::store::source::{MAX_DOCUMENT_BYTES, Source};

/// A layout in a tar file.
#[derive(Debug)]
pub struct Archive {
    path: PathBuf,
    /// Offset and size in bytes of each file in the tar.
    files: HashMap<String, (u64, u64)>,
    lists: LayoutLists,
}

impl Archive {
    /// Opens an archive and indexes its files.
    ///
    /// # Errors
    /// Returns an error if the file cannot be read, or is not a tar file with a layout.
    pub fn open(path: &Path) -> Result<Archive> {
        let failed = |error: io::Error| cannot_read(path, error);
        let file = regular_file::open(path).map_err(|error| match error.kind() {
            io::ErrorKind::IsADirectory => not_a_tar(path),
            _ => failed(error),
        })?;
        let files = index(file).map_err(|error| if is_tar(path) { failed(error) } else { not_a_tar(path) })?;
        let mut archive = Archive { path: path.to_owned(), files, lists: LayoutLists::default() };
        let Some(index) = archive.list(INDEX)? else {
            return Err(miette!(help = HELP, "{} is not an OCI archive: it has no index.json", path.display()));
        };
        let referrers = archive.list(REFERRERS)?;
        let images = parse_index(&index).wrap_err_with(|| format!("{} is not an OCI archive", path.display()))?;
        archive.lists = LayoutLists::new(images, referrers.as_deref(), path)?;
        Ok(archive)
    }

    /// Returns the entries of the archive's `index.json`, and then those of its `referrers.json`.
    pub fn entries(&self) -> &[Descriptor] {
        self.lists.entries()
    }

    /// Returns the entries of the archive's `index.json`.
    pub fn images(&self) -> &[Descriptor] {
        self.lists.images()
    }

    /// Reads a list. Returns `None` if the archive does not have it.
    fn list(&self, name: &str) -> Result<Option<Vec<u8>>> {
        let Some(file) = self.file(name)? else { return Ok(None) };
        let mut list = Vec::new();
        let read = file.take(MAX_DOCUMENT_BYTES).read_to_end(&mut list);
        read.map_err(|error| cannot_read(&self.path, error))?;
        Ok(Some(list))
    }

    pub(super) fn file(&self, name: &str) -> Result<Option<io::Take<File>>> {
        let Some(&(offset, size)) = self.files.get(name) else {
            return Ok(None);
        };
        let mut file = regular_file::open(&self.path).map_err(|error| cannot_read(&self.path, error))?;
        file.seek(SeekFrom::Start(offset)).map_err(|error| cannot_read(&self.path, error))?;
        Ok(Some(file.take(size)))
    }
}

/// The memory for names in bytes, which a tar of a layout never needs.
const MAX_NAMES: usize = 64 << 20;

/// Returns the offset and the size of each file. Contents are not read.
fn index(file: File) -> io::Result<HashMap<String, (u64, u64)>> {
    let end = file.metadata()?.len();
    let (mut files, mut names) = (HashMap::new(), 0);
    let mut entries = TarReader::new(file);
    while let Some(entry) = entries.next_entry()? {
        let position = entries.skip_content()?;
        let TarEntryKind::File(size) = entry.kind else { continue };
        if position.saturating_add(size) > end {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let name = String::from_utf8_lossy(&entry.path).trim_start_matches("./").to_owned();
        names += name.len() + size_of::<(String, u64, u64)>();
        if names > MAX_NAMES {
            return Err(io::Error::other(format!(
                "the names of its files exceed the limit of {} MiB",
                MAX_NAMES >> 20
            )));
        }
        files.insert(name, (position, size));
    }
    Ok(files)
}

const HELP: &str = "name an uncompressed tar file with an OCI layout, as `cargo oci build -o oci-archive=PATH` and \
                    `skopeo copy` write it";

/// Returns the error of another kind of file, for which the tar reader only reports an invalid header.
fn not_a_tar(path: &Path) -> Report {
    miette!(help = HELP, "{} is not an OCI archive: it is not a tar file", path.display())
}

/// Returns whether a file is a tar file, by the magic number in its first header.
pub fn is_tar(path: &Path) -> bool {
    let mut magic = [0; 5];
    let read = regular_file::open(path).and_then(|mut file| {
        file.seek(SeekFrom::Start(257))?;
        file.read_exact(&mut magic)
    });
    read.is_ok() && magic == *b"ustar"
}

impl Source for Archive {
    fn resolve(&self, name: Option<&TagOrDigest>) -> Result<Descriptor> {
        self.lists.resolve(self, name)
    }

    fn exists(&self, descriptor: &Descriptor) -> Result<bool> {
        Ok(self.files.get(&blob_path(descriptor.digest())).is_some_and(|(_, size)| *size == descriptor.size()))
    }

    fn fetch(&self, descriptor: &Descriptor) -> Result<Box<dyn Read + Send + '_>> {
        let file = self.file(&blob_path(descriptor.digest()))?;
        let file = file.ok_or_else(|| Missing::blob(descriptor, self.location()))?;
        Ok(Box::new(file))
    }

    fn location(&self) -> String {
        format!("the archive {}", self.path.display())
    }
}
