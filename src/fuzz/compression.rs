//! Compressed layers, against other implementations.

use std::io::{Read, Write};
use std::num::NonZero;

use oci_spec::image::MediaType;

use super::input::FuzzInput;
use crate::image::layer::decompress::{TarLimit, decompress as open};
use crate::image::layer::deflate::{Deflate, END_OF_STREAM, WINDOW};
use crate::image::layer::{FileContent, LayerEntry, write};
use crate::image::{Compression, CompressionOptions};

/// Content that the fuzzer grows from its bytes stays below this size.
const MOST_CONTENT: usize = 200_000;
/// What is read of a stream at most.
const MOST_READ: u64 = 16 << 20;

/// Our deflate is read back by zlib-rs, and whole layers do not depend on the number of threads.
pub(super) fn deflate(data: &[u8]) {
    let mut input = FuzzInput::new(data);
    let (with_threads, chunks) = (input.byte() == 0, [input.below(40_000), input.below(3_000), input.below(70_000)]);
    let content = input.content(MOST_CONTENT);
    let (mut deflate, mut stream, mut at) = (Deflate::new(), Vec::new(), 0);
    for chunk in chunks.into_iter().chain([content.len()]) {
        let end = (at + chunk).min(content.len());
        let from = at.saturating_sub(WINDOW);
        let compressed = deflate.compress(&content[from..end], at - from);
        // Stored blocks are the worst case.
        assert!(compressed.len() <= end - at + 5 * ((end - at) / 16_384 + 3), "{} of {}", compressed.len(), end - at);
        stream.extend_from_slice(compressed);
        at = end;
    }
    stream.extend_from_slice(&END_OF_STREAM);
    let mut read = Vec::new();
    flate2::read::DeflateDecoder::new(&stream[..]).read_to_end(&mut read).expect("a stream");
    assert!(read == content, "{} bytes in {chunks:?} are not what they were", content.len());
    if with_threads {
        layers(&content);
    }
}

/// A whole layer is the same for any number of threads, and is read back.
fn layers(content: &[u8]) {
    let entries = [LayerEntry::file("a", 0o644, FileContent::Bytes(content.repeat(3)))];
    for compression in [Compression::Gzip, Compression::Zstd] {
        let blobs = [1, 3].map(|threads| {
            let mut blob = Vec::new();
            let threads = NonZero::new(threads).expect("a number");
            let layer = write(&entries, CompressionOptions { compression, threads }, &mut blob).expect("a layer");
            (layer, blob)
        });
        assert!(blobs[0] == blobs[1], "{compression}");
        let (layer, blob) = &blobs[0];
        let mut tar = Vec::new();
        let limit = TarLimit::of([&layer.descriptor]);
        open(layer.descriptor.media_type(), &blob[..], &limit).expect("a layer").read_to_end(&mut tar).expect("a tar");
        assert_eq!(crate::image::digest::sha256(&tar), layer.diff_id.0);
    }
}

/// Reads a blob as a layer of this type, up to a limit.
fn read(media_type: &MediaType, blob: &[u8]) -> Option<Vec<u8>> {
    let mut content = Vec::new();
    let limit = TarLimit::new(MOST_READ);
    open(media_type, blob, &limit).ok()?.read_to_end(&mut content).ok()?;
    Some(content)
}

fn gzip(content: &[u8]) -> Vec<u8> {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::new(6));
    gzip.write_all(content).and_then(|()| gzip.finish()).expect("gzip into memory")
}

/// Any bytes as gzip and zstd, and gzip files that were changed.
pub(super) fn decompress(data: &[u8]) {
    if let Some(content) = read(&MediaType::ImageLayerGzip, data) {
        let mut theirs = Vec::new();
        flate2::read::MultiGzDecoder::new(data).read_to_end(&mut theirs).expect("gzip");
        assert!(content == theirs);
    }
    read(&MediaType::ImageLayerZstd, data);
    let mut input = FuzzInput::new(data);
    let (at, bit, cut) = (input.below(1 << 16), input.byte() % 8, input.byte());
    let content = input.content(20_000);
    let mut blob = [gzip(&content), gzip(&content)].concat();
    assert!(read(&MediaType::ImageLayerGzip, &blob) == Some(content.repeat(2)));
    let at = at % blob.len();
    blob[at] ^= 1 << bit;
    let changed = read(&MediaType::ImageLayerGzip, &blob);
    // Its checksum finds every change of the content.
    assert!(changed.is_none_or(|changed| changed == content.repeat(2)), "byte {at}, bit {bit}");
    blob[at] ^= 1 << bit;
    blob.truncate(blob.len() - 1 - usize::from(cut).min(blob.len() / 2 - 1));
    let cut = read(&MediaType::ImageLayerGzip, &blob);
    assert!(cut.is_none_or(|cut| cut == content), "a file that was cut is no whole one");
}
