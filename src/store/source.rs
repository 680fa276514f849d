//! Where content comes from.

use std::io::Read;

use miette::{Report, Result as MietteResult, WrapErr};
use oci_spec::image::Descriptor;

use super::error::{ReadError, TooLarge, mismatch};
use super::reflink::ShareableFile;
use crate::error::Result;
use crate::image::digest::VerifyReader;
use crate::reference::TagOrDigest;

/// A store to read from.
pub trait Source: Sync {
    /// Returns the descriptor of a tag or a digest. Without a name: that of the only image.
    ///
    /// # Errors
    /// Returns [`Missing`](super::Missing) if there is no such content, or an error if the store cannot be read.
    fn resolve(&self, name: Option<&TagOrDigest>) -> Result<Descriptor>;

    /// Returns whether the store has the content.
    ///
    /// # Errors
    /// Returns an error if the store cannot be read.
    fn exists(&self, descriptor: &Descriptor) -> Result<bool>;

    /// Returns a reader of the content, which is not verified: see [`open`] and [`read`].
    ///
    /// # Errors
    /// Returns [`Missing`](super::Missing) if there is no such content, or an error if the store cannot be read.
    fn fetch(&self, descriptor: &Descriptor) -> Result<Box<dyn Read + Send + '_>>;

    /// Returns the content as a verified file whose bytes can be shared, or `None` if there is no such file.
    fn shareable(&self, _: &Descriptor) -> Option<ShareableFile> {
        None
    }

    /// Returns what and where the store is, for messages.
    fn location(&self) -> String;
}

impl<S: Source + ?Sized> Source for &S {
    fn resolve(&self, name: Option<&TagOrDigest>) -> Result<Descriptor> {
        (**self).resolve(name)
    }

    fn exists(&self, descriptor: &Descriptor) -> Result<bool> {
        (**self).exists(descriptor)
    }

    fn fetch(&self, descriptor: &Descriptor) -> Result<Box<dyn Read + Send + '_>> {
        (**self).fetch(descriptor)
    }

    fn shareable(&self, descriptor: &Descriptor) -> Option<ShareableFile> {
        (**self).shareable(descriptor)
    }

    fn location(&self) -> String {
        (**self).location()
    }
}

/// A source with a second one for what the first lacks.
pub(crate) struct Fallback<'a> {
    /// The source to ask first.
    pub primary: &'a dyn Source,
    /// The source to ask for what `primary` lacks.
    pub secondary: &'a dyn Source,
}

impl Source for Fallback<'_> {
    fn resolve(&self, name: Option<&TagOrDigest>) -> Result<Descriptor> {
        self.primary.resolve(name).or_else(|_| self.secondary.resolve(name))
    }

    fn exists(&self, descriptor: &Descriptor) -> Result<bool> {
        Ok(self.primary.exists(descriptor)? || self.secondary.exists(descriptor)?)
    }

    fn fetch(&self, descriptor: &Descriptor) -> Result<Box<dyn Read + Send + '_>> {
        if self.primary.exists(descriptor)? { self.primary.fetch(descriptor) } else { self.secondary.fetch(descriptor) }
    }

    fn location(&self) -> String {
        self.primary.location()
    }
}

/// The maximum size of a manifest, an index or a config: registries reject larger manifests.
pub(crate) const MAX_DOCUMENT_BYTES: u64 = 4 << 20;

/// Returns a reader that verifies the content against its descriptor.
///
/// # Errors
/// See [`Source::fetch`]. The reader fails if the content does not match the descriptor.
pub(crate) fn open<'a>(source: &'a dyn Source, descriptor: &Descriptor) -> Result<impl Read + 'a> {
    Ok(VerifyReader::new(source.fetch(descriptor)?, descriptor))
}

/// Reads all of a document: a manifest, an index or a config.
///
/// # Errors
/// See [`Source::fetch`]. Returns an error if the content is too large for a document, or does not match the descriptor.
pub(crate) fn read(source: &dyn Source, descriptor: &Descriptor) -> Result<Vec<u8>> {
    let size = descriptor.size();
    if size > MAX_DOCUMENT_BYTES {
        return Err(Report::from(TooLarge(size)).wrap_err(cannot_read(source, descriptor)));
    }
    match read_once(source, descriptor) {
        // The bytes may have been corrupted on the way: try again.
        Err(error) if mismatch(&error).is_some() => read_once(source, descriptor),
        content => content,
    }
}

fn read_once(source: &dyn Source, descriptor: &Descriptor) -> Result<Vec<u8>> {
    let mut content = Vec::new();
    let read: MietteResult<_> =
        open(source, descriptor)?.read_to_end(&mut content).map_err(ReadError).map_err(Report::from);
    read.wrap_err_with(|| cannot_read(source, descriptor))?;
    Ok(content)
}

fn cannot_read(source: &dyn Source, descriptor: &Descriptor) -> String {
    format!("cannot read {} from {}", descriptor.digest(), source.location())
}
