//! How the tar of a layer is made a blob (image-spec, `layer.md` and `media-types.md`).

use std::fmt;
use std::io::{self, Write};
use std::num::NonZero;
use std::str::FromStr;
use std::sync::Arc;

use oci_spec::image::MediaType;
use zstd::zstd_safe::CParameter;

use super::chunks::{Chunk, TarSummary};
use super::gzip::GzipWriter;

/// What a layer of ours is compressed with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Compression {
    /// gzip, which every engine and registry reads.
    #[default]
    Gzip,
    /// zstd: smaller and quicker; not for engines from before 2021.
    Zstd,
    /// Not at all.
    None,
}

/// What makes blobs: those of equal tars are equal where this is, and their media types are. It numbers what our own
/// gzip has been, and names the pinned crates of Cargo.toml.
pub const COMPRESSOR: &str = "gzip 1; zstd 3, zstd 0.14.3, zstd-sys 2.1.2";

/// How hard zstd tries: as its program does by default.
const LEVEL: i32 = 3;
/// How far back zstd looks: its own choice for that level, as a power of two.
const WINDOW: u32 = 21;
/// How many bytes each of zstd's threads compresses on its own. What comes out depends on it, and the memory that is taken.
const JOB: u32 = 2 << 20;
/// More threads than these wait for the one that hashes the tar, and each takes memory.
const MOST_GZIP: usize = 16;
const MOST_ZSTD: usize = 6;

/// How a layer is made a blob.
#[derive(Clone, Copy, Debug)]
pub struct CompressionOptions {
    /// What with.
    pub compression: Compression,
    /// By how many threads, which changes nothing in what comes out.
    pub threads: NonZero<usize>,
}

impl CompressionOptions {
    /// By one thread.
    pub fn single_threaded(compression: Compression) -> CompressionOptions {
        CompressionOptions { compression, threads: NonZero::<usize>::MIN }
    }
}

impl Compression {
    /// The media type of such a layer.
    pub fn media_type(self) -> MediaType {
        match self {
            Compression::Gzip => MediaType::ImageLayerGzip,
            Compression::Zstd => MediaType::ImageLayerZstd,
            Compression::None => MediaType::ImageLayer,
        }
    }
}

impl FromStr for Compression {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "gzip" => Ok(Compression::Gzip),
            "zstd" => Ok(Compression::Zstd),
            "none" => Ok(Compression::None),
            other => Err(format!("`{other}` is none of gzip, zstd and none")),
        }
    }
}

impl fmt::Display for Compression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Compression::Gzip => "gzip",
            Compression::Zstd => "zstd",
            Compression::None => "none",
        })
    }
}

/// Compresses the chunks of a tar.
pub enum Encoder<W: Write> {
    /// See [`Compression::Gzip`].
    Gzip(GzipWriter<W>),
    /// See [`Compression::Zstd`].
    Zstd(zstd::Encoder<'static, W>),
    /// See [`Compression::None`].
    None(W),
}

impl<W: Write> Encoder<W> {
    /// Writes to `blob`, in this thread.
    ///
    /// # Errors
    /// Of writing, and where there is no memory for it.
    pub fn new(packing: CompressionOptions, blob: W) -> io::Result<Encoder<W>> {
        let threads = packing.threads.get();
        Ok(match packing.compression {
            Compression::Gzip => Encoder::Gzip(GzipWriter::new(blob, threads.min(MOST_GZIP))?),
            Compression::Zstd => {
                let mut encoder = zstd::Encoder::new(blob, LEVEL)?;
                // Without threads of its own it makes other bytes than with any number of them.
                let threads = threads.min(MOST_ZSTD) as u32;
                for parameter in
                    [CParameter::WindowLog(WINDOW), CParameter::JobSize(JOB), CParameter::NbWorkers(threads)]
                {
                    encoder.set_parameter(parameter)?;
                }
                Encoder::Zstd(encoder)
            }
            Compression::None => Encoder::None(blob),
        })
    }

    /// Takes the next chunk.
    ///
    /// # Errors
    /// Of writing.
    pub fn add(&mut self, chunk: Arc<Chunk>) -> io::Result<()> {
        match self {
            Encoder::Gzip(gzip) => gzip.add(chunk),
            Encoder::Zstd(encoder) => encoder.write_all(chunk.content()),
            Encoder::None(blob) => blob.write_all(chunk.content()),
        }
    }

    /// Writes the end, after all chunks of `tar`, and gives back what was written to.
    ///
    /// # Errors
    /// Of writing.
    pub fn finish(self, tar: &TarSummary) -> io::Result<W> {
        match self {
            Encoder::Gzip(gzip) => gzip.finish(tar),
            Encoder::Zstd(encoder) => encoder.finish(),
            Encoder::None(blob) => Ok(blob),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_compressors_are_those_that_are_pinned() {
        let manifest = include_str!("../../../Cargo.toml");
        let pin = |name: &str| {
            let line = manifest.lines().find(|line| line.starts_with(&format!("{name} ="))).expect("a dependency");
            let version = line.split("\"=").nth(1).and_then(|rest| rest.split('"').next());
            format!("{name} {}", version.expect("an exact version"))
        };
        let zstd = [format!("zstd {LEVEL}"), pin("zstd"), pin("zstd-sys")].join(", ");
        assert_eq!(COMPRESSOR, format!("gzip 1; {zstd}"));
    }

    #[test]
    fn a_compression_is_called_what_it_is_written_as() {
        for compression in [Compression::Gzip, Compression::Zstd, Compression::None] {
            assert_eq!(compression.to_string().parse(), Ok(compression));
        }
    }
}
