//! Content on its way, counted while it goes: who works adds to a number, and who shows it looks when they like.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use oci_spec::image::Descriptor;

use super::{Event, Listener};

/// What is done with content that may take its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activity {
    /// It comes from a registry.
    Pulling,
    /// It goes from one place on this computer to another.
    Copying,
    /// Files become a layer.
    Layering,
    /// It goes to a registry.
    Pushing,
    /// It goes to an engine.
    Loading,
    /// It is unpacked.
    Bundling,
    /// It is held against its digests.
    Validating,
}

/// How far a transfer is.
#[derive(Debug)]
pub struct Counter {
    /// Tells it from the other transfers of this process.
    pub id: u64,
    /// What is done.
    pub activity: Activity,
    /// What it is done with.
    pub name: String,
    /// How many bytes there are.
    pub total: u64,
    done: AtomicU64,
}

impl Counter {
    /// How many bytes are done.
    pub fn done(&self) -> u64 {
        self.done.load(Ordering::Relaxed)
    }

    /// So many more bytes are done.
    pub fn add(&self, bytes: u64) {
        self.done.fetch_add(bytes, Ordering::Relaxed);
    }

    /// So many bytes are done, after another attempt began there.
    pub fn set(&self, bytes: u64) {
        self.done.store(bytes, Ordering::Relaxed);
    }
}

/// A transfer that runs: its beginning is told when it is made, and its end when it is dropped.
pub(crate) struct Transfer<'a> {
    counter: Arc<Counter>,
    listener: Option<Listener<'a>>,
}

impl<'a> Transfer<'a> {
    /// Begins with nothing done.
    pub(crate) fn begin(listener: Option<Listener<'a>>, activity: Activity, name: &str, total: u64) -> Transfer<'a> {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let id = NEXT.fetch_add(1, Ordering::Relaxed);
        let counter = Counter { id, activity, name: name.to_owned(), total, done: AtomicU64::new(0) };
        let transfer = Transfer { counter: Arc::new(counter), listener };
        transfer.tell(|transfer| Event::TransferBegun { transfer });
        transfer
    }

    /// The same with a blob, which is called by the beginning of its digest.
    pub(crate) fn of_blob(listener: Option<Listener<'a>>, activity: Activity, blob: &Descriptor) -> Transfer<'a> {
        let hex = blob.digest().digest();
        Transfer::begin(listener, activity, hex.get(..12).unwrap_or(hex), blob.size())
    }

    /// What counts its bytes.
    pub(crate) fn counter(&self) -> &Arc<Counter> {
        &self.counter
    }

    fn tell(&self, event: impl FnOnce(Arc<Counter>) -> Event) {
        if let Some(listener) = self.listener {
            listener(event(Arc::clone(&self.counter)));
        }
    }
}

impl Drop for Transfer<'_> {
    fn drop(&mut self) {
        self.tell(|transfer| Event::TransferEnded { transfer });
    }
}

impl fmt::Debug for Transfer<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.counter.fmt(f)
    }
}
