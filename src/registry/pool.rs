//! What all registries of a run are spoken to through.

use std::sync::{Arc, Mutex};

use miette::IntoDiagnostic;
use reqwest::redirect::{Attempt, Policy};
use tokio::runtime::{Builder, Runtime};

use super::client::http;
use crate::error::Result;
use crate::parallel::lock;

const MOST_REDIRECTS: usize = 10;

/// A runtime, and connections that stay: who asks a host for the second time need not wait for one, and the
/// certificates of the system are read once.
#[derive(Debug, Default)]
pub struct Connections {
    runtime: Mutex<Option<Arc<Runtime>>>,
    local: Mutex<Option<reqwest::Client>>,
    far: Mutex<Option<reqwest::Client>>,
}

impl Connections {
    /// The runtime that all requests are made on.
    ///
    /// # Errors
    /// When the system lets no thread begin.
    pub fn runtime(&self) -> Result<Arc<Runtime>> {
        let mut runtime = lock(&self.runtime);
        match &*runtime {
            Some(runtime) => Ok(Arc::clone(runtime)),
            None => {
                let new = Builder::new_multi_thread().worker_threads(2).enable_all().build().into_diagnostic()?;
                Ok(Arc::clone(runtime.insert(Arc::new(new))))
            }
        }
    }

    /// The connections to hosts that are this computer itself, or to all others.
    ///
    /// # Errors
    /// When TLS cannot be set up on this machine.
    pub fn http(&self, is_local: bool) -> Result<reqwest::Client> {
        let mut pool = lock(if is_local { &self.local } else { &self.far });
        match &*pool {
            Some(pool) => Ok(pool.clone()),
            None => {
                let new = connect(is_local).map_err(|error| miette::miette!("cannot set up TLS: {error}"))?;
                Ok(pool.insert(new).clone())
            }
        }
    }
}

fn connect(is_local: bool) -> reqwest::Result<reqwest::Client> {
    let builder = || http(is_local, || Policy::custom(follow));
    // A machine without certificates of its own (a bare container) still knows Mozilla's.
    builder().build().or_else(|_| {
        let bundled = webpki_root_certs::TLS_SERVER_ROOT_CERTS;
        let bundled = bundled.iter().filter_map(|der| reqwest::Certificate::from_der(der).ok());
        builder().tls_certs_only(bundled).build()
    })
}

/// Follows redirects as registries use them, for blobs that are kept elsewhere. Credentials stay behind: reqwest takes
/// them off on another host, port or scheme, for good.
fn follow(attempt: Attempt) -> reqwest::redirect::Action {
    let was_secure = attempt.previous().last().is_some_and(|url| url.scheme() == "https");
    if was_secure && attempt.url().scheme() != "https" {
        return attempt.error("it redirects from https to http");
    }
    if attempt.previous().len() > MOST_REDIRECTS {
        return attempt.error("it redirects too often");
    }
    attempt.follow()
}
