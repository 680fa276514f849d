//! A tar in chunks of one size, which are hashed and compressed at the same time.

use std::io::{self, Read, Write};
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::{self, JoinHandle};

use super::compression::Encoder;
use super::deflate::WINDOW;
use crate::image::digest::{DiffId, Hasher};

/// How many bytes are compressed on their own. What comes out depends on it.
const CHUNK_SIZE: usize = 256 << 10;
/// ChunkWriter that wait to be hashed.
const WAITING: usize = 4;

/// A part of a tar, and what is before it.
pub struct Chunk {
    bytes: Vec<u8>,
    /// How many of the bytes are of the chunks before.
    pub known: usize,
    filled: usize,
}

impl Chunk {
    /// The first one, or the one after `before`.
    fn after(before: Option<&Chunk>) -> Chunk {
        let known = before.map_or(&[][..], |before| &before.bytes[before.filled.saturating_sub(WINDOW)..before.filled]);
        let mut bytes = vec![0; known.len() + CHUNK_SIZE];
        bytes[..known.len()].copy_from_slice(known);
        Chunk { known: known.len(), filled: known.len(), bytes }
    }

    /// What is known, and the content behind it.
    pub fn window(&self) -> &[u8] {
        &self.bytes[..self.filled]
    }

    /// What is in the tar.
    pub fn content(&self) -> &[u8] {
        &self.bytes[self.known..self.filled]
    }

    fn is_full(&self) -> bool {
        self.filled == self.bytes.len()
    }
}

/// What is known of a whole tar.
pub struct TarSummary {
    /// Its digest.
    pub diff_id: DiffId,
    /// Its checksum for gzip.
    pub crc: u32,
    /// Its size in bytes.
    pub size: u64,
}

/// Cuts the tar that is written to it, and has the chunks hashed and compressed.
pub struct ChunkWriter<'a, W: Write> {
    chunk: Chunk,
    encoder: Encoder<W>,
    to_hash: SyncSender<Arc<Chunk>>,
    hashing: JoinHandle<TarSummary>,
    done: &'a dyn Fn(u64),
}

impl<'a, W: Write> ChunkWriter<'a, W> {
    /// Gives the chunks to `encoder`; `done` is told of each how many bytes it has.
    ///
    /// # Errors
    /// When there are no more threads to be had.
    pub fn new(encoder: Encoder<W>, done: &'a dyn Fn(u64)) -> io::Result<ChunkWriter<'a, W>> {
        let (to_hash, chunks) = sync_channel::<Arc<Chunk>>(WAITING);
        let hashing = thread::Builder::new().name("sha256".to_owned()).spawn(move || hash(chunks.into_iter()))?;
        Ok(ChunkWriter { chunk: Chunk::after(None), encoder, to_hash, hashing, done })
    }

    /// Takes all that `content` has, without a copy of it between; gives its size.
    ///
    /// # Errors
    /// Of reading and writing.
    pub fn take(&mut self, content: &mut impl Read) -> io::Result<u64> {
        let mut size = 0;
        loop {
            match content.read(&mut self.chunk.bytes[self.chunk.filled..]) {
                Ok(0) => return Ok(size),
                Ok(read) => {
                    size += read as u64;
                    self.grown(read)?;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Takes note of what is in the chunk now. There is always room in it for more.
    fn grown(&mut self, by: usize) -> io::Result<()> {
        self.chunk.filled += by;
        if self.chunk.is_full() { self.hand_over() } else { Ok(()) }
    }

    fn hand_over(&mut self) -> io::Result<()> {
        let next = Chunk::after(Some(&self.chunk));
        let chunk = Arc::new(std::mem::replace(&mut self.chunk, next));
        // A thread that does not listen has panicked, which is noticed at the end.
        let _ = self.to_hash.send(Arc::clone(&chunk));
        (self.done)(chunk.content().len() as u64);
        self.encoder.add(chunk)
    }

    /// Ends the tar and its blob; gives what is known of the one, and what the other was written to.
    ///
    /// # Errors
    /// Of writing.
    pub fn finish(mut self) -> io::Result<(TarSummary, W)> {
        if !self.chunk.content().is_empty() {
            self.hand_over()?;
        }
        drop(self.to_hash);
        let tar = self.hashing.join().map_err(|_| io::Error::other("a thread that hashes panicked"))?;
        let blob = self.encoder.finish(&tar)?;
        Ok((tar, blob))
    }
}

impl<W: Write> Write for ChunkWriter<'_, W> {
    fn write(&mut self, mut bytes: &[u8]) -> io::Result<usize> {
        let written = bytes.read(&mut self.chunk.bytes[self.chunk.filled..])?;
        self.grown(written)?;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn hash(chunks: impl Iterator<Item = Arc<Chunk>>) -> TarSummary {
    let (mut sha, mut crc, mut size) = (Hasher::sha256(), flate2::Crc::new(), 0);
    for chunk in chunks {
        sha.update(chunk.content());
        crc.update(chunk.content());
        size += chunk.content().len() as u64;
    }
    TarSummary { diff_id: DiffId(sha.finish()), crc: crc.sum(), size }
}
