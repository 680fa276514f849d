//! The runtime and the connections that all registries of a run share.

use std::future::Future;
use std::sync::{Arc, Mutex};

use miette::{Context, IntoDiagnostic};
use reqwest::redirect::{Action, Attempt, Policy};
use tokio::runtime::{Builder, Runtime};

use super::error::RequestError;
use super::http::client_builder;
use crate::error::Result;
use crate::interrupt;
use crate::parallel::lock;

const MAX_REDIRECTS: usize = 10;

/// The runtime of requests. It does not wait for threads that look up hosts when it is dropped: that takes as long as the
/// system's resolver wants.
#[derive(Debug)]
pub(crate) struct RequestRuntime(Option<Runtime>);

impl RequestRuntime {
    fn new() -> Result<RequestRuntime> {
        let new = Builder::new_multi_thread().worker_threads(2).enable_all().build();
        let new = new.into_diagnostic().wrap_err("cannot start the threads for network requests")?;
        Ok(RequestRuntime(Some(new)))
    }

    /// Waits for the end of requests, or for Ctrl-C.
    ///
    /// # Errors
    /// Returns the error of the requests, or [`RequestProblem::Interrupted`](super::error::RequestProblem::Interrupted).
    pub(crate) fn block_on<T, E: From<RequestError>>(
        &self,
        requests: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        self.finish(async {
            tokio::select! {
                biased;
                result = requests => result,
                () = interrupt::wait() => Err(RequestError::interrupted().into()),
            }
        })
    }

    /// Waits for the end of requests, also after Ctrl-C.
    pub(crate) fn finish<T>(&self, requests: impl Future<Output = T>) -> T {
        // It is only taken when this is dropped.
        let runtime = self.0.as_ref().unwrap_or_else(|| unreachable!("it runs until it is dropped"));
        runtime.block_on(requests)
    }
}

impl Drop for RequestRuntime {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

/// A runtime and connection pools. Connections are reused, and the system's certificates are read once.
#[derive(Debug, Default)]
pub struct Connections {
    runtime: Mutex<Option<Arc<RequestRuntime>>>,
    local: Mutex<Option<reqwest::Client>>,
    remote: Mutex<Option<reqwest::Client>>,
}

impl Connections {
    /// Returns the runtime of all requests.
    ///
    /// # Errors
    /// Returns an error if the system cannot start its threads.
    pub(crate) fn runtime(&self) -> Result<Arc<RequestRuntime>> {
        let mut runtime = lock(&self.runtime);
        if let Some(runtime) = &*runtime {
            return Ok(Arc::clone(runtime));
        }
        Ok(Arc::clone(runtime.insert(Arc::new(RequestRuntime::new()?))))
    }

    /// Returns the connection pool for hosts that are this computer, or that for all others.
    ///
    /// # Errors
    /// Returns an error if TLS cannot be set up.
    pub fn http(&self, is_local: bool) -> Result<reqwest::Client> {
        let mut pool = lock(if is_local { &self.local } else { &self.remote });
        if let Some(pool) = &*pool {
            return Ok(pool.clone());
        }
        let new = build(is_local).map_err(|error| miette::miette!("cannot set up TLS: {error}"))?;
        Ok(pool.insert(new).clone())
    }
}

fn build(is_local: bool) -> reqwest::Result<reqwest::Client> {
    client_builder(is_local, Policy::custom(follow)).build().or_else(|_| {
        // A machine without certificates (such as a bare container) uses Mozilla's.
        let bundled = webpki_root_certs::TLS_SERVER_ROOT_CERTS;
        let bundled = bundled.iter().filter_map(|der| reqwest::Certificate::from_der(der).ok());
        client_builder(is_local, Policy::custom(follow)).tls_certs_only(bundled).build()
    })
}

/// Follows redirects, which registries use for blobs in other storage. reqwest drops credentials when host, port or
/// scheme change.
fn follow(attempt: Attempt) -> Action {
    let was_secure = attempt.previous().last().is_some_and(|url| url.scheme() == "https");
    if was_secure && attempt.url().scheme() != "https" {
        return attempt.error("redirect from https to http");
    }
    if attempt.previous().len() > MAX_REDIRECTS {
        return attempt.error("too many redirects");
    }
    attempt.follow()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, Instant};

    #[test]
    fn runtime_leaves_lookups_alone_when_dropped() {
        let runtime = RequestRuntime::new().expect("a runtime");
        runtime.finish(async {
            drop(tokio::task::spawn_blocking(|| std::thread::sleep(Duration::from_secs(30))));
            tokio::time::sleep(Duration::from_millis(100)).await;
        });
        let start = Instant::now();
        drop(runtime);
        assert!(start.elapsed() < Duration::from_secs(10), "it took {:?}", start.elapsed());
    }
}
