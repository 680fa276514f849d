//! Decompresses the blob of a layer (image-spec, `layer.md` and `media-types.md`).

use std::io::{self, BufRead, Read};
use std::sync::atomic::{AtomicU64, Ordering};

use flate2::bufread::GzDecoder;
use oci_spec::image::{Descriptor, MediaType};

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
    /// The tars are so large that they are meant to exhaust disks.
    #[error("its tar exceeds the limit of {} GiB: rejected as a decompression bomb", _0 >> 30)]
    TooLarge(u64),
}

/// How large the tars of an image may be together: a limit of bytes. A ratio would be wrong, because a file of zeros shrinks
/// a thousandfold.
const MAX_TARS: u64 = 32 << 30;
/// Blobs that are large themselves may grow this many times: they are no bombs, and real ones grow less.
const MAX_GROWTH: u64 = 8;
/// The largest window of zstd as a power of two, and so the memory for a blob: 128 MiB, as for `zstd --long`. RFC 8878
/// asks for 8 MiB, which all engines write.
const MAX_ZSTD_WINDOW: u32 = 27;

/// The limit of what layers of an image decompress to together.
#[derive(Debug)]
pub struct TarLimit {
    limit: u64,
    used: AtomicU64,
}

impl TarLimit {
    /// Creates the limit for these layers.
    pub fn of<'a>(layers: impl IntoIterator<Item = &'a Descriptor>) -> TarLimit {
        let blobs = layers.into_iter().fold(0_u64, |sum, layer| sum.saturating_add(layer.size()));
        TarLimit::new(blobs.saturating_mul(MAX_GROWTH).max(MAX_TARS))
    }

    /// Creates a limit of this many bytes.
    pub(crate) fn new(limit: u64) -> TarLimit {
        TarLimit { limit, used: AtomicU64::new(0) }
    }

    /// Checks that a file of this size can follow, before it is decompressed.
    ///
    /// # Errors
    /// Returns an error if it cannot.
    pub fn check(&self, size: u64) -> io::Result<()> {
        // What was read ahead may be a part of the file.
        if size > self.limit { Err(DecompressError::TooLarge(self.limit).into()) } else { Ok(()) }
    }

    fn count(&self, bytes: u64) -> io::Result<()> {
        let before = self.used.fetch_add(bytes, Ordering::Relaxed);
        self.check(before.saturating_add(bytes))
    }
}

/// A reader of a tar that counts towards a limit.
struct LimitedReader<'a> {
    inner: Box<dyn Read + 'a>,
    limit: &'a TarLimit,
}

impl Read for LimitedReader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.limit.count(read as u64)?;
        Ok(read)
    }
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
/// with a [`DecompressError`] if data follows its end or the tar exceeds `limit`.
pub fn decompress<'a>(
    media_type: &MediaType,
    blob: impl BufRead + 'a,
    limit: &'a TarLimit,
) -> io::Result<Box<dyn Read + 'a>> {
    let inner: Box<dyn Read + 'a> = match as_oci(media_type) {
        MediaType::ImageLayer => Box::new(blob),
        MediaType::ImageLayerGzip => Box::new(GzipReader(Some(GzDecoder::new(blob)))),
        MediaType::ImageLayerZstd => {
            // The decoder reads all frames of the blob.
            let mut decoder = zstd::Decoder::with_buffer(blob)?;
            decoder.window_log_max(MAX_ZSTD_WINDOW)?;
            Box::new(decoder)
        }
        other => return Err(DecompressError::Type(other.to_string()).into()),
    };
    Ok(Box::new(LimitedReader { inner, limit }))
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
        let limit = TarLimit::new(1 << 20);
        let read = decompress(&media_type, blob, &limit).and_then(|mut reader| reader.read_to_end(&mut tar));
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
    fn limit_is_one_of_bytes_for_all_layers() {
        let zeros = vec![0; 3 << 18];
        let limit = TarLimit::new(1 << 20);
        for (media_type, blob) in [
            (MediaType::ImageLayerGzip, gzip(&zeros)),
            (MediaType::ImageLayerZstd, frame(&zeros)),
            (MediaType::ImageLayer, zeros),
        ] {
            let alone = TarLimit::new(1 << 20);
            let mut reader = decompress(&media_type, &blob[..], &alone).expect("a layer");
            assert_eq!(io::copy(&mut reader, &mut io::sink()).expect("reads"), 3 << 18, "{media_type}");
            let mut reader = decompress(&media_type, &blob[..], &limit).expect("a layer");
            let read = io::copy(&mut reader, &mut io::sink());
            let is_first = media_type == MediaType::ImageLayerGzip;
            assert_eq!(read.is_ok(), is_first, "only the first layer fits: {media_type}");
        }
        let sizes = |sizes: &[u64]| {
            let layer =
                |size: &u64| Descriptor::new(MediaType::ImageLayerGzip, *size, crate::image::digest::sha256(b""));
            TarLimit::of(&sizes.iter().map(layer).collect::<Vec<_>>()).limit
        };
        assert_eq!([sizes(&[]), sizes(&[1 << 30]), sizes(&[u64::MAX, 1])], [32 << 30, 32 << 30, u64::MAX]);
        assert_eq!(sizes(&[8 << 30, 2 << 30]), 80 << 30);
        assert_eq!(
            DecompressError::TooLarge(32 << 30).to_string(),
            "its tar exceeds the limit of 32 GiB: rejected as a decompression bomb"
        );
    }

    #[test]
    fn zstd_windows_beyond_128_mib_are_rejected() {
        // A frame without a size, with the window 2^27 and 2^30 (RFC 8878, 3.1.1.1.2), and a last block of a run (RLE).
        let frame = |exponent: u8| {
            [&[0x28, 0xb5, 0x2f, 0xfd, 0, (exponent - 10) << 3][..], &[0b011 | (5 << 3), 0, 0, b'a']].concat()
        };
        assert_eq!(read(MediaType::ImageLayerZstd, &frame(27)), Ok(b"aaaaa".to_vec()));
        let message = read(MediaType::ImageLayerZstd, &frame(30)).unwrap_err();
        assert!(message.contains("too much memory"), "{message}");
    }

    #[test]
    fn decompress_rejects_other_media_types_by_name() {
        let message = read(MediaType::ImageConfig, b"").unwrap_err();
        assert!(message.contains("image.config.v1+json is not the media type of a layer"), "{message}");
    }
}
