//! Decompresses the blob of a layer (image-spec, `layer.md` and `media-types.md`).

use std::io::{self, BufRead, Read};

use flate2::bufread::GzDecoder;
use oci_spec::image::MediaType;

use crate::image::media_type::as_oci;

/// The error of a blob that does not match its media type.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecompressError {
    /// The media type is not that of a supported layer.
    #[error("{0} is not the media type of a layer")]
    Type(String),
    /// Data follows the end of the gzip stream. Some readers ignore such data and others do not, so it is rejected.
    #[error("trailing data after the end of the gzip stream")]
    TrailingData,
}

impl From<DecompressError> for io::Error {
    fn from(error: DecompressError) -> io::Error {
        io::Error::new(io::ErrorKind::InvalidData, error)
    }
}

/// Returns a reader of the tar in `blob`, which `media_type` describes. At the end of the tar, all of `blob` is read.
///
/// # Errors
/// Returns an error if the media type is not that of a layer. The reader fails if the blob is not compressed that way, and
/// with a [`DecompressError`] if data follows its end.
pub fn decompress<'a>(media_type: &MediaType, blob: impl BufRead + 'a) -> io::Result<Box<dyn Read + 'a>> {
    match as_oci(media_type) {
        MediaType::ImageLayer => Ok(Box::new(blob)),
        MediaType::ImageLayerGzip => Ok(Box::new(GzipReader(Some(GzDecoder::new(blob))))),
        // The decoder reads all frames of the blob.
        MediaType::ImageLayerZstd => Ok(Box::new(zstd::Decoder::with_buffer(blob)?)),
        other => Err(DecompressError::Type(other.to_string()).into()),
    }
}

/// A reader of all members of a gzip file (RFC 1952, 2.2). `None` after the last.
struct GzipReader<R>(Option<GzDecoder<R>>);

/// The first byte of every member.
const GZIP_MAGIC: u8 = 0x1f;

impl<R: BufRead> Read for GzipReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while let Some(member) = &mut self.0 {
            let read = member.read(buffer)?;
            if read > 0 || buffer.is_empty() {
                return Ok(read);
            }
            let Some(member) = self.0.take() else { return Ok(0) };
            let mut rest = member.into_inner();
            match rest.fill_buf()?.first() {
                None => return Ok(0),
                Some(&GZIP_MAGIC) => self.0 = Some(GzDecoder::new(rest)),
                Some(_) => return Err(DecompressError::TrailingData.into()),
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

    #[allow(clippy::needless_pass_by_value)]
    fn read(media_type: MediaType, blob: &[u8]) -> Result<Vec<u8>, String> {
        let mut tar = Vec::new();
        let read = decompress(&media_type, blob).and_then(|mut reader| reader.read_to_end(&mut tar));
        read.map(|_| tar).map_err(|error| error.to_string())
    }

    fn frame(content: &[u8]) -> Vec<u8> {
        zstd::encode_all(content, 3).expect("zstd into memory")
    }

    #[test]
    fn decompress_reads_all_members_and_frames() {
        assert_eq!(read(MediaType::ImageLayer, b"ab"), Ok(b"ab".to_vec()));
        let two = [gzip(b"a"), gzip(b""), gzip(b"b")].concat();
        assert_eq!(read(MediaType::ImageLayerGzip, &two), Ok(b"ab".to_vec()));
        assert_eq!(read(MediaType::ImageLayerZstd, &[frame(b"a"), frame(b"b")].concat()), Ok(b"ab".to_vec()));
    }

    #[test]
    fn decompress_rejects_trailing_data_and_truncated_blobs() {
        let message = read(MediaType::ImageLayerGzip, &[gzip(b"a"), b"garbage".to_vec()].concat()).unwrap_err();
        assert!(message.contains("trailing data"), "{message}");
        let whole = gzip(b"abcdef");
        assert!(read(MediaType::ImageLayerGzip, &whole[..whole.len() - 9]).is_err());
        assert!(read(MediaType::ImageLayerGzip, b"no gzip at all").is_err());
        assert!(read(MediaType::ImageLayerZstd, &[frame(b"a"), b"garbage".to_vec()].concat()).is_err());
    }

    #[test]
    fn decompress_rejects_other_media_types_by_name() {
        let message = read(MediaType::ImageConfig, b"").unwrap_err();
        assert!(message.contains("image.config.v1+json is not the media type of a layer"), "{message}");
    }
}
