//! How the tar of a layer is made a blob (image-spec, `layer.md` and `media-types.md`).

use std::fmt;
use std::io::{self, Write};
use std::str::FromStr;

use flate2::GzBuilder;
use flate2::write::GzEncoder;
use oci_spec::image::MediaType;

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

/// What makes blobs: those of equal tars are equal where this is, and their media types are. It names the pinned crates
/// of Cargo.toml.
pub const COMPRESSOR: &str = "gzip 6, flate2 1.1.10, zlib-rs 0.6.8; zstd 3, zstd 0.14.3, zstd-sys 2.1.2";

impl Compression {
    /// The media type of such a layer.
    pub fn media_type(self) -> MediaType {
        match self {
            Compression::Gzip => MediaType::ImageLayerGzip,
            Compression::Zstd => MediaType::ImageLayerZstd,
            Compression::None => MediaType::ImageLayer,
        }
    }

    /// How hard it tries: what the programs of these names do by default.
    pub fn level(self) -> u8 {
        match self {
            Compression::Gzip => 6,
            Compression::Zstd => 3,
            Compression::None => 0,
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

/// Compresses what is written to it.
pub enum Encoder<W: Write> {
    /// See [`Compression::Gzip`].
    Gzip(GzEncoder<W>),
    /// See [`Compression::Zstd`].
    Zstd(zstd::Encoder<'static, W>),
    /// See [`Compression::None`].
    None(W),
}

impl<W: Write> Encoder<W> {
    /// Compresses at `level`, in this thread: more of them would make other bytes.
    ///
    /// # Errors
    /// When there is no memory for it.
    pub fn new(compression: Compression, level: u8, blob: W) -> io::Result<Encoder<W>> {
        Ok(match compression {
            // No name, no time, no system in the gzip header: GzBuilder's defaults are 0 and 255 ("unknown").
            Compression::Gzip => Encoder::Gzip(GzBuilder::new().write(blob, flate2::Compression::new(level.into()))),
            Compression::Zstd => Encoder::Zstd(zstd::Encoder::new(blob, level.into())?),
            Compression::None => Encoder::None(blob),
        })
    }

    /// Writes the end, and gives back what was written to.
    ///
    /// # Errors
    /// Of writing.
    pub fn finish(self) -> io::Result<W> {
        match self {
            Encoder::Gzip(encoder) => encoder.finish(),
            Encoder::Zstd(encoder) => encoder.finish(),
            Encoder::None(blob) => Ok(blob),
        }
    }
}

impl<W: Write> Write for Encoder<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Encoder::Gzip(encoder) => encoder.write(bytes),
            Encoder::Zstd(encoder) => encoder.write(bytes),
            Encoder::None(blob) => blob.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Encoder::Gzip(encoder) => encoder.flush(),
            Encoder::Zstd(encoder) => encoder.flush(),
            Encoder::None(blob) => blob.flush(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::decompress::decompress;
    use std::io::Read;

    const ALL: [Compression; 3] = [Compression::Gzip, Compression::Zstd, Compression::None];

    #[test]
    fn the_compressors_are_those_that_are_pinned() {
        let manifest = include_str!("../../Cargo.toml");
        let pin = |name: &str| {
            let line = manifest.lines().find(|line| line.starts_with(&format!("{name} ="))).expect("a dependency");
            let version = line.split("\"=").nth(1).and_then(|rest| rest.split('"').next());
            format!("{name} {}", version.expect("an exact version"))
        };
        let level = |compression: Compression| format!("{compression} {}", compression.level());
        let gzip = [level(Compression::Gzip), pin("flate2"), pin("zlib-rs")].join(", ");
        let zstd = [level(Compression::Zstd), pin("zstd"), pin("zstd-sys")].join(", ");
        assert_eq!(COMPRESSOR, format!("{gzip}; {zstd}"));
    }

    #[test]
    fn what_is_compressed_is_read_back_by_its_media_type() {
        let content = b"a layer ".repeat(10_000);
        for compression in ALL {
            assert_eq!(compression.to_string().parse(), Ok(compression));
            let mut encoder = Encoder::new(compression, compression.level(), Vec::new()).expect("an encoder");
            encoder.write_all(&content).expect("writes to memory");
            let blob = encoder.finish().expect("writes to memory");
            let mut read = Vec::new();
            let mut decoder = decompress(&compression.media_type(), &blob[..]).expect("a decoder");
            decoder.read_to_end(&mut read).expect("reads");
            assert!(read == content, "{compression}");
        }
    }
}
