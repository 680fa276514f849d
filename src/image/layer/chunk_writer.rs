//! Splits a tar into chunks, which are hashed and compressed in parallel.

use std::io::{self, Read, Write};
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::{self, JoinHandle};

use super::chunk::{Chunk, TarSummary};
use super::compression::Encoder;
use crate::image::digest::{DiffId, Hasher};

/// How many chunks wait to be hashed at most.
const HASH_QUEUE: usize = 4;

/// A writer that splits the tar written to it into chunks, and hashes and compresses them.
pub(crate) struct ChunkWriter<'a, W: Write> {
    chunk: Chunk,
    encoder: Encoder<W>,
    to_hash: SyncSender<Arc<Chunk>>,
    hashing: JoinHandle<TarSummary>,
    on_progress: &'a dyn Fn(u64),
}

impl<'a, W: Write> ChunkWriter<'a, W> {
    /// Creates a writer that passes the chunks on to `encoder` and their sizes to `on_progress`.
    ///
    /// # Errors
    /// Returns an error if no thread can be started.
    pub(crate) fn new(encoder: Encoder<W>, on_progress: &'a dyn Fn(u64)) -> io::Result<ChunkWriter<'a, W>> {
        let (to_hash, chunks) = sync_channel::<Arc<Chunk>>(HASH_QUEUE);
        let hashing = thread::Builder::new().name("sha256".to_owned()).spawn(move || hash(chunks.into_iter()))?;
        Ok(ChunkWriter { chunk: Chunk::after(None), encoder, to_hash, hashing, on_progress })
    }

    /// Writes all of `content` without an intermediate buffer. Returns its size in bytes.
    ///
    /// # Errors
    /// Returns an error if reading or writing fails.
    pub(crate) fn read_from(&mut self, content: &mut impl Read) -> io::Result<u64> {
        let mut size = 0;
        loop {
            match content.read(self.chunk.free_space()) {
                Ok(0) => return Ok(size),
                Ok(read) => {
                    size += read as u64;
                    self.advance(read)?;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Adds bytes to the chunk and submits it once it is full, so that there is always free space.
    fn advance(&mut self, count: usize) -> io::Result<()> {
        self.chunk.advance(count);
        if self.chunk.is_full() { self.submit() } else { Ok(()) }
    }

    fn submit(&mut self) -> io::Result<()> {
        let next = Chunk::after(Some(&self.chunk));
        let chunk = Arc::new(std::mem::replace(&mut self.chunk, next));
        // The hashing thread has panicked if it does not receive; `finish` reports that.
        let _ = self.to_hash.send(Arc::clone(&chunk));
        (self.on_progress)(chunk.content().len() as u64);
        self.encoder.add(chunk)
    }

    /// Completes the tar and its blob. Returns a summary of the tar and the inner writer.
    ///
    /// # Errors
    /// Returns an error if writing fails.
    pub(crate) fn finish(mut self) -> io::Result<(TarSummary, W)> {
        if !self.chunk.content().is_empty() {
            self.submit()?;
        }
        drop(self.to_hash);
        let tar = self.hashing.join().map_err(|_| io::Error::other("the hashing thread panicked"))?;
        let blob = self.encoder.finish(&tar)?;
        Ok((tar, blob))
    }
}

impl<W: Write> Write for ChunkWriter<'_, W> {
    fn write(&mut self, mut bytes: &[u8]) -> io::Result<usize> {
        let written = bytes.read(self.chunk.free_space())?;
        self.advance(written)?;
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
