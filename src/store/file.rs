//! One file as a source of content.

use std::io::{self, Read};
use std::path::{Path, PathBuf};

use miette::miette;
use oci_spec::image::{ANNOTATION_TITLE, Descriptor, MediaType};

use super::source::Source;
use crate::error::{Result, cannot_read};
use crate::image::digest::HashWriter;
use crate::reference::TagOrDigest;
use crate::regular_file;

/// A file whose content is one blob.
pub(crate) struct FileSource {
    path: PathBuf,
    descriptor: Descriptor,
}

impl FileSource {
    /// Opens and hashes a file. Its descriptor has this media type, and the name of the file as its title, as which other
    /// tools save it.
    ///
    /// # Errors
    /// Returns an error if it cannot be read, or is not a regular file.
    pub(crate) fn open(path: &Path, media_type: &str) -> Result<FileSource> {
        let mut file = regular_file::open(path).map_err(|error| match error.kind() {
            io::ErrorKind::IsADirectory => {
                miette!(help = "pack a folder first: `tar -cf`", "{} is not a file", path.display())
            }
            _ => cannot_read(path, error),
        })?;
        let mut hashed = HashWriter::new(io::sink());
        io::copy(&mut file, &mut hashed).map_err(|error| cannot_read(path, error))?;
        let (digest, size, _) = hashed.finish();
        let mut descriptor = Descriptor::new(MediaType::from(media_type), size, digest);
        if let Some(name) = path.file_name().and_then(|name| name.to_str()) {
            descriptor.set_annotations(Some([(ANNOTATION_TITLE.to_owned(), name.to_owned())].into()));
        }
        Ok(FileSource { path: path.to_owned(), descriptor })
    }

    /// Returns the descriptor of the content.
    pub(crate) fn descriptor(&self) -> &Descriptor {
        &self.descriptor
    }
}

impl Source for FileSource {
    fn resolve(&self, _: Option<&TagOrDigest>) -> Result<Descriptor> {
        Ok(self.descriptor.clone())
    }

    fn exists(&self, descriptor: &Descriptor) -> Result<bool> {
        Ok(descriptor.digest() == self.descriptor.digest())
    }

    fn fetch(&self, _: &Descriptor) -> Result<Box<dyn Read + Send + '_>> {
        let file = regular_file::open(&self.path).map_err(|error| cannot_read(&self.path, error))?;
        Ok(Box::new(file))
    }

    fn location(&self) -> String {
        self.path.display().to_string()
    }
}
