//! A source that reads each document once: copying reads manifests to find what they refer to, and again to send them.

use std::collections::HashMap;
use std::io::{Cursor, Read};
use std::sync::Mutex;

use oci_spec::image::Descriptor;

use super::error::ReadError;
use super::reflink::ShareableFile;
use super::source::{MAX_DOCUMENT_BYTES, Source};
use crate::error::Result;
use crate::image::digest::{Digest, sha256};
use crate::image::media_type::{is_config, is_document};
use crate::parallel::lock;
use crate::reference::TagOrDigest;

/// So many bytes of documents are kept at most.
const MAX_KEPT_BYTES: usize = 64 << 20;

/// A source that keeps the manifests, indexes and configs that were read of another.
pub(crate) struct ReadOnce<'a> {
    source: &'a dyn Source,
    kept: Mutex<KeptDocuments>,
}

#[derive(Default)]
struct KeptDocuments {
    documents: HashMap<Digest, Vec<u8>>,
    bytes: usize,
}

impl<'a> ReadOnce<'a> {
    /// Creates a source of which nothing has been read yet.
    pub(crate) fn new(source: &'a dyn Source) -> ReadOnce<'a> {
        ReadOnce { source, kept: Mutex::default() }
    }

    fn keep(&self, digest: &Digest, bytes: &[u8]) {
        let mut kept = lock(&self.kept);
        if kept.bytes + bytes.len() <= MAX_KEPT_BYTES && sha256(bytes) == *digest {
            kept.bytes += bytes.len();
            kept.documents.insert(digest.clone(), bytes.to_vec());
        }
    }
}

impl Source for ReadOnce<'_> {
    fn resolve(&self, name: Option<&TagOrDigest>) -> Result<Descriptor> {
        self.source.resolve(name)
    }

    fn exists(&self, descriptor: &Descriptor) -> Result<bool> {
        self.source.exists(descriptor)
    }

    fn fetch(&self, descriptor: &Descriptor) -> Result<Box<dyn Read + Send + '_>> {
        let is_kept = is_document(descriptor.media_type()) || is_config(descriptor.media_type());
        if !is_kept || descriptor.size() > MAX_DOCUMENT_BYTES {
            return self.source.fetch(descriptor);
        }
        if let Some(known) = lock(&self.kept).documents.get(descriptor.digest()) {
            return Ok(Box::new(Cursor::new(known.clone())));
        }
        let mut bytes = Vec::new();
        // One byte more shows that the size is wrong.
        self.source.fetch(descriptor)?.take(descriptor.size() + 1).read_to_end(&mut bytes).map_err(ReadError)?;
        self.keep(descriptor.digest(), &bytes);
        Ok(Box::new(Cursor::new(bytes)))
    }

    fn shareable(&self, descriptor: &Descriptor) -> Option<ShareableFile> {
        self.source.shareable(descriptor)
    }

    fn location(&self) -> String {
        self.source.location()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use oci_spec::image::MediaType;

    use super::*;
    use crate::store::{Memory, read};

    /// A source that counts how often it is read.
    #[derive(Default)]
    struct Counted(Memory, AtomicUsize);

    impl Source for Counted {
        fn resolve(&self, name: Option<&TagOrDigest>) -> Result<Descriptor> {
            self.0.resolve(name)
        }

        fn exists(&self, descriptor: &Descriptor) -> Result<bool> {
            self.0.exists(descriptor)
        }

        fn fetch(&self, descriptor: &Descriptor) -> Result<Box<dyn Read + Send + '_>> {
            self.1.fetch_add(1, Ordering::Relaxed);
            self.0.fetch(descriptor)
        }

        fn location(&self) -> String {
            self.0.location()
        }
    }

    #[test]
    fn documents_are_read_once_and_blobs_are_not_kept() {
        let counted = Counted::default();
        let put = |kind: MediaType, content: &[u8]| {
            let descriptor = Descriptor::new(kind, content.len() as u64, sha256(content));
            counted.0.put(&descriptor, content.to_vec());
            descriptor
        };
        let manifest = put(MediaType::ImageManifest, b"{}");
        let layer = put(MediaType::ImageLayerGzip, b"layer");
        let once = ReadOnce::new(&counted);
        for _ in 0..3 {
            assert_eq!(read(&once, &manifest).expect("is there"), b"{}");
            assert_eq!(read(&once, &layer).expect("is there"), b"layer");
        }
        assert_eq!(counted.1.load(Ordering::Relaxed), 4);
        // What does not match its digest is not kept.
        let wrong = Descriptor::new(MediaType::ImageManifest, 2, sha256(b"[]"));
        counted.0.put(&wrong, b"{}".to_vec());
        assert!(read(&once, &wrong).is_err() && read(&once, &wrong).is_err());
    }
}
