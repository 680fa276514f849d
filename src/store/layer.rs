//! Reading a layer of an image, verified against its digest and its diffID.

use std::io::{self, BufReader, Read};

use miette::{Context, IntoDiagnostic, Report};
use oci_spec::image::Descriptor;

use super::error::read_error;
use super::source::{Source, open};
use crate::error::Result;
use crate::image::Layer;
use crate::image::config::Object;
use crate::image::digest::{DiffId, Digest, Hasher, Mismatch};
use crate::image::layer::decompress::{TarLimit, decompress};
use crate::image::layer::tar_reader::TarReader;
use crate::image::strings;

/// Returns the layers of an image, each with its diffID from the config.
///
/// # Errors
/// Returns an error if a diffID is not a valid digest.
pub(crate) fn layers_of(config: &Object, layers: &[Descriptor]) -> Result<Vec<Layer>> {
    let diff_ids = strings(config.get("rootfs").and_then(|rootfs| rootfs.get("diff_ids")));
    let layers = layers.iter().cloned().zip(diff_ids).map(|(descriptor, diff_id)| {
        let diff_id = Digest::try_from(diff_id).map(DiffId).into_diagnostic()?;
        Ok(Layer { descriptor, diff_id })
    });
    layers.collect()
}

impl Layer {
    /// Passes the entries to `visit`, and verifies the whole layer, however much `visit` reads. The tar counts towards
    /// `limit`.
    ///
    /// # Errors
    /// Returns an error if the content does not match the layer or exceeds the limit, or else the error of `visit`.
    pub fn read(
        &self,
        source: &dyn Source,
        limit: &TarLimit,
        visit: impl FnOnce(&mut TarReader<&mut dyn Read>) -> Result<()>,
    ) -> Result<()> {
        let context = || format!("cannot unpack the layer {} of {}", self.descriptor.digest(), source.location());
        let mut blob = open(source, &self.descriptor).wrap_err_with(context)?;
        let visited = self.unpack(&mut blob, limit, visit);
        // Wrong content has priority over an error in it.
        io::copy(&mut blob, &mut io::sink()).map_err(read_error).wrap_err_with(context)?;
        visited.wrap_err_with(context)
    }

    fn unpack(
        &self,
        blob: &mut dyn Read,
        limit: &TarLimit,
        visit: impl FnOnce(&mut TarReader<&mut dyn Read>) -> Result<()>,
    ) -> Result<()> {
        let mut tar = LayerTar::new(self, blob, limit)?;
        let mut entries = TarReader::new(&mut tar as &mut dyn Read);
        visit(&mut entries)?;
        entries.finish().map_err(read_error)?;
        tar.finish(&self.diff_id)
    }

    /// Verifies the blob and the tar in it, which counts towards `limit`.
    ///
    /// # Errors
    /// Returns an error if the content does not match the layer or exceeds the limit.
    pub fn verify(&self, source: &dyn Source, limit: &TarLimit) -> Result<()> {
        let mut blob = open(source, &self.descriptor)?;
        let verified = self.verify_tar(&mut blob, limit);
        // Wrong content has priority over an error in it.
        io::copy(&mut blob, &mut io::sink()).map_err(read_error)?;
        verified
    }

    fn verify_tar(&self, blob: &mut dyn Read, limit: &TarLimit) -> Result<()> {
        let mut tar = LayerTar::new(self, blob, limit)?;
        let read = io::copy(&mut tar, &mut io::sink());
        read.map_err(|error| miette::miette!("cannot decompress it: {error}"))?;
        tar.finish(&self.diff_id)
    }
}

/// A reader of the tar of a layer, which hashes it.
struct LayerTar<'a> {
    inner: Box<dyn Read + 'a>,
    hasher: Hasher,
}

impl<'a> LayerTar<'a> {
    fn new(layer: &Layer, blob: &'a mut dyn Read, limit: &'a TarLimit) -> Result<LayerTar<'a>> {
        let hasher = Hasher::for_digest(&layer.diff_id.0).ok_or_else(|| Mismatch::Algorithm(layer.diff_id.0.clone()));
        let blob = BufReader::with_capacity(128 << 10, blob);
        Ok(LayerTar {
            inner: decompress(layer.descriptor.media_type(), blob, limit).map_err(read_error)?,
            hasher: hasher.map_err(Report::from_err)?,
        })
    }

    fn finish(self, expected: &DiffId) -> Result<()> {
        let found = self.hasher.finish();
        if found == expected.0 {
            return Ok(());
        }
        Err(miette::miette!("wrong diffID: the config has {expected}, the content has {found}"))
    }
}

impl Read for LayerTar<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        crate::interrupt::check()?;
        let read = self.inner.read(buffer)?;
        self.hasher.update(&buffer[..read]);
        Ok(read)
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
        let read = layer.read(memory, &TarLimit::new(8 << 20), |entries| {
            while entries.next_entry().map_err(read_error)?.is_some() {}
            Ok(())
        });
        read.map_err(|error| error.chain().map(ToString::to_string).collect::<Vec<_>>().join(": "))
    }

    #[test]
    fn layer_is_verified_to_its_end() {
        let memory = Memory::default();
        let tar = [0; 4096];
        assert_eq!(read(&memory, &layer(&memory, MediaType::ImageLayerGzip, &gzip(&tar), &tar)), Ok(()));
        assert_eq!(read(&memory, &layer(&memory, MediaType::ImageLayer, &tar, &tar)), Ok(()));
        let message = read(&memory, &layer(&memory, MediaType::ImageLayer, &tar, &tar[1..])).unwrap_err();
        assert!(message.contains("the config has sha256:"), "{message}");
    }

    #[test]
    fn wrong_content_has_priority_over_its_errors() {
        let memory = Memory::default();
        let layer = layer(&memory, MediaType::ImageLayerGzip, b"no gzip at all", b"");
        assert!(read(&memory, &layer).unwrap_err().ends_with("invalid gzip header"));
        memory.put(&layer.descriptor, b"nor that either".to_vec()[..14].to_vec());
        assert!(read(&memory, &layer).unwrap_err().contains("wrong content: expected"));
    }

    #[test]
    fn decompression_bomb_is_rejected_by_its_bytes() {
        let memory = Memory::default();
        for (size, is_bomb) in [(8 << 20, false), ((8 << 20) + 512, true)] {
            let tar = vec![0; size];
            let layer = layer(&memory, MediaType::ImageLayerGzip, &gzip(&tar), &tar);
            let limit = TarLimit::new(8 << 20);
            let verified = layer.verify(&memory, &limit).map_err(|error| error.to_string());
            for result in [read(&memory, &layer), verified] {
                assert_eq!(result.err().is_some_and(|message| message.contains("exceeds the limit of")), is_bomb);
            }
            // No layer of the same image has room left.
            assert!(layer.verify(&memory, &limit).is_err());
        }
    }
}
