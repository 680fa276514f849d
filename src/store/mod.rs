//! Stores of content, and the one verb between two of them.
//!
//! A registry, a layout on disk, an archive, the cache and a store in memory are all a [`Source`], a [`Sink`] or both;
//! pulling a base, writing a layout and pushing an image are all [`copy`].

pub mod archive;
pub mod cache;
pub mod counted;
pub mod file;
pub mod layer;
pub mod layout;
pub mod memory;
pub mod share;
pub mod stamp;
pub mod validate;

use std::collections::HashSet;
use std::io::Read;
use std::sync::Mutex;

use miette::{Context, IntoDiagnostic, Report, miette};
use oci_spec::image::Descriptor;

use crate::error::Result;
use crate::image::digest::{Digest, Mismatch, VerifyReader};
use crate::image::manifest::{self, Manifest};
use crate::image::media_type::is_document;

pub use archive::Archive;
pub use cache::Cache;
pub use counted::Counted;
pub use layout::{Layout, LayoutWriter};
pub use memory::Memory;
use share::Sharable;

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
    fn sharable(&self, _: &Descriptor) -> Option<Sharable> {
        None
    }

    /// What and where it is, for errors.
    fn place(&self) -> String;
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

    fn sharable(&self, descriptor: &Descriptor) -> Option<Sharable> {
        (**self).sharable(descriptor)
    }

    fn place(&self) -> String {
        (**self).place()
    }
}

/// Content of `first`, and what that lacks from `second`.
pub struct Behind<'a> {
    /// Asked first.
    pub first: &'a dyn Source,
    /// Asked for what `first` has not.
    pub second: &'a dyn Source,
}

impl Source for Behind<'_> {
    fn resolve(&self, name: Option<&str>) -> Result<Descriptor> {
        self.first.resolve(name).or_else(|_| self.second.resolve(name))
    }

    fn exists(&self, descriptor: &Descriptor) -> Result<bool> {
        Ok(self.first.exists(descriptor)? || self.second.exists(descriptor)?)
    }

    fn fetch(&self, descriptor: &Descriptor) -> Result<Box<dyn Read + Send + '_>> {
        match self.first.exists(descriptor)? {
            true => self.first.fetch(descriptor),
            false => self.second.fetch(descriptor),
        }
    }

    fn place(&self) -> String {
        self.first.place()
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
#[error("{place} has no {kind}{name}", kind = if name.contains(':') { "" } else { "tag " })]
pub struct Missing {
    /// A tag or a digest.
    pub name: String,
    /// Where it was looked for.
    pub place: String,
}

impl Missing {
    fn blob(descriptor: &Descriptor, place: String) -> Report {
        let name = descriptor.digest().to_string();
        Missing { name, place }.into()
    }
}

/// A manifest, an index or a config is never larger (registries refuse larger manifests).
pub const MOST_DOCUMENT_BYTES: u64 = 4 << 20;
/// No real index is nested deeper.
const MOST_DEPTH: usize = 4;
/// Transfers at a time.
const PARALLEL: usize = 4;

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
    let what = || format!("cannot read {} from {}", descriptor.digest(), source.place());
    if descriptor.size() > MOST_DOCUMENT_BYTES {
        return Err(miette!("it has {} bytes; more than {MOST_DOCUMENT_BYTES} are refused", descriptor.size()))
            .wrap_err_with(what);
    }
    let fetch = || -> Result<Vec<u8>> {
        let mut content = Vec::new();
        open(source, descriptor)?
            .read_to_end(&mut content)
            .map_err(file::ReadError)
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

/// Copies `roots` and all that they name from `source` to `sink`, children first, skipping what is there.
///
/// # Errors
/// The first error of either side; what was copied until then stays.
pub fn copy(source: &dyn Source, sink: &dyn Sink, roots: &[Descriptor]) -> Result<()> {
    let mut graph = Graph::default();
    for root in roots {
        graph.walk(source, root, 0)?;
    }
    let blobs = Mutex::new(graph.blobs.iter());
    let failure = Mutex::new(None);
    std::thread::scope(|scope| {
        for _ in 0..PARALLEL.min(graph.blobs.len()) {
            scope.spawn(|| {
                while let Some(blob) = next(&blobs) {
                    if let Err(error) = copy_blob(source, sink, blob) {
                        // The first failure is told; nobody takes another blob after it.
                        lock(&failure).get_or_insert(error);
                        lock(&blobs).by_ref().for_each(drop);
                    }
                }
            });
        }
    });
    if let Some(error) = lock(&failure).take() {
        return Err(error);
    }
    for document in &graph.documents {
        copy_blob(source, sink, document)?;
    }
    Ok(())
}

fn next<T>(items: &Mutex<impl Iterator<Item = T>>) -> Option<T> {
    lock(items).next()
}

fn copy_blob(source: &dyn Source, sink: &dyn Sink, blob: &Descriptor) -> Result<()> {
    if sink.exists(blob)? {
        return Ok(());
    }
    let push = || {
        let pushed = sink.push(blob, source);
        pushed.wrap_err_with(|| format!("cannot copy {} from {}", blob.digest(), source.place()))
    };
    match push() {
        // Bytes that are wrong once may have been wrong on their way.
        Err(error) if is_mismatch(&error) => push(),
        pushed => pushed,
    }
}

/// Whether content was read that is not what its descriptor says.
fn is_mismatch(error: &Report) -> bool {
    mismatch(error).is_some()
}

/// How the content that was read differs from its descriptor, if that is what is wrong.
fn mismatch(error: &Report) -> Option<&Mismatch> {
    error.chain().find_map(|cause| {
        let read = cause.downcast_ref::<file::ReadError>().map(|file::ReadError(error)| error);
        read.or_else(|| cause.downcast_ref())?.get_ref()?.downcast_ref()
    })
}

/// What [`copy`] copies.
#[derive(Default)]
struct Graph {
    /// By digest and size: one that is called by two sizes is looked at under both.
    seen: HashSet<(Digest, u64)>,
    blobs: Vec<Descriptor>,
    /// Children before their parents.
    documents: Vec<Descriptor>,
}

impl Graph {
    fn walk(&mut self, source: &dyn Source, descriptor: &Descriptor, depth: usize) -> Result<()> {
        if !self.seen.insert((descriptor.digest().clone(), descriptor.size())) {
            return Ok(());
        }
        if !is_document(descriptor.media_type()) {
            self.blobs.push(descriptor.clone());
            return Ok(());
        }
        if depth > MOST_DEPTH {
            return Err(miette!(
                "{} in {} is nested deeper than {MOST_DEPTH} indexes",
                descriptor.digest(),
                source.place()
            ));
        }
        let bytes = read(source, descriptor)?;
        let parsed = manifest::parse(descriptor.media_type(), &bytes)
            .into_diagnostic()
            .wrap_err_with(|| format!("cannot use {} from {}", descriptor.digest(), source.place()))?;
        if let Manifest::Image { config, .. } = &parsed
            && config.size() > MOST_DOCUMENT_BYTES
        {
            return Err(miette!(
                "the config {} in {} has {} bytes; more than {MOST_DOCUMENT_BYTES} are refused",
                config.digest(),
                source.place(),
                config.size()
            ));
        }
        for child in parsed.children() {
            self.walk(source, &child, depth + 1)?;
        }
        self.documents.push(descriptor.clone());
        Ok(())
    }
}

/// What `work` makes of each of `items`, several at a time, in their order.
///
/// # Errors
/// The first one's.
pub fn each<T: Sync, R: Send>(items: &[T], work: impl Fn(&T) -> Result<R> + Sync) -> Result<Vec<R>> {
    let mut done = Vec::new();
    for some in items.chunks(PARALLEL) {
        let some: Vec<_> = std::thread::scope(|scope| {
            let running: Vec<_> = some.iter().map(|item| scope.spawn(|| work(item))).collect();
            running
                .into_iter()
                .map(|thread| thread.join().unwrap_or_else(|_| Err(miette!("a thread panicked"))))
                .collect()
        });
        for result in some {
            done.push(result?);
        }
    }
    Ok(done)
}

/// The value behind a lock, also after a thread that held it has panicked: the values here are whole at every step.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
