//! A source that yields only so much: documents that strangers attached are many, if they want.

use std::io::Read;
use std::sync::atomic::{AtomicU64, Ordering};

use miette::miette;
use oci_spec::image::Descriptor;

use super::source::Source;
use crate::error::Result;
use crate::reference::TagOrDigest;

/// The most documents that are read of one image and of all that is attached to it.
pub(crate) const MAX_DOCUMENTS: u64 = 100_000;
/// The most bytes of them.
pub(crate) const MAX_TOTAL_BYTES: u64 = 256 << 20;

/// A source of manifests, configs and attached documents whose sums have limits.
pub(crate) struct LimitedSource<'a> {
    source: &'a dyn Source,
    documents: AtomicU64,
    bytes: AtomicU64,
}

impl<'a> LimitedSource<'a> {
    /// Creates a source with the content of `source`, of which nothing has been read yet.
    pub(crate) fn new(source: &'a dyn Source) -> LimitedSource<'a> {
        LimitedSource { source, documents: AtomicU64::new(0), bytes: AtomicU64::new(0) }
    }
}

impl Source for LimitedSource<'_> {
    fn resolve(&self, name: Option<&TagOrDigest>) -> Result<Descriptor> {
        self.source.resolve(name)
    }

    fn exists(&self, descriptor: &Descriptor) -> Result<bool> {
        self.source.exists(descriptor)
    }

    fn fetch(&self, descriptor: &Descriptor) -> Result<Box<dyn Read + Send + '_>> {
        let documents = self.documents.fetch_add(1, Ordering::Relaxed) + 1;
        // No more than the size in the descriptor is read. Sizes are below 2^63, and the sum stops here.
        let bytes = self.bytes.fetch_add(descriptor.size().min(MAX_TOTAL_BYTES + 1), Ordering::Relaxed);
        let bytes = bytes.saturating_add(descriptor.size());
        if documents > MAX_DOCUMENTS || bytes > MAX_TOTAL_BYTES {
            return Err(miette!(
                help = "list what is attached with `cargo oci referrers`, and delete what nobody needs",
                "the image in {} and its attachments exceed the limit of {MAX_DOCUMENTS} documents or {} MiB",
                self.location(),
                MAX_TOTAL_BYTES >> 20
            ));
        }
        self.source.fetch(descriptor)
    }

    fn location(&self) -> String {
        self.source.location()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::digest::sha256;
    use crate::store::{Memory, read};
    use oci_spec::image::MediaType;

    #[test]
    fn limited_source_fails_after_many_bytes() {
        let memory = Memory::default();
        let content = vec![b' '; 4 << 20];
        let descriptor = Descriptor::new(MediaType::ImageConfig, content.len() as u64, sha256(&content));
        memory.put(&descriptor, content);
        let limited = LimitedSource::new(&memory);
        for _ in 0..64 {
            read(&limited, &descriptor).expect("is below the limit");
        }
        let error = read(&limited, &descriptor).expect_err("exceeds the limit").to_string();
        assert!(error.ends_with("exceed the limit of 100000 documents or 256 MiB"), "{error}");
        let huge = Descriptor::new(MediaType::ImageConfig, i64::MAX.unsigned_abs(), sha256(b""));
        assert!(LimitedSource::new(&memory).fetch(&huge).is_err());
    }
}
