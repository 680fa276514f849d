//! Compresses the tar of a layer (image-spec, `layer.md` and `media-types.md`).

use std::fmt;
use std::io::{self, Write};
use std::num::NonZero;
use std::str::FromStr;
use std::sync::Arc;

use oci_spec::image::MediaType;
use zstd::zstd_safe::CParameter;

use super::chunk::{Chunk, TarSummary};
use super::gzip::GzipWriter;

/// The compression of a layer to write.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Compression {
    /// gzip, which every engine and registry supports.
    #[default]
    Gzip,
    /// zstd: smaller and faster, but not supported by engines from before 2021.
    Zstd,
    /// No compression.
    None,
}

/// The versions of the compressors. Equal tars yield equal blobs if this and the media type are equal: it holds the
/// version of our own gzip and the pinned crates of Cargo.toml.
pub const COMPRESSOR: &str = "gzip 1; zstd 3, zstd 0.14.3, zstd-sys 2.1.2";

/// The compression level of zstd: the default of its command line.
const ZSTD_LEVEL: i32 = 3;
/// The window of zstd as a power of two: the default of that level.
const ZSTD_WINDOW: u32 = 21;
/// How many bytes each thread of zstd compresses independently. The compressed bytes and the memory use depend on it.
const ZSTD_JOB_SIZE: u32 = 2 << 20;
/// The maximum number of threads: more would only wait for the thread that hashes the tar, and each takes memory.
const MAX_GZIP_THREADS: usize = 16;
const MAX_ZSTD_THREADS: usize = 6;

/// How to compress a layer.
#[derive(Clone, Copy, Debug)]
pub struct CompressionOptions {
    /// The compression format.
    pub compression: Compression,
    /// The number of threads, which does not change the compressed bytes.
    pub threads: NonZero<usize>,
}

impl CompressionOptions {
    /// Creates options for one thread.
    pub fn single_threaded(compression: Compression) -> CompressionOptions {
        CompressionOptions { compression, threads: NonZero::<usize>::MIN }
    }
}

impl Compression {
    /// Returns the media type of a layer with this compression.
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
            other => Err(format!("unknown compression `{other}`: expected gzip, zstd or none")),
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

/// An encoder of the chunks of a tar.
pub enum Encoder<W: Write> {
    /// See [`Compression::Gzip`].
    Gzip(GzipWriter<W>),
    /// See [`Compression::Zstd`].
    Zstd(zstd::Encoder<'static, W>),
    /// See [`Compression::None`].
    None(W),
}

impl<W: Write> Encoder<W> {
    /// Creates an encoder that writes to `blob`.
    ///
    /// # Errors
    /// Returns an error if writing fails or there is not enough memory.
    pub fn new(options: CompressionOptions, blob: W) -> io::Result<Encoder<W>> {
        let threads = options.threads.get();
        Ok(match options.compression {
            Compression::Gzip => Encoder::Gzip(GzipWriter::new(blob, threads.min(MAX_GZIP_THREADS))?),
            Compression::Zstd => {
                let mut encoder = zstd::Encoder::new(blob, ZSTD_LEVEL)?;
                // Without worker threads, zstd yields other bytes than with any number of them.
                let threads = threads.min(MAX_ZSTD_THREADS) as u32;
                for parameter in [
                    CParameter::WindowLog(ZSTD_WINDOW),
                    CParameter::JobSize(ZSTD_JOB_SIZE),
                    CParameter::NbWorkers(threads),
                ] {
                    encoder.set_parameter(parameter)?;
                }
                Encoder::Zstd(encoder)
            }
            Compression::None => Encoder::None(blob),
        })
    }

    /// Compresses the next chunk.
    ///
    /// # Errors
    /// Returns an error if writing fails.
    pub fn add(&mut self, chunk: Arc<Chunk>) -> io::Result<()> {
        match self {
            Encoder::Gzip(gzip) => gzip.add(chunk),
            Encoder::Zstd(encoder) => encoder.write_all(chunk.content()),
            Encoder::None(blob) => blob.write_all(chunk.content()),
        }
    }

    /// Completes the blob after all chunks of `tar`. Returns the inner writer.
    ///
    /// # Errors
    /// Returns an error if writing fails.
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
    fn compressor_versions_match_cargo_toml() {
        fn pin(name: &str) -> String {
            let mut lines = include_str!("../../../Cargo.toml").lines();
            let line = lines.find(|line| line.starts_with(&format!("{name} ="))).expect("a dependency");
            let version = line.split("\"=").nth(1).and_then(|rest| rest.split('"').next());
            format!("{name} {}", version.expect("an exact version"))
        }
        let zstd = [format!("zstd {ZSTD_LEVEL}"), pin("zstd"), pin("zstd-sys")].join(", ");
        assert_eq!(COMPRESSOR, format!("gzip 1; {zstd}"));
    }

    #[test]
    fn compression_names_round_trip() {
        for compression in [Compression::Gzip, Compression::Zstd, Compression::None] {
            assert_eq!(compression.to_string().parse(), Ok(compression));
        }
    }
}
