//! A cache in front of where content comes from.

use std::io::Read;
use std::sync::Arc;

use miette::Context;
use oci_spec::image::Descriptor;

use super::Cache;
use crate::error::Result;
use crate::event::Listener;
use crate::event::transfer::Activity;
use crate::image::media_type::is_layer;
use crate::store::reflink::ShareableFile;
use crate::store::{ProgressSource, Sink, Source, copy};

/// A [`Cache`] in front of another source.
pub struct PullThrough<'a> {
    pub(super) cache: Arc<Cache>,
    pub(super) origin: Box<dyn Source + Send + 'a>,
    /// Whether layers are kept in the cache; documents always are.
    pub(super) keep: bool,
}

impl PullThrough<'_> {
    /// Those of these blobs that are not in the cache.
    pub fn lacks<'d>(&self, blobs: impl IntoIterator<Item = &'d Descriptor>) -> Vec<Descriptor> {
        let blobs = blobs.into_iter();
        blobs.filter(|blob| !self.cache.has_for_use(blob)).cloned().collect()
    }

    /// Brings content into the cache, and tells of it.
    ///
    /// # Errors
    /// Of the origin and of the cache folder.
    pub fn pull(&self, roots: &[Descriptor], listener: Listener) -> Result<()> {
        let origin = ProgressSource { source: self.origin.as_ref(), activity: Activity::Pulling, listener };
        copy(&origin, self.cache.as_ref(), roots)
    }
}

impl Source for PullThrough<'_> {
    fn resolve(&self, name: Option<&str>) -> Result<Descriptor> {
        self.cache.resolve(name).or_else(|_| self.origin.resolve(name))
    }

    fn exists(&self, descriptor: &Descriptor) -> Result<bool> {
        Ok(self.cache.has(descriptor) || self.origin.exists(descriptor)?)
    }

    fn fetch(&self, descriptor: &Descriptor) -> Result<Box<dyn Read + Send + '_>> {
        if let Some(file) = self.cache.verified(descriptor) {
            return Ok(Box::new(file));
        }
        if self.cache.is_read_only() || !self.keep && is_layer(descriptor.media_type()) {
            return self.origin.fetch(descriptor);
        }
        self.cache
            .push(descriptor, self.origin.as_ref())
            .wrap_err_with(|| format!("cannot pull {} from {}", descriptor.digest(), self.origin.location()))?;
        self.cache.fetch(descriptor)
    }

    fn shareable(&self, descriptor: &Descriptor) -> Option<ShareableFile> {
        self.cache.shareable(descriptor)
    }

    fn location(&self) -> String {
        self.origin.location()
    }
}
