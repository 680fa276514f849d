//! When to ask again, and when to stop.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use super::error::RequestError;
use crate::parallel::lock;

/// How patient a client is.
#[derive(Clone, Debug)]
pub struct Retry {
    /// How often a request is made at most.
    pub attempts: u32,
    /// The pause after the first failure; it doubles with each further one.
    pub first: Duration,
    /// No pause is longer, unless the registry asks for it.
    pub most_pause: Duration,
    /// The longest pause that a registry may ask for.
    pub most_asked: Duration,
    /// After this long nothing is tried again.
    pub total: Duration,
    /// How long an answer may take to begin, and a transfer may stand still.
    pub progress: Duration,
    /// How long a registry may take to finish an upload whose last byte it has.
    pub finish: Duration,
    /// How long the first answer may take: someone waits for it, and nothing has been done yet.
    pub first_answer: Duration,
}

impl Default for Retry {
    fn default() -> Self {
        Retry {
            attempts: 5,
            first: Duration::from_millis(500),
            most_pause: Duration::from_secs(30),
            most_asked: Duration::from_secs(60),
            total: Duration::from_secs(600),
            progress: Duration::from_secs(30),
            finish: Duration::from_secs(300),
            first_answer: Duration::from_secs(14),
        }
    }
}

/// A host that asked to be left alone, until then.
#[derive(Debug, Default)]
pub struct Quiet(Mutex<Option<Instant>>);

impl Quiet {
    /// Nobody asks this host before `pause` is over.
    pub fn keep(&self, pause: Duration) {
        let until = Instant::now() + pause;
        let mut known = lock(&self.0);
        *known = Some(known.map_or(until, |known| known.max(until)));
    }

    /// How long that is from now.
    pub fn left(&self) -> Duration {
        lock(&self.0).map_or(Duration::ZERO, |until| until.saturating_duration_since(Instant::now()))
    }
}

/// The attempts at one thing.
#[derive(Debug)]
pub struct Attempts<'a> {
    retry: &'a Retry,
    start: Instant,
    made: u32,
}

impl<'a> Attempts<'a> {
    /// None made yet.
    pub fn new(retry: &'a Retry) -> Attempts<'a> {
        Attempts { retry, start: Instant::now(), made: 0 }
    }

    /// Begins to count anew: something was achieved.
    pub fn progressed(&mut self) {
        self.made = 0;
    }

    /// The pause before the next attempt after `error`; nothing when there is to be none.
    pub fn pause(&mut self, error: &RequestError) -> Option<Duration> {
        self.made += 1;
        let doubled = self.retry.first.saturating_mul(1 << self.made.min(16) >> 1);
        // Full jitter: clients that failed together do not come back together.
        let pause = match error.retry_after {
            Some(asked) => asked.min(self.retry.most_asked),
            None => doubled.min(self.retry.most_pause).mul_f64(fastrand::f64()),
        };
        let in_time = self.start.elapsed() + pause < self.retry.total;
        (error.is_passing() && self.made < self.retry.attempts && in_time).then_some(pause)
    }
}

/// What a `Retry-After` header asks for, in seconds or as a date (RFC 9110, section 10.2.3).
pub fn retry_after(header: &str) -> Option<Duration> {
    let header = header.trim();
    if let Ok(seconds) = header.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = jiff::fmt::rfc2822::parse(header).ok()?.timestamp();
    let left = date.duration_since(jiff::Timestamp::now());
    Some(Duration::try_from(left).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::error::Problem;
    use reqwest::{Method, StatusCode, Url};

    fn error(status: u16, retry_after: Option<u64>) -> RequestError {
        let url = Url::parse("https://example.org/v2/").expect("a URL");
        let status = StatusCode::from_u16(status).expect("a status");
        let error = RequestError::new(&Method::GET, &url, Problem::Status { status, says: String::new() });
        RequestError { retry_after: retry_after.map(Duration::from_secs), ..error }
    }

    #[test]
    fn passing_failures_are_tried_again_five_times_in_all() {
        let retry = Retry::default();
        let mut attempts = Attempts::new(&retry);
        let pauses: Vec<_> = std::iter::from_fn(|| attempts.pause(&error(503, None))).collect();
        assert_eq!(pauses.len(), 4);
        for (pause, most) in pauses.iter().zip([500, 1000, 2000, 4000]) {
            assert!(*pause <= Duration::from_millis(most), "{pause:?} of {most}");
        }
    }

    #[test]
    fn a_no_that_means_no_is_not_asked_again() {
        let retry = Retry::default();
        for status in [400, 401, 403, 404, 501, 505] {
            assert_eq!(Attempts::new(&retry).pause(&error(status, None)), None, "{status}");
        }
    }

    #[test]
    fn a_registry_is_left_alone_as_long_as_it_asks_within_reason() {
        let retry = Retry::default();
        assert_eq!(Attempts::new(&retry).pause(&error(429, Some(7))), Some(Duration::from_secs(7)));
        assert_eq!(Attempts::new(&retry).pause(&error(429, Some(9999))), Some(Duration::from_secs(60)));
        assert_eq!(retry_after(" 3"), Some(Duration::from_secs(3)));
        assert_eq!(retry_after("Sun, 06 Nov 1994 08:49:37 GMT"), Some(Duration::ZERO));
        assert_eq!(retry_after("soon"), None);
    }
}
