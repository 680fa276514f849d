//! A layer, read to its end and held against its digest and its diffID.

use std::io::{self, BufReader, Read};

use miette::{Context, IntoDiagnostic, Report};
use oci_spec::image::Descriptor;

use super::atomic::ReadError;
use super::{Source, open};
use crate::error::Result;
use crate::image::config::{Object, strings};
use crate::image::digest::{DiffId, Digest, Hasher, Mismatch};
use crate::image::layer::decompress::decompress;
use crate::image::layer::tar_reader::TarReader;

/// A layer of an image, as its manifest and its config describe it.
#[derive(Clone, Debug)]
pub struct Layer {
    /// Of its blob.
    pub descriptor: Descriptor,
    /// Of the tar within.
    pub diff_id: DiffId,
}

/// How many times larger than its blob a tar may be: real layers are at most some dozens of times as large.
const MOST_GROWTH: u64 = 200;
/// A tar that is no larger than this may have been as small as it likes.
const SMALL: u64 = 16 << 20;

/// The layers of an image, each with the diffID that the config has for it.
///
/// # Errors
/// A diffID that is no digest.
pub fn described(config: &Object, layers: &[Descriptor]) -> Result<Vec<Layer>> {
    let diff_ids = strings(config.get("rootfs").and_then(|rootfs| rootfs.get("diff_ids")));
    let layers = layers.iter().cloned().zip(diff_ids).map(|(descriptor, diff_id)| {
        let diff_id = Digest::try_from(diff_id).map(DiffId).into_diagnostic()?;
        Ok(Layer { descriptor, diff_id })
    });
    layers.collect()
}

impl Layer {
    /// Gives its entries to `visit`, and checks all of it, whatever `visit` has read.
    ///
    /// # Errors
    /// Those of `visit`; content that is not the layer's, and that comes first: nothing else that is said of it matters.
    pub fn read(
        &self,
        source: &dyn Source,
        visit: impl FnOnce(&mut TarReader<&mut dyn Read>) -> Result<()>,
    ) -> Result<()> {
        let what = || format!("cannot unpack the layer {} of {}", self.descriptor.digest(), source.location());
        let mut blob = open(source, &self.descriptor).wrap_err_with(what)?;
        let read = self.unpack(&mut blob, visit);
        io::copy(&mut blob, &mut io::sink()).map_err(failed).wrap_err_with(what)?;
        read.wrap_err_with(what)
    }

    fn unpack(
        &self,
        blob: &mut dyn Read,
        visit: impl FnOnce(&mut TarReader<&mut dyn Read>) -> Result<()>,
    ) -> Result<()> {
        let hasher = Hasher::like(&self.diff_id.0).ok_or_else(|| Mismatch::Algorithm(self.diff_id.0.clone()));
        let hasher = hasher.map_err(Report::from_err)?;
        let blob = BufReader::with_capacity(128 << 10, blob);
        let mut tar = CheckedTar {
            inner: decompress(self.descriptor.media_type(), blob).map_err(failed)?,
            hasher,
            size: 0,
            most: self.descriptor.size().saturating_mul(MOST_GROWTH).max(SMALL),
        };
        let mut entries = TarReader::new(&mut tar as &mut dyn Read);
        visit(&mut entries)?;
        entries.finish().map_err(failed)?;
        let got = tar.hasher.finish();
        match got == self.diff_id.0 {
            true => Ok(()),
            false => Err(miette::miette!("the config says diffID {}, the content is {got}", self.diff_id)),
        }
    }
}

/// What could not be read, for those who act on why.
pub fn failed(error: io::Error) -> Report {
    ReadError(error).into()
}

/// The tar of a layer, hashed and counted while it is read.
struct CheckedTar<R> {
    inner: R,
    hasher: Hasher,
    size: u64,
    most: u64,
}

/// A tar that is so much larger than its blob that it is made to fill disks.
#[derive(Debug, thiserror::Error)]
#[error("it grows to more than {MOST_GROWTH} times its size when it is decompressed: no real layer does")]
pub struct DecompressionBomb;

impl<R: Read> Read for CheckedTar<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        crate::interrupt::check()?;
        let read = self.inner.read(buffer)?;
        self.hasher.update(&buffer[..read]);
        self.size += read as u64;
        match self.size > self.most {
            true => Err(io::Error::new(io::ErrorKind::InvalidData, DecompressionBomb)),
            false => Ok(read),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::digest::sha256;
    use crate::store::Memory;
    use oci_spec::image::MediaType;
    use std::io::Write;

    fn layer(memory: &Memory, media_type: MediaType, blob: &[u8], tar: &[u8]) -> Layer {
        let descriptor = Descriptor::new(media_type, blob.len() as u64, sha256(blob));
        memory.put(&descriptor, blob.to_vec());
        Layer { descriptor, diff_id: DiffId(sha256(tar)) }
    }

    fn gzip(content: &[u8]) -> Vec<u8> {
        let mut gzip = flate2::GzBuilder::new().write(Vec::new(), flate2::Compression::new(9));
        gzip.write_all(content).and_then(|()| gzip.finish()).expect("gzip into memory")
    }

    fn read(memory: &Memory, layer: &Layer) -> Result<(), String> {
        let visit = |entries: &mut TarReader<&mut dyn Read>| {
            while entries.next_entry().map_err(failed)?.is_some() {}
            Ok(())
        };
        let words = |error: Report| error.chain().map(ToString::to_string).collect::<Vec<_>>().join(": ");
        layer.read(memory, visit).map_err(words)
    }

    #[test]
    fn a_layer_is_read_to_its_end() {
        let memory = Memory::default();
        let tar = [0; 4096];
        assert_eq!(read(&memory, &layer(&memory, MediaType::ImageLayerGzip, &gzip(&tar), &tar)), Ok(()));
        assert_eq!(read(&memory, &layer(&memory, MediaType::ImageLayer, &tar, &tar)), Ok(()));
        let words = read(&memory, &layer(&memory, MediaType::ImageLayer, &tar, &tar[1..])).unwrap_err();
        assert!(words.contains("the config says diffID sha256:"), "{words}");
    }

    #[test]
    fn that_the_content_is_another_layers_is_said_before_what_is_wrong_with_it() {
        let memory = Memory::default();
        let layer = layer(&memory, MediaType::ImageLayerGzip, b"no gzip at all", b"");
        assert!(read(&memory, &layer).unwrap_err().ends_with("invalid gzip header"));
        memory.put(&layer.descriptor, b"nor that either".to_vec()[..14].to_vec());
        assert!(read(&memory, &layer).unwrap_err().contains("was asked for, but the content is"));
    }

    #[test]
    fn a_tar_that_grows_without_measure_is_refused_and_a_small_one_may() {
        let memory = Memory::default();
        for (size, grows) in [(SMALL, false), (SMALL + 512, true)] {
            let tar = vec![0; usize::try_from(size).expect("a size")];
            let read = read(&memory, &layer(&memory, MediaType::ImageLayerGzip, &gzip(&tar), &tar));
            assert_eq!(read.err().is_some_and(|words| words.contains("more than 200 times")), grows);
        }
    }
}
