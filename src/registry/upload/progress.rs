//! How far a request body has been sent, to tell a slow upload from a stalled one.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::registry::retry::Retry;

/// When the last bytes of a body were taken, and how many remain. Clones share it.
#[derive(Clone)]
pub(crate) struct Progress(Arc<ProgressState>);

struct ProgressState {
    start: Instant,
    /// Milliseconds since `start`.
    last_taken: AtomicU64,
    /// Bytes that remain, plus one; zero before the first bytes were taken.
    remaining: AtomicU64,
}

impl Progress {
    /// Creates the progress of a body that begins now.
    pub(crate) fn start() -> Progress {
        Progress(Arc::new(ProgressState {
            start: Instant::now(),
            last_taken: AtomicU64::new(0),
            remaining: AtomicU64::new(0),
        }))
    }

    /// Records that bytes were taken and that `remaining` bytes are left.
    pub(crate) fn taken(&self, remaining: u64) {
        let millis = u64::try_from(self.0.start.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.0.last_taken.store(millis, Ordering::Relaxed);
        self.0.remaining.store(remaining + 1, Ordering::Relaxed);
    }

    /// Waits until nothing was taken for too long, and returns how long that was.
    pub(crate) async fn stalled(self, retry: &Retry) -> Duration {
        loop {
            // After the last byte the registry may take longer: it checks and stores the blob.
            let is_sent = self.0.remaining.load(Ordering::Relaxed) == 1;
            let limit = if is_sent { retry.finish_timeout } else { retry.stall_timeout };
            let last_taken = Duration::from_millis(self.0.last_taken.load(Ordering::Relaxed));
            let idle = self.0.start.elapsed().saturating_sub(last_taken);
            let left = limit.saturating_sub(idle);
            if left.is_zero() {
                return limit;
            }
            tokio::time::sleep(left).await;
        }
    }
}
