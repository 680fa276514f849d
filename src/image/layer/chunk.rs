//! A part of a tar, and what is known of the whole tar.

use super::deflate::WINDOW;
use crate::image::digest::DiffId;

/// How many bytes are compressed independently. The compressed bytes depend on it.
const CHUNK_SIZE: usize = 256 << 10;

/// A part of a tar, with the end of the part before it as the compressor's dictionary.
pub struct Chunk {
    bytes: Vec<u8>,
    /// How many of the bytes belong to the dictionary.
    pub dictionary_len: usize,
    filled: usize,
}

impl Chunk {
    /// Creates an empty chunk: the first one, or the one after `previous`.
    pub fn after(previous: Option<&Chunk>) -> Chunk {
        let dictionary =
            previous.map_or(&[][..], |chunk| &chunk.bytes[chunk.filled.saturating_sub(WINDOW)..chunk.filled]);
        let mut bytes = vec![0; dictionary.len() + CHUNK_SIZE];
        bytes[..dictionary.len()].copy_from_slice(dictionary);
        Chunk { dictionary_len: dictionary.len(), filled: dictionary.len(), bytes }
    }

    /// Returns the dictionary and the content behind it.
    pub fn window(&self) -> &[u8] {
        &self.bytes[..self.filled]
    }

    /// Returns the content of this chunk.
    pub fn content(&self) -> &[u8] {
        &self.bytes[self.dictionary_len..self.filled]
    }

    /// Returns the free space behind the content.
    pub fn free_space(&mut self) -> &mut [u8] {
        &mut self.bytes[self.filled..]
    }

    /// Adds the first `count` bytes of the free space to the content.
    pub fn advance(&mut self, count: usize) {
        self.filled += count;
    }

    /// Returns whether no space is left.
    pub fn is_full(&self) -> bool {
        self.filled == self.bytes.len()
    }
}

/// What is known of a whole tar.
pub struct TarSummary {
    /// The digest of the tar.
    pub diff_id: DiffId,
    /// The CRC-32 that a gzip file ends with.
    pub crc: u32,
    /// The size in bytes.
    pub size: u64,
}
