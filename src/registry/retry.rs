//! When a failed request is repeated, and how long to wait before.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use reqwest::StatusCode;
use reqwest::header::{HeaderMap, RETRY_AFTER};

use super::error::{RequestError, RequestProblem};
use crate::event::{Event, Listener};
use crate::parallel::lock;

/// How long one attempt at a connection may take.
pub(crate) const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// How often a host is looked up whose name nobody knows. A name service that was just told of it may not know it yet.
const UNKNOWN_HOST_ATTEMPTS: u32 = 2;

/// How often and how long requests are tried.
#[derive(Clone, Debug)]
pub struct Retry {
    /// The most attempts at one request.
    pub attempts: u32,
    /// The pause after the first failure. It doubles with each further one.
    pub first_pause: Duration,
    /// The longest pause, unless the registry asks for a longer one.
    pub max_pause: Duration,
    /// The longest pause that a registry may ask for.
    pub max_retry_after: Duration,
    /// The time after which nothing is tried again.
    pub total: Duration,
    /// The time after which nothing is tried again that is about connecting.
    pub connecting: Duration,
    /// How long a response may take to begin after the request was sent. A cache may have to fetch from another registry
    /// first, and a registry checks and stores what was uploaded.
    pub answer_timeout: Duration,
    /// How long a transfer may stall.
    pub stall_timeout: Duration,
}

impl Default for Retry {
    fn default() -> Self {
        Retry {
            attempts: 5,
            first_pause: Duration::from_millis(500),
            max_pause: Duration::from_secs(30),
            max_retry_after: Duration::from_secs(60),
            total: Duration::from_secs(600),
            connecting: CONNECT_TIMEOUT,
            answer_timeout: Duration::from_secs(300),
            stall_timeout: Duration::from_secs(30),
        }
    }
}

/// A pause before a request is repeated: reports its beginning when it is created, and its end when it is dropped.
pub(crate) struct RetryPause<'a> {
    id: u64,
    notify: Listener<'a>,
}

impl<'a> RetryPause<'a> {
    /// Begins a pause of this length after an error.
    pub(crate) fn begin(notify: Listener<'a>, error: &RequestError, is_told: bool, pause: Duration) -> RetryPause<'a> {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let id = NEXT.fetch_add(1, Ordering::Relaxed);
        notify(Event::Retrying { id, error: error.to_string(), attempt: error.context.attempt, is_told, pause });
        RetryPause { id, notify }
    }
}

impl Drop for RetryPause<'_> {
    fn drop(&mut self) {
        (self.notify)(Event::RetryBegun { id: self.id });
    }
}

/// The pause that a host has asked for with `Retry-After`.
#[derive(Debug, Default)]
pub(crate) struct RateLimit(Mutex<Option<Instant>>);

impl RateLimit {
    /// Blocks requests to the host for `pause`, or longer if it is blocked for longer.
    pub(crate) fn extend(&self, pause: Duration) {
        let end = Instant::now() + pause;
        let mut known = lock(&self.0);
        *known = Some(known.map_or(end, |known| known.max(end)));
    }

    /// Returns how long requests are still blocked.
    pub(crate) fn remaining(&self) -> Duration {
        lock(&self.0).map_or(Duration::ZERO, |end| end.saturating_duration_since(Instant::now()))
    }
}

/// The attempts at one request or transfer.
#[derive(Debug)]
pub(crate) struct Attempts<'a> {
    retry: &'a Retry,
    start: Instant,
    failed: u32,
    /// Whether a request was sent again that had not been sent.
    has_repeated: bool,
    /// Why the last attempt failed, as it was told.
    told: Option<String>,
    /// When the present attempt began.
    attempt_start: Instant,
    /// When the first of the last attempts began, if none of them was connected.
    unreachable_since: Option<Instant>,
}

impl<'a> Attempts<'a> {
    /// Creates a count of no attempts.
    pub(crate) fn new(retry: &'a Retry) -> Attempts<'a> {
        let start = Instant::now();
        Attempts {
            retry,
            start,
            failed: 0,
            has_repeated: false,
            told: None,
            attempt_start: start,
            unreachable_since: None,
        }
    }

    /// Resets the count after a part of a transfer succeeded.
    pub(crate) fn reset(&mut self) {
        self.failed = 0;
        self.attempt_start = Instant::now();
        self.unreachable_since = None;
    }

    /// Returns the error with the number of the attempt that failed, unless it was the first.
    pub(crate) fn name(&self, mut error: RequestError) -> RequestError {
        error.context.attempt = (self.failed > 1).then_some((self.failed, self.retry.attempts));
        error
    }

    /// Returns whether the attempt before has failed for the same reason, which was told then.
    pub(crate) fn is_told(&mut self, error: &RequestError) -> bool {
        let text = error.to_string();
        self.told.replace(text.clone()).is_some_and(|told| told == text)
    }

    /// Returns whether to send the request again at once, as it was never sent: the server closed the connection just
    /// before. It does so once; a server that rejects the client's certificate does it too, and with TLS 1.3 the
    /// reason may come too late for the first request (RFC 8446, section 4.4.2.4).
    pub(crate) fn repeats_at_once(&mut self, error: &RequestError) -> bool {
        matches!(error.problem, RequestProblem::Unsent) && !std::mem::replace(&mut self.has_repeated, true)
    }

    /// Returns the pause before the next attempt, or `None` if there must not be one.
    pub(crate) fn pause(&mut self, error: &RequestError) -> Option<Duration> {
        self.failed += 1;
        let doubled = self.retry.first_pause.saturating_mul(1 << self.failed.min(16) >> 1);
        // Full jitter: clients that failed together must not come back together.
        let pause = match error.context.retry_after {
            Some(pause) => pause.min(self.retry.max_retry_after),
            None => doubled.min(self.retry.max_pause).mul_f64(fastrand::f64()),
        };
        let (since, limit) = if matches!(error.problem, RequestProblem::Connect(_)) {
            (*self.unreachable_since.get_or_insert(self.attempt_start), self.retry.connecting)
        } else {
            self.unreachable_since = None;
            (self.start, self.retry.total)
        };
        let is_in_time = since.elapsed() + pause < limit;
        self.attempt_start = Instant::now() + pause;
        let most = if error.is_unknown_host() { UNKNOWN_HOST_ATTEMPTS } else { self.retry.attempts };
        (error.is_transient() && self.failed < most.min(self.retry.attempts) && is_in_time).then_some(pause)
    }
}

/// Returns the pause that a response asks for with `Retry-After`. The header has other meanings with other statuses (RFC 9110,
/// section 10.2.3).
pub(crate) fn retry_after(status: StatusCode, headers: &HeaderMap) -> Option<Duration> {
    if !matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) {
        return None;
    }
    parse_retry_after(headers.get(RETRY_AFTER)?.to_str().ok()?)
}

/// Parses seconds or a date (RFC 9110, section 10.2.3).
pub(crate) fn parse_retry_after(value: &str) -> Option<Duration> {
    let value = value.trim();
    if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
        return Some(Duration::from_secs(value.parse().unwrap_or(u64::MAX)));
    }
    let left = parse_date(value)?.duration_since(Timestamp::now());
    Some(Duration::try_from(left).unwrap_or_default())
}

/// Parses a date in one of the three forms of HTTP (RFC 9110, section 5.6.7).
fn parse_date(value: &str) -> Option<Timestamp> {
    if let Ok(date) = jiff::fmt::rfc2822::parse(value) {
        return Some(date.timestamp());
    }
    let forms = ["%A, %d-%b-%y %H:%M:%S GMT", "%a %b %e %H:%M:%S %Y"];
    let date = forms.iter().find_map(|form| jiff::civil::DateTime::strptime(form, value).ok())?;
    Some(date.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::error_body::ErrorBody;
    use reqwest::{Method, Url};

    fn error(status: u16, retry_after: Option<u64>) -> RequestError {
        let url = Url::parse("https://example.org/v2/").expect("a URL");
        let status = StatusCode::from_u16(status).expect("a status");
        let mut error =
            RequestError::new(&Method::GET, &url, RequestProblem::Status { status, body: ErrorBody::default() });
        error.context.retry_after = retry_after.map(Duration::from_secs);
        error
    }

    #[test]
    fn attempts_stop_after_five_transient_failures() {
        let retry = Retry::default();
        let mut attempts = Attempts::new(&retry);
        let pauses: Vec<_> = std::iter::from_fn(|| attempts.pause(&error(503, None))).collect();
        assert_eq!(pauses.len(), 4);
        for (pause, most) in pauses.iter().zip([500, 1000, 2000, 4000]) {
            assert!(*pause <= Duration::from_millis(most), "{pause:?} of {most}");
        }
    }

    #[test]
    fn attempts_stop_at_permanent_failures() {
        let retry = Retry::default();
        for status in [400, 401, 403, 404, 501, 505] {
            assert_eq!(Attempts::new(&retry).pause(&error(status, None)), None, "{status}");
        }
    }

    #[test]
    fn attempts_continue_if_blob_is_briefly_unknown() {
        let body = br#"{"errors":[{"code":"DIGEST_INVALID"},{"code":"MANIFEST_BLOB_UNKNOWN"}]}"#;
        let status = StatusCode::BAD_REQUEST;
        let problem = RequestProblem::Status { status, body: ErrorBody::parse(body) };
        let unknown = RequestError { problem, ..error(400, None) };
        assert!(Attempts::new(&Retry::default()).pause(&unknown).is_some());
    }

    #[test]
    fn attempts_repeat_unsent_request_at_once_and_once() {
        let url = Url::parse("https://example.org/v2/").expect("a URL");
        let unsent = RequestError::new(&Method::GET, &url, RequestProblem::Unsent);
        let retry = Retry::default();
        let mut attempts = Attempts::new(&retry);
        assert!(!attempts.repeats_at_once(&error(503, None)));
        assert!(attempts.repeats_at_once(&unsent));
        assert!(!attempts.repeats_at_once(&unsent));
        assert!(attempts.pause(&unsent).is_some());
    }

    #[test]
    fn attempts_look_an_unknown_host_up_twice() {
        let url = Url::parse("https://example.org/v2/").expect("a URL");
        let retry = Retry::default();
        for (cause, pauses) in [
            ("failed to lookup address information: Name or service not known", 1),
            ("failed to lookup address information: Temporary failure in name resolution", 4),
        ] {
            let failed = RequestError::new(&Method::GET, &url, RequestProblem::Connect(cause.to_owned()));
            let mut attempts = Attempts::new(&retry);
            assert_eq!(std::iter::from_fn(|| attempts.pause(&failed)).count(), pauses, "{cause}");
        }
    }

    #[test]
    fn attempts_tell_a_reason_once() {
        let retry = Retry::default();
        let mut attempts = Attempts::new(&retry);
        let told = [503, 503, 502, 503].map(|status| attempts.is_told(&error(status, None)));
        assert_eq!(told, [false, true, false, false]);
    }

    #[test]
    fn attempts_at_connections_stop_soon() {
        let url = Url::parse("https://example.org/v2/").expect("a URL");
        let failed = RequestError::new(&Method::GET, &url, RequestProblem::Connect("connection timed out".to_owned()));
        let retry = Retry { connecting: Duration::from_millis(50), first_pause: Duration::ZERO, ..Retry::default() };
        let mut attempts = Attempts::new(&retry);
        assert!(attempts.pause(&failed).is_some());
        std::thread::sleep(Duration::from_millis(60));
        assert_eq!(attempts.pause(&failed), None);
        // A server that was reached meanwhile is there.
        assert!(attempts.pause(&error(503, None)).is_some());
        assert!(attempts.pause(&failed).is_some());
    }

    #[test]
    fn retry_after_is_followed_up_to_a_limit() {
        let retry = Retry::default();
        assert_eq!(Attempts::new(&retry).pause(&error(429, Some(7))), Some(Duration::from_secs(7)));
        assert_eq!(Attempts::new(&retry).pause(&error(429, Some(9999))), Some(Duration::from_secs(60)));
        assert_eq!(parse_retry_after(" 3"), Some(Duration::from_secs(3)));
        assert_eq!(parse_retry_after("99999999999999999999999"), Some(Duration::from_secs(u64::MAX)));
        for none in ["soon", "", "-1", "1.5", "١"] {
            assert_eq!(parse_retry_after(none), None, "{none}");
        }
    }

    #[test]
    fn retry_after_parses_each_form_of_date() {
        for date in ["Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"] {
            assert_eq!(parse_date(date).map(Timestamp::as_second), Some(784_111_777), "{date}");
            assert_eq!(parse_retry_after(date), Some(Duration::ZERO), "{date}");
        }
        let later = Timestamp::now() + Duration::from_secs(40);
        let later = later.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
        let pause = parse_retry_after(&later).expect("a date");
        assert!(Duration::from_secs(30) < pause && pause <= Duration::from_secs(40), "{pause:?}");
    }

    #[test]
    fn retry_after_counts_for_429_and_503_alone() {
        let headers = HeaderMap::from_iter([(RETRY_AFTER, reqwest::header::HeaderValue::from_static("7"))]);
        let pause = |status| retry_after(StatusCode::from_u16(status).expect("a status"), &headers);
        for status in [429, 503] {
            assert_eq!(pause(status), Some(Duration::from_secs(7)), "{status}");
        }
        for status in [200, 202, 301, 307, 401, 403, 404, 408, 500, 502, 504] {
            assert_eq!(pause(status), None, "{status}");
        }
    }
}
