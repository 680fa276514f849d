//! gzip (RFC 1952) by many threads: one member, whose bytes are the same whatever their number.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use super::chunks::{Chunk, TarSummary};
use super::deflate::{self, Deflate};

/// Deflate; no flags, no time, no word on how hard it was tried, and a system that is not known (2.3.1).
const HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];

/// Compresses chunks side by side, and writes them one after the other.
pub struct GzipWriter<W> {
    blob: W,
    threads: usize,
    started: usize,
    jobs: Sender<Job>,
    queue: Arc<Mutex<Receiver<Job>>>,
    /// What is not written yet, in the order of the chunks.
    compressed: VecDeque<Receiver<Vec<u8>>>,
}

/// A chunk, and where it goes when it is compressed.
struct Job {
    chunk: Arc<Chunk>,
    compressed: Sender<Vec<u8>>,
}

impl<W: Write> GzipWriter<W> {
    /// Begins a file that at most so many threads, of which there is one at least, compress.
    ///
    /// # Errors
    /// Of writing.
    pub fn new(mut blob: W, threads: usize) -> io::Result<GzipWriter<W>> {
        blob.write_all(&HEADER)?;
        let (jobs, queue) = channel();
        let queue = Arc::new(Mutex::new(queue));
        Ok(GzipWriter { blob, threads, started: 0, jobs, queue, compressed: VecDeque::new() })
    }

    /// Takes the next chunk, and waits where too many are under way.
    ///
    /// # Errors
    /// Of writing.
    pub fn add(&mut self, chunk: Arc<Chunk>) -> io::Result<()> {
        // For each thread a chunk that it works on, and one that it finds when it is done.
        while self.compressed.len() >= 2 * self.threads {
            self.write_next()?;
        }
        // Small layers have fewer chunks than there are threads.
        if self.started < self.threads {
            let queue = Arc::clone(&self.queue);
            thread::Builder::new().name("gzip".to_owned()).spawn(move || work(&queue))?;
            self.started += 1;
        }
        let (sender, compressed) = channel();
        // The queue is there as long as this is.
        let _ = self.jobs.send(Job { chunk, compressed: sender });
        self.compressed.push_back(compressed);
        Ok(())
    }

    fn write_next(&mut self) -> io::Result<()> {
        let Some(next) = self.compressed.pop_front() else {
            return Ok(());
        };
        let compressed = next.recv().map_err(|_| io::Error::other("a thread that compresses panicked"))?;
        self.blob.write_all(&compressed)
    }

    /// Ends the file, which holds `tar`, and gives back what it was written to.
    ///
    /// # Errors
    /// Of writing.
    pub fn finish(mut self, tar: &TarSummary) -> io::Result<W> {
        while !self.compressed.is_empty() {
            self.write_next()?;
        }
        self.blob.write_all(&deflate::LAST)?;
        self.blob.write_all(&tar.crc.to_le_bytes())?;
        // The size is written modulo 2^32.
        self.blob.write_all(&(tar.size as u32).to_le_bytes())?;
        Ok(self.blob)
    }
}

/// Compresses until there will be no more jobs.
fn work(queue: &Mutex<Receiver<Job>>) {
    let mut deflate = Deflate::new();
    loop {
        let job = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(Job { chunk, compressed }) = job else {
            return;
        };
        // Where nobody waits for it, writing has failed.
        let _ = compressed.send(deflate.compress(chunk.window(), chunk.known).to_vec());
    }
}
