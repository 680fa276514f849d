//! The runtime and the connections that all registries of a run share.

use std::collections::HashMap;
use std::future::Future;
use std::sync::{Arc, Mutex};

use miette::{Context, IntoDiagnostic};
use reqwest::Url;
use reqwest::redirect::{Action, Attempt, Policy};
use tokio::runtime::{Builder, Runtime};

use super::credentials::Credential;
use super::error::RequestError;
use super::http::{HttpSettings, client_builder};
use super::scheme::{Scheme, detect};
use super::trial::Trial;
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
    /// One pool for each way to connect.
    pools: Mutex<Vec<(HttpSettings, reqwest::Client)>>,
    /// The schemes of the servers that were asked.
    schemes: Mutex<HashMap<String, Scheme>>,
    /// The trials of credentials, each with the URL of its registry.
    logins: Mutex<Vec<(Url, Credential, Arc<Trial>)>>,
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

    /// Returns the connection pool for servers that are connected to in this way.
    ///
    /// # Errors
    /// Returns an error if TLS cannot be set up, or certificates cannot be read.
    pub(super) fn http(&self, settings: &HttpSettings) -> Result<reqwest::Client> {
        let mut pools = lock(&self.pools);
        if let Some((_, pool)) = pools.iter().find(|(known, _)| known == settings) {
            return Ok(pool.clone());
        }
        let new = build(settings)?;
        pools.push((settings.clone(), new.clone()));
        Ok(new)
    }

    /// Returns the trial of a credential in a registry.
    pub(super) fn login_trial(&self, registry: &Url, credential: &Credential) -> Arc<Trial> {
        let mut logins = lock(&self.logins);
        if let Some((.., trial)) = logins.iter().find(|(url, known, _)| url == registry && known == credential) {
            return Arc::clone(trial);
        }
        let trial = Arc::new(Trial::once());
        logins.push((registry.clone(), credential.clone(), Arc::clone(&trial)));
        trial
    }

    /// Returns the scheme of the server at `host`, which is asked once.
    ///
    /// # Errors
    /// Returns an error if the system cannot start threads, or on Ctrl-C.
    pub(super) fn scheme(&self, host: &str, http: &reqwest::Client, otherwise: Scheme) -> Result<Scheme> {
        if let Some(scheme) = lock(&self.schemes).get(host) {
            return Ok(*scheme);
        }
        let detected = async { Ok::<_, RequestError>(detect(http, host, otherwise).await) };
        let scheme = self.runtime()?.block_on(detected)?;
        lock(&self.schemes).insert(host.to_owned(), scheme);
        Ok(scheme)
    }
}

fn build(settings: &HttpSettings) -> Result<reqwest::Client> {
    let client = client_builder(settings, Policy::custom(follow))?.build();
    client.or_else(|_| {
        // A machine without certificates (such as a bare container) uses Mozilla's.
        let bundled = webpki_root_certs::TLS_SERVER_ROOT_CERTS;
        let bundled = bundled.iter().filter_map(|der| reqwest::Certificate::from_der(der).ok());
        let client = client_builder(settings, Policy::custom(follow))?.tls_certs_only(bundled).build();
        client.map_err(|error| miette::miette!("cannot set up TLS: {error}"))
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
