//! Stores of content, and the one verb between two of them.
//!
//! A registry, a layout on disk, an archive, the cache and a store in memory are all a [`Source`], a [`Sink`] or both;
//! pulling a base, writing a layout and pushing an image are all [`copy`].

pub mod archive;
pub mod atomic;
pub mod cache;
mod copy;
pub mod fingerprint;
pub mod layer;
pub mod layout;
pub mod memory;
pub mod progress;
pub mod referrers;
pub mod reflink;
pub mod validate;

use std::io::Read;

use miette::{Context, Report, miette};
use oci_spec::image::Descriptor;

use crate::error::Result;
use crate::image::digest::{Mismatch, VerifyReader};

pub use self::progress::ProgressSource;
use self::reflink::ShareableFile;
pub use archive::Archive;
pub use cache::Cache;
pub use copy::{SMALL, copy};
pub use layout::{Layout, LayoutWriter};
pub use memory::Memory;
pub use referrers::Referrers;

/// Where content comes from.
pub trait Source: Sync {
    /// The content that a tag or a digest names; without a name, the only image there is.
    ///
    /// # Errors
    /// [`Missing`] where there is no such content; whatever goes wrong on the way to it.
    fn resolve(&self, name: Option<&str>) -> Result<Descriptor>;

    /// Whether the content is there.
    ///
    /// # Errors
    /// When that cannot be found out.
    fn exists(&self, descriptor: &Descriptor) -> Result<bool>;

    /// The content, as it comes: callers check it against the descriptor ([`open`], [`read`]).
    ///
    /// # Errors
    /// [`Missing`] where there is no such content; whatever goes wrong on the way to it.
    fn fetch(&self, descriptor: &Descriptor) -> Result<Box<dyn Read + Send + '_>>;

    /// The content as a file that was found to be right, where it is one whose bytes may be shared.
    fn shareable(&self, _: &Descriptor) -> Option<ShareableFile> {
        None
    }

    /// What and where it is, for errors.
    fn location(&self) -> String;
}

impl<S: Source + ?Sized> Source for &S {
    fn resolve(&self, name: Option<&str>) -> Result<Descriptor> {
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

/// Content of `first`, and what that lacks from `second`.
pub struct Fallback<'a> {
    /// Asked first.
    pub primary: &'a dyn Source,
    /// Asked for what `first` has not.
    pub secondary: &'a dyn Source,
}

impl Source for Fallback<'_> {
    fn resolve(&self, name: Option<&str>) -> Result<Descriptor> {
        self.primary.resolve(name).or_else(|_| self.secondary.resolve(name))
    }

    fn exists(&self, descriptor: &Descriptor) -> Result<bool> {
        Ok(self.primary.exists(descriptor)? || self.secondary.exists(descriptor)?)
    }

    fn fetch(&self, descriptor: &Descriptor) -> Result<Box<dyn Read + Send + '_>> {
        match self.primary.exists(descriptor)? {
            true => self.primary.fetch(descriptor),
            false => self.secondary.fetch(descriptor),
        }
    }

    fn location(&self) -> String {
        self.primary.location()
    }
}

/// Where content goes.
pub trait Sink: Sync {
    /// Whether the content is there already, and right.
    ///
    /// # Errors
    /// When that cannot be found out.
    fn exists(&self, descriptor: &Descriptor) -> Result<bool>;

    /// Stores content of `source`, which may be read more than once. What the content names is stored before.
    ///
    /// # Errors
    /// Of reading the content and of storing it; then nothing is stored.
    fn push(&self, descriptor: &Descriptor, source: &dyn Source) -> Result<()>;

    /// Lets `name` stand for content that is there.
    ///
    /// # Errors
    /// When that cannot be stored.
    fn tag(&self, descriptor: &Descriptor, name: &str) -> Result<()>;
}

/// There is no such content.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[error("{location} has no {kind}{name}", kind = if name.contains(':') { "" } else { "tag " })]
pub struct Missing {
    /// A tag or a digest.
    pub name: String,
    /// Where it was looked for.
    pub location: String,
}

impl Missing {
    fn blob(descriptor: &Descriptor, location: String) -> Report {
        let name = descriptor.digest().to_string();
        Missing { name, location }.into()
    }
}

/// A manifest, an index or a config is never larger (registries refuse larger manifests).
pub const MOST_DOCUMENT_BYTES: u64 = 4 << 20;
/// No real index is nested deeper.
const MOST_DEPTH: usize = 4;

/// The content, checked against its descriptor while it is read.
///
/// # Errors
/// See [`Source::fetch`]. The reader ends in an error when the content is not the described one.
pub fn open<'a>(source: &'a dyn Source, descriptor: &Descriptor) -> Result<impl Read + 'a> {
    Ok(VerifyReader::new(source.fetch(descriptor)?, descriptor))
}

/// The whole of a small content: a manifest, an index, a config.
///
/// # Errors
/// See [`Source::fetch`]; content that is too large to be a document, or not the described one.
pub fn read(source: &dyn Source, descriptor: &Descriptor) -> Result<Vec<u8>> {
    let what = || format!("cannot read {} from {}", descriptor.digest(), source.location());
    if descriptor.size() > MOST_DOCUMENT_BYTES {
        return Err(miette!("it has {} bytes; more than {MOST_DOCUMENT_BYTES} are refused", descriptor.size()))
            .wrap_err_with(what);
    }
    let fetch = || -> Result<Vec<u8>> {
        let mut content = Vec::new();
        open(source, descriptor)?
            .read_to_end(&mut content)
            .map_err(atomic::ReadError)
            .map_err(Report::from)
            .wrap_err_with(what)?;
        Ok(content)
    };
    match fetch() {
        // Bytes that are wrong once may have been wrong on their way.
        Err(error) if is_mismatch(&error) => fetch(),
        content => content,
    }
}

/// Whether content was read that is not what its descriptor says.
fn is_mismatch(error: &Report) -> bool {
    mismatch(error).is_some()
}

/// How the content that was read differs from its descriptor, if that is what is wrong.
fn mismatch(error: &Report) -> Option<&Mismatch> {
    error.chain().find_map(|cause| {
        let read = cause.downcast_ref::<atomic::ReadError>().map(|atomic::ReadError(error)| error);
        read.or_else(|| cause.downcast_ref())?.get_ref()?.downcast_ref()
    })
}
