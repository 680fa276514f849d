//! The first requests that show a credential go alone. If one is refused, those that waited for it are not sent: many
//! failed logins at once lock accounts.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use reqwest::StatusCode;

use super::error::RequestError;
use crate::parallel::lock;

/// What is refused or accepted with the first request that asks for it.
#[derive(Debug, Default)]
pub(super) struct Trial {
    /// Whether one refusal stands for all requests to come, too.
    is_final: bool,
    is_passed: AtomicBool,
    /// Held by the request that is on trial.
    alone: tokio::sync::Mutex<()>,
    refusals: AtomicU64,
    last_refusal: Mutex<Option<RequestError>>,
}

/// A request that is on trial.
pub(super) struct TrialGuard<'a> {
    trial: &'a Trial,
    _alone: tokio::sync::MutexGuard<'a, ()>,
}

impl Trial {
    /// Creates a trial whose first refusal stands for all requests to come: a password that was wrong once stays wrong.
    pub(super) fn once() -> Trial {
        Trial { is_final: true, ..Trial::default() }
    }

    /// Waits until no other request is on trial. Returns `None` if one has passed.
    ///
    /// # Errors
    /// Returns the refusal of a request that was on trial meanwhile, or before if that is final.
    pub(super) async fn enter(&self) -> Result<Option<TrialGuard<'_>>, RequestError> {
        if self.is_passed.load(Ordering::Acquire) {
            return Ok(None);
        }
        let before = self.refusals.load(Ordering::Acquire);
        let alone = self.alone.lock().await;
        if self.is_passed.load(Ordering::Acquire) {
            return Ok(None);
        }
        match &*lock(&self.last_refusal) {
            Some(refusal) if self.is_final || self.refusals.load(Ordering::Acquire) != before => Err(refusal.clone()),
            _ => Ok(Some(TrialGuard { trial: self, _alone: alone })),
        }
    }
}

impl TrialGuard<'_> {
    /// Ends the trial. Any response is a pass but one with a status in `refusals`; without a response, the next request is on
    /// trial.
    pub(super) fn end<T>(self, result: &Result<T, RequestError>, refusals: &[StatusCode]) {
        match result {
            Err(error) if error.status().is_some_and(|status| refusals.contains(&status)) => {
                *lock(&self.trial.last_refusal) = Some(error.clone());
                self.trial.refusals.fetch_add(1, Ordering::Release);
            }
            Err(error) if error.status().is_none_or(|status| status.is_server_error()) => {}
            _ => self.trial.is_passed.store(true, Ordering::Release),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::error::RequestProblem;
    use crate::registry::error_body::ErrorBody;
    use reqwest::{Method, Url};

    fn refusal(status: StatusCode) -> RequestError {
        let url = Url::parse("https://ghcr.io/v2/").expect("a URL");
        RequestError::new(&Method::GET, &url, RequestProblem::Status { status, body: ErrorBody::default() })
    }

    #[tokio::test]
    async fn refused_trial_stops_those_that_waited() {
        const REFUSALS: [StatusCode; 1] = [StatusCode::UNAUTHORIZED];
        let trial = Trial::default();
        let first = trial.enter().await.expect("no refusal").expect("a trial");
        let refused = async { first.end(&Err::<(), _>(refusal(StatusCode::UNAUTHORIZED)), &REFUSALS) };
        let (waited, ()) = tokio::join!(trial.enter(), refused);
        assert_eq!(waited.err().and_then(|error| error.status()), Some(StatusCode::UNAUTHORIZED));
        let next = trial.enter().await.expect("a new trial").expect("a trial");
        next.end(&Err::<(), _>(refusal(StatusCode::BAD_GATEWAY)), &REFUSALS);
        let next = trial.enter().await.expect("no refusal").expect("it is still on trial");
        next.end(&Ok(()), &REFUSALS);
        assert!(trial.enter().await.expect("no refusal").is_none());
    }

    #[tokio::test]
    async fn refusal_is_final_where_it_says_so() {
        let trial = Trial::once();
        let first = trial.enter().await.expect("no refusal").expect("a trial");
        first.end(&Err::<(), _>(refusal(StatusCode::UNAUTHORIZED)), &[StatusCode::UNAUTHORIZED]);
        assert!(trial.enter().await.is_err());
    }
}
