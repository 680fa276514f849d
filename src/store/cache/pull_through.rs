//! A cache in front of another source.

use std::io::Read;
use std::sync::Arc;

use miette::Context;
use oci_spec::image::Descriptor;

use super::blobs::Cache;
use crate::error::Result;
use crate::event::Listener;
use crate::event::counter::Activity;
use crate::image::media_type::is_layer;
use crate::reference::TagOrDigest;
use crate::store::copy;
use crate::store::progress::ProgressSource;
use crate::store::reflink::ShareableFile;
use crate::store::source::Source;

/// A source that reads from a [`Cache`], and fills it from another source (a pull-through cache).
pub struct PullThrough<'a> {
    cache: Arc<Cache>,
    origin: Box<dyn Source + Send + 'a>,
    /// Whether to cache layers too. Documents are always cached.
    caches_layers: bool,
}

impl Cache {
    /// Returns a source that fills this cache from `origin`. Layers are only cached with `caches_layers`: those that are
    /// merely passed on need not be written to disk.
    pub fn pull_through<'a>(
        self: &Arc<Cache>,
        origin: Box<dyn Source + Send + 'a>,
        caches_layers: bool,
    ) -> PullThrough<'a> {
        PullThrough { cache: Arc::clone(self), origin, caches_layers }
    }
}

impl PullThrough<'_> {
    /// Returns the blobs that are not in the cache.
    pub fn missing<'d>(&self, blobs: impl IntoIterator<Item = &'d Descriptor>) -> Vec<Descriptor> {
        let blobs = blobs.into_iter();
        blobs.filter(|blob| !self.cache.has_for_use(blob)).cloned().collect()
    }

    /// Copies content into the cache, and reports that to `listener`.
    ///
    /// # Errors
    /// Returns an error if the origin cannot be read or the cache cannot be written.
    pub fn pull(&self, roots: &[Descriptor], listener: Listener) -> Result<()> {
        let origin = ProgressSource { source: self.origin.as_ref(), activity: Activity::Pulling, listener };
        copy(&origin, self.cache.as_ref(), roots)
    }
}

impl Source for PullThrough<'_> {
    fn resolve(&self, name: Option<&TagOrDigest>) -> Result<Descriptor> {
        self.cache.resolve(name).or_else(|_| self.origin.resolve(name))
    }

    fn exists(&self, descriptor: &Descriptor) -> Result<bool> {
        Ok(self.cache.has(descriptor) || self.origin.exists(descriptor)?)
    }

    fn fetch(&self, descriptor: &Descriptor) -> Result<Box<dyn Read + Send + '_>> {
        if let Some(file) = self.cache.verified(descriptor) {
            return Ok(Box::new(file));
        }
        if self.cache.is_read_only() || !self.caches_layers && is_layer(descriptor.media_type()) {
            return self.origin.fetch(descriptor);
        }
        let pulled = self.cache.store(descriptor, self.origin.as_ref());
        let context = || format!("cannot pull {} from {}", descriptor.digest(), self.origin.location());
        Ok(Box::new(pulled.wrap_err_with(context)?))
    }

    fn shareable(&self, descriptor: &Descriptor) -> Option<ShareableFile> {
        self.cache.shareable(descriptor)
    }

    fn location(&self) -> String {
        self.origin.location()
    }
}
