//! A layer's blob → the tar within (image-spec, `layer.md` and `media-types.md`).

use std::io::{self, BufRead, Read};

use flate2::bufread::GzDecoder;
use oci_spec::image::MediaType;

use crate::image::media_type::as_oci;

/// Why a blob is not the compressed tar that its media type promises.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecompressError {
    /// Not a layer, or one of a kind that nobody here reads.
    #[error("{0} is not the type of a layer")]
    Type(String),
    /// Readers disagree on whether such bytes count, so none of them is right.
    #[error("something that is not gzip follows the end of its gzip stream")]
    Garbage,
}

impl From<DecompressError> for io::Error {
    fn from(error: DecompressError) -> io::Error {
        io::Error::new(io::ErrorKind::InvalidData, error)
    }
}

/// The tar in `blob`, decompressed as `media_type` says. Who has read it to its end has read all of the blob.
///
/// # Errors
/// A type that is no layer's. The reader ends in an error where the blob is not compressed so, in a [`DecompressError`] where
/// it goes on behind its end.
pub fn decompress<'a>(media_type: &MediaType, blob: impl BufRead + 'a) -> io::Result<Box<dyn Read + 'a>> {
    match as_oci(media_type) {
        MediaType::ImageLayer => Ok(Box::new(blob)),
        MediaType::ImageLayerGzip => Ok(Box::new(GzipReader(Some(GzDecoder::new(blob))))),
        // It reads frame after frame until the blob ends.
        MediaType::ImageLayerZstd => Ok(Box::new(zstd::Decoder::with_buffer(blob)?)),
        other => Err(DecompressError::Type(other.to_string()).into()),
    }
}

/// All members of a gzip file, one after the other (RFC 1952, 2.2); nothing when they are over.
struct GzipReader<R>(Option<GzDecoder<R>>);

/// What every member begins with.
const MAGIC: u8 = 0x1f;

impl<R: BufRead> Read for GzipReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while let Some(member) = &mut self.0 {
            let read = member.read(buffer)?;
            if read > 0 || buffer.is_empty() {
                return Ok(read);
            }
            let mut rest = match self.0.take() {
                Some(member) => member.into_inner(),
                None => return Ok(0),
            };
            match rest.fill_buf()?.first() {
                None => return Ok(0),
                Some(&MAGIC) => self.0 = Some(GzDecoder::new(rest)),
                Some(_) => return Err(DecompressError::Garbage.into()),
            }
        }
        Ok(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn gzip(content: &[u8]) -> Vec<u8> {
        let mut gzip = flate2::GzBuilder::new().write(Vec::new(), flate2::Compression::new(6));
        gzip.write_all(content).and_then(|()| gzip.finish()).expect("gzip into memory")
    }

    fn read(media_type: MediaType, blob: &[u8]) -> Result<Vec<u8>, String> {
        let mut tar = Vec::new();
        let read = decompress(&media_type, blob).and_then(|mut reader| reader.read_to_end(&mut tar));
        read.map(|_| tar).map_err(|error| error.to_string())
    }

    #[test]
    fn members_and_frames_are_read_one_after_the_other() {
        assert_eq!(read(MediaType::ImageLayer, b"ab"), Ok(b"ab".to_vec()));
        let two = [gzip(b"a"), gzip(b""), gzip(b"b")].concat();
        assert_eq!(read(MediaType::ImageLayerGzip, &two), Ok(b"ab".to_vec()));
        let frame = |content: &[u8]| zstd::encode_all(content, 3).expect("zstd into memory");
        assert_eq!(read(MediaType::ImageLayerZstd, &[frame(b"a"), frame(b"b")].concat()), Ok(b"ab".to_vec()));
    }

    #[test]
    fn what_follows_the_end_or_ends_too_early_is_an_error() {
        let words = read(MediaType::ImageLayerGzip, &[gzip(b"a"), b"garbage".to_vec()].concat()).unwrap_err();
        assert!(words.contains("follows the end of its gzip stream"), "{words}");
        let whole = gzip(b"abcdef");
        assert!(read(MediaType::ImageLayerGzip, &whole[..whole.len() - 9]).is_err());
        assert!(read(MediaType::ImageLayerGzip, b"no gzip at all").is_err());
        let frame = zstd::encode_all(&b"a"[..], 3).expect("zstd into memory");
        assert!(read(MediaType::ImageLayerZstd, &[frame, b"garbage".to_vec()].concat()).is_err());
    }

    #[test]
    fn a_type_that_is_no_layers_is_named() {
        let words = read(MediaType::ImageConfig, b"").unwrap_err();
        assert!(words.contains("image.config.v1+json is not the type of a layer"), "{words}");
    }
}
