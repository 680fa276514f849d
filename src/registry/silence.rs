//! How long a server may be silent while a request waits for its response. The user is told what is waited for.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use reqwest::{Method, Url};

use super::error::public_url;
use super::options::Options;
use super::retry::Retry;
use crate::event::Event;

/// After this time, the user is told. Caches that fetch from another registry take longer.
const NOTICE: Duration = Duration::from_secs(5);

/// Waits until the server of a request has been silent for too long, and returns how long that was. `progress` is that of the
/// body of the request, if that is streamed.
pub(crate) async fn silence(
    method: &Method,
    url: &Url,
    progress: Option<&UploadProgress>,
    options: &Options<'_>,
) -> Duration {
    let start = Instant::now();
    let mut is_told = false;
    loop {
        let (idle, limit) = match progress {
            Some(progress) => progress.idle(&options.retry),
            None => (start.elapsed(), options.retry.answer_timeout),
        };
        if idle >= limit {
            return limit;
        }
        if idle >= NOTICE && !is_told {
            is_told = true;
            if let Some(notify) = options.notify {
                notify(Event::WaitingForAnswer { method: method.to_string(), url: public_url(url), limit });
            }
        }
        let next = if is_told { limit } else { limit.min(NOTICE) };
        tokio::time::sleep(next.saturating_sub(idle).max(Duration::from_millis(1))).await;
    }
}

/// When the last bytes of a body were taken, and how many remain. Clones share it.
#[derive(Clone)]
pub(crate) struct UploadProgress(Arc<ProgressState>);

struct ProgressState {
    start: Instant,
    /// Milliseconds since `start`.
    last_taken: AtomicU64,
    /// Bytes that remain, plus one; zero before the first bytes were taken.
    remaining: AtomicU64,
}

impl UploadProgress {
    /// Creates the progress of a body that begins now.
    pub(crate) fn start() -> UploadProgress {
        UploadProgress(Arc::new(ProgressState {
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

    /// Returns for how long nothing was taken, and for how long that may be.
    fn idle(&self, retry: &Retry) -> (Duration, Duration) {
        // After the last byte the registry may take longer: it checks and stores the blob.
        let is_sent = self.0.remaining.load(Ordering::Relaxed) == 1;
        let limit = if is_sent { retry.answer_timeout } else { retry.stall_timeout };
        let last_taken = Duration::from_millis(self.0.last_taken.load(Ordering::Relaxed));
        (self.0.start.elapsed().saturating_sub(last_taken), limit)
    }
}
