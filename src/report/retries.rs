//! Requests that failed and wait for their next attempt → one line, which is updated.

use std::time::Instant;

use super::bars::{BarLine, VERB};
use super::lines::{retrying, verb_column};
use crate::sanitize::sanitize;

/// The waiting requests, the one that failed last at the end.
#[derive(Debug, Default)]
pub(crate) struct Retries(Vec<WaitingRequest>);

#[derive(Debug)]
struct WaitingRequest {
    id: u64,
    /// Why it failed.
    error: String,
    /// When its pause is over.
    until: Instant,
}

impl Retries {
    /// Adds a request.
    pub(crate) fn begin(&mut self, id: u64, error: &str, until: Instant) {
        self.0.push(WaitingRequest { id, error: sanitize(error), until });
    }

    /// Removes a request.
    pub(crate) fn end(&mut self, id: u64) {
        self.0.retain(|waiting| waiting.id != id);
    }

    /// Returns whether no request waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the line for a terminal with that many columns: about the request that failed last.
    pub(crate) fn line(&self, columns: usize, now: Instant) -> Option<BarLine> {
        let waiting = self.0.last()?;
        let more = match self.0.len() - 1 {
            0 => String::new(),
            more => format!("({more} more) "),
        };
        let text = format!("{more}{}", retrying(&waiting.error, waiting.until.saturating_duration_since(now)));
        // Some terminals wrap a line that reaches the last column.
        let text: String = text.chars().take(columns.saturating_sub(VERB + 1)).collect();
        Some(BarLine { width: VERB + text.chars().count(), text: format!("{} {text}", verb_column("Retrying")) })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use anstream::adapter::strip_str;

    #[test]
    fn retries_are_one_line_that_counts_down() {
        let start = Instant::now();
        let mut retries = Retries::default();
        assert_eq!(retries.line(80, start), None);
        retries.begin(1, "GET https://example.org/v2/ failed", start + Duration::from_secs(3));
        let line = |retries: &Retries, columns, after| {
            let line = retries.line(columns, start + Duration::from_millis(after)).expect("a line");
            let text = strip_str(&line.text).to_string();
            assert_eq!(text.chars().count(), line.width);
            text
        };
        assert_eq!(line(&retries, 80, 0), "    Retrying in 3.0s: GET https://example.org/v2/ failed");
        assert_eq!(line(&retries, 80, 1200), "    Retrying in 1.8s: GET https://example.org/v2/ failed");
        assert_eq!(line(&retries, 30, 9000), "    Retrying in 0.0s: GET htt");
        retries.begin(2, "PUT failed", start + Duration::from_secs(1));
        assert_eq!(line(&retries, 80, 0), "    Retrying (1 more) in 1.0s: PUT failed");
        retries.end(2);
        assert!(line(&retries, 80, 0).ends_with("v2/ failed") && !retries.is_empty());
        retries.end(1);
        assert!(retries.is_empty());
    }
}
