//! Progress of the layers read from a source.

use std::io::{self, Read};

use oci_spec::image::Descriptor;

use super::reflink::ShareableFile;
use super::source::Source;
use crate::error::Result;
use crate::event::Listener;
use crate::event::counter::Activity;
use crate::event::transfer::Transfer;
use crate::image::media_type::is_layer;
use crate::reference::TagOrDigest;

/// A source that reports the reading of layers as [`Transfer`]s. Documents are too small to report.
pub(crate) struct ProgressSource<'a> {
    /// The inner source.
    pub source: &'a dyn Source,
    /// Why the layers are read.
    pub activity: Activity,
    /// The receiver of the events.
    pub listener: Listener<'a>,
}

impl Source for ProgressSource<'_> {
    fn resolve(&self, name: Option<&TagOrDigest>) -> Result<Descriptor> {
        self.source.resolve(name)
    }

    fn exists(&self, descriptor: &Descriptor) -> Result<bool> {
        self.source.exists(descriptor)
    }

    fn fetch(&self, descriptor: &Descriptor) -> Result<Box<dyn Read + Send + '_>> {
        let content = self.source.fetch(descriptor)?;
        if !is_layer(descriptor.media_type()) {
            return Ok(content);
        }
        let transfer = Transfer::of_blob(Some(self.listener), self.activity, descriptor);
        Ok(Box::new(ProgressReader { content, transfer }))
    }

    /// Sharing a file transfers nothing, so there is nothing to report.
    fn shareable(&self, descriptor: &Descriptor) -> Option<ShareableFile> {
        self.source.shareable(descriptor)
    }

    fn location(&self) -> String {
        self.source.location()
    }
}

struct ProgressReader<'a> {
    content: Box<dyn Read + Send + 'a>,
    transfer: Transfer<'a>,
}

impl Read for ProgressReader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.content.read(buffer)?;
        self.transfer.counter().add(read as u64);
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::event::Event;
    use crate::image::MediaType;
    use crate::image::digest::sha256;
    use crate::parallel::lock;
    use crate::store::{Memory, read};

    #[test]
    fn progress_counts_layers_but_not_documents() {
        let told = Mutex::new(Vec::new());
        let listener = |event| match event {
            Event::TransferBegun { transfer } => lock(&told).push((transfer.name.clone(), transfer.done())),
            Event::TransferEnded { transfer } => lock(&told).push(("end".to_owned(), transfer.done())),
            _ => {}
        };
        let memory = Memory::default();
        let source = ProgressSource { source: &memory, activity: Activity::Pulling, listener: &listener };
        for media_type in [MediaType::ImageConfig, MediaType::ImageLayerGzip] {
            let descriptor = Descriptor::new(media_type, 3, sha256(b"abc"));
            memory.put(&descriptor, b"abc".to_vec());
            assert_eq!(read(&source, &descriptor).expect("reads"), b"abc");
        }
        assert_eq!(*lock(&told), [("ba7816bf8f01".to_owned(), 0), ("end".to_owned(), 3)]);
    }
}
