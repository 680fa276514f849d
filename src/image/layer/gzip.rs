//! gzip (RFC 1952) with several threads: one member, whose bytes do not depend on the number of threads.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread;

use super::chunk::{Chunk, TarSummary};
use super::deflate::{self, Deflate};
use crate::parallel::lock;

/// Deflate, no flags, no time, no compression level, unknown system (2.3.1).
const HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];

/// A writer that compresses chunks in parallel and writes them in order.
pub struct GzipWriter<W> {
    blob: W,
    threads: usize,
    started: usize,
    jobs: Sender<Job>,
    queue: Arc<Mutex<Receiver<Job>>>,
    /// The results that are not written yet, in the order of the chunks.
    pending: VecDeque<Receiver<Vec<u8>>>,
}

/// A chunk, and the channel for its compressed bytes.
struct Job {
    chunk: Arc<Chunk>,
    compressed: Sender<Vec<u8>>,
}

impl<W: Write> GzipWriter<W> {
    /// Begins a file that at most `threads` threads compress: at least one.
    ///
    /// # Errors
    /// Returns an error if writing fails.
    pub fn new(mut blob: W, threads: usize) -> io::Result<GzipWriter<W>> {
        blob.write_all(&HEADER)?;
        let (jobs, queue) = channel();
        let queue = Arc::new(Mutex::new(queue));
        Ok(GzipWriter { blob, threads, started: 0, jobs, queue, pending: VecDeque::new() })
    }

    /// Compresses the next chunk. Waits if too many are pending.
    ///
    /// # Errors
    /// Returns an error if writing fails.
    pub fn add(&mut self, chunk: Arc<Chunk>) -> io::Result<()> {
        // One chunk in work and one waiting for each thread.
        while self.pending.len() >= 2 * self.threads {
            self.write_next()?;
        }
        // Threads start on demand: small layers have fewer chunks than there are threads.
        if self.started < self.threads {
            let queue = Arc::clone(&self.queue);
            thread::Builder::new().name("gzip".to_owned()).spawn(move || run_worker(&queue))?;
            self.started += 1;
        }
        let (sender, compressed) = channel();
        // Sending cannot fail: `self.queue` keeps the receiver alive.
        let _ = self.jobs.send(Job { chunk, compressed: sender });
        self.pending.push_back(compressed);
        Ok(())
    }

    fn write_next(&mut self) -> io::Result<()> {
        let Some(next) = self.pending.pop_front() else {
            return Ok(());
        };
        let compressed = next.recv().map_err(|_| io::Error::other("a compressing thread panicked"))?;
        self.blob.write_all(&compressed)
    }

    /// Completes the file, which holds `tar`. Returns the inner writer.
    ///
    /// # Errors
    /// Returns an error if writing fails.
    pub fn finish(mut self, tar: &TarSummary) -> io::Result<W> {
        while !self.pending.is_empty() {
            self.write_next()?;
        }
        self.blob.write_all(&deflate::END_OF_STREAM)?;
        self.blob.write_all(&tar.crc.to_le_bytes())?;
        // gzip stores the size modulo 2^32.
        self.blob.write_all(&(tar.size as u32).to_le_bytes())?;
        Ok(self.blob)
    }
}

/// Compresses chunks until the queue is closed.
fn run_worker(queue: &Mutex<Receiver<Job>>) {
    let mut deflate = Deflate::new();
    loop {
        let job = lock(queue).recv();
        let Ok(Job { chunk, compressed }) = job else {
            return;
        };
        // If nobody receives it, writing has failed.
        let _ = compressed.send(deflate.compress(chunk.window(), chunk.dictionary_len).to_vec());
    }
}
