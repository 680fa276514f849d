//! A source whose content is counted while it is read.

use std::io::{self, Read};

use oci_spec::image::Descriptor;

use super::Source;
use super::reflink::ShareableFile;
use crate::error::Result;
use crate::event::Listener;
use crate::event::transfer::{Activity, Transfer};
use crate::image::media_type::is_layer;

/// The layers of a source, told of as [`Transfer`]s; documents are too small for that.
pub struct ProgressSource<'a> {
    /// Where all comes from.
    pub source: &'a dyn Source,
    /// What it is read for.
    pub activity: Activity,
    /// Who wants to know.
    pub listener: Listener<'a>,
}

impl Source for ProgressSource<'_> {
    fn resolve(&self, name: Option<&str>) -> Result<Descriptor> {
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

    /// Shared bytes go nowhere: there is nothing to count.
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
    fn a_layer_is_counted_from_its_first_byte_to_its_last_and_a_document_is_not() {
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
