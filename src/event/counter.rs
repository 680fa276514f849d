//! The progress of transfers: a worker adds to a number, and a reader looks at it at any time.

use std::sync::atomic::{AtomicU64, Ordering};

/// What a transfer does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activity {
    /// Content comes from a registry.
    Pulling,
    /// Content is copied on this machine.
    Copying,
    /// Files are packed as a layer.
    Layering,
    /// Content goes to a registry.
    Pushing,
    /// Content goes to an engine.
    Loading,
    /// Layers are unpacked.
    Bundling,
    /// Layers are read for the files in them.
    Reading,
    /// Content is compared with its digest.
    Validating,
}

/// The progress of a transfer.
#[derive(Debug)]
pub struct Counter {
    /// A number that no other transfer of this process has.
    pub id: u64,
    /// What the transfer does.
    pub activity: Activity,
    /// The name of the content.
    pub name: String,
    /// The number of bytes.
    pub total: u64,
    done: AtomicU64,
}

impl Counter {
    /// Creates a counter of a transfer with nothing done.
    pub(crate) fn new(activity: Activity, name: &str, total: u64) -> Counter {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let id = NEXT.fetch_add(1, Ordering::Relaxed);
        Counter { id, activity, name: name.to_owned(), total, done: AtomicU64::new(0) }
    }

    /// Returns how many bytes are done.
    pub fn done(&self) -> u64 {
        self.done.load(Ordering::Relaxed)
    }

    /// Adds to the bytes that are done.
    pub fn add(&self, bytes: u64) {
        self.done.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Sets the bytes that are done, when another attempt begins.
    pub fn set(&self, bytes: u64) {
        self.done.store(bytes, Ordering::Relaxed);
    }
}
