//! Transfers: content on its way, reported from beginning to end.

use std::fmt;
use std::sync::Arc;

use oci_spec::image::Descriptor;

use super::counter::{Activity, Counter};
use super::{Event, Listener};

/// A running transfer: reports its beginning when it is created, and its end when it is dropped.
pub(crate) struct Transfer<'a> {
    counter: Arc<Counter>,
    listener: Option<Listener<'a>>,
}

impl<'a> Transfer<'a> {
    /// Begins a transfer with nothing done.
    pub(crate) fn begin(listener: Option<Listener<'a>>, activity: Activity, name: &str, total: u64) -> Transfer<'a> {
        let transfer = Transfer { counter: Arc::new(Counter::new(activity, name, total)), listener };
        transfer.tell(|transfer| Event::TransferBegun { transfer });
        transfer
    }

    /// Begins the transfer of a blob, named after the beginning of its digest.
    pub(crate) fn of_blob(listener: Option<Listener<'a>>, activity: Activity, blob: &Descriptor) -> Transfer<'a> {
        let hex = blob.digest().digest();
        Transfer::begin(listener, activity, hex.get(..12).unwrap_or(hex), blob.size())
    }

    /// Returns the progress.
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
