//! HTTP as all requests use it: the client's settings, checked statuses and bounded bodies.

use std::time::{Duration, Instant};

use miette::{Context, IntoDiagnostic};
use reqwest::redirect::Policy;
use reqwest::{ClientBuilder, Method, Response, Url};

use super::error::{RequestError, RequestProblem};
use super::error_body::ErrorBody;
use super::hosts::HostAccess;
use super::retry::{CONNECT_TIMEOUT, retry_after};
use crate::error::Result;

/// When the system asks whether the other end of a silent connection is still there, how often, and how many times.
const KEEPALIVE: Duration = Duration::from_secs(30);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(10);
const KEEPALIVE_RETRIES: u32 = 3;
/// The longest time for a body in memory, also if it never stalls.
const MAX_BODY_TIME: Duration = Duration::from_secs(600);
/// An error message is not worth waiting longer for.
const ERROR_BODY_TIMEOUT: Duration = Duration::from_secs(5);
const MAX_ERROR_BYTES: usize = 64 << 10;
const MAX_REDIRECTS: usize = 10;

/// How a client connects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct HttpSettings {
    /// Whether its servers are on this computer. No proxy is used for them: its loopback is another one.
    pub(super) is_local: bool,
    /// Its certificates.
    pub(super) access: HostAccess,
}

/// Returns the builder of a client.
///
/// # Errors
/// Returns an error if certificates cannot be read.
pub(super) fn client_builder(settings: &HttpSettings, redirects: Policy) -> Result<ClientBuilder> {
    // It fails if a provider is installed already, which is the same one.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let builder = reqwest::Client::builder()
        .user_agent(concat!("cargo-oci/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(CONNECT_TIMEOUT)
        // A registry may be silent for minutes; a connection that is gone is noticed sooner.
        .tcp_keepalive(KEEPALIVE)
        .tcp_keepalive_interval(KEEPALIVE_INTERVAL)
        .tcp_keepalive_retries(KEEPALIVE_RETRIES)
        // The storage that a registry redirects to need not know which image is pulled.
        .referer(false)
        // A digest is of the bytes that were sent. A library that turns decompression on does so for all clients.
        .no_gzip()
        .no_deflate()
        .no_brotli()
        .no_zstd()
        .redirect(redirects);
    settings.access.apply(if settings.is_local { builder.no_proxy() } else { builder })
}

/// Returns a client for a service that is no registry. `is_local`: whether it is on this computer.
///
/// # Errors
/// Returns an error if TLS cannot be set up.
pub(crate) fn service_client(is_local: bool, timeout: Duration) -> Result<reqwest::Client> {
    let settings = HttpSettings { is_local, access: HostAccess::default() };
    let builder = client_builder(&settings, Policy::limited(MAX_REDIRECTS))?;
    builder.timeout(timeout).build().into_diagnostic().wrap_err("cannot set TLS up")
}

/// Returns the response if its status is a success.
///
/// # Errors
/// Returns the status and the start of the body otherwise.
pub(super) async fn check_status(method: &Method, url: &Url, mut response: Response) -> Result<Response, RequestError> {
    let status = response.status();
    if status.is_success() {
        return Ok(response);
    }
    let retry_after = retry_after(status, response.headers());
    let body = tokio::time::timeout(ERROR_BODY_TIMEOUT, read_limited(&mut response, MAX_ERROR_BYTES)).await;
    let body = body.ok().and_then(Result::ok).unwrap_or_default();
    let mut error = RequestError::new(method, url, RequestProblem::Status { status, body: ErrorBody::parse(&body) });
    error.context.retry_after = retry_after;
    // The origin only: the path of a redirect may be secret.
    let by = response.url().origin();
    error.context.by = (by != url.origin()).then(|| by.ascii_serialization());
    Err(error)
}

/// Reads the body up to `limit` bytes and the end of the chunk that passes the limit.
pub(super) async fn read_limited(response: &mut Response, limit: usize) -> reqwest::Result<Vec<u8>> {
    let mut body = Vec::new();
    while body.len() <= limit
        && let Some(chunk) = response.chunk().await?
    {
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// Reads a small body, as [`read_limited`] does, of the response to a GET of `url`.
///
/// # Errors
/// Returns an error if the connection breaks, or if nothing comes for `timeout`.
pub(super) async fn read_body(
    url: &Url,
    response: &mut Response,
    limit: usize,
    timeout: Duration,
) -> Result<Vec<u8>, RequestError> {
    let start = Instant::now();
    let mut body = Vec::new();
    while body.len() <= limit {
        let timeout = timeout.min(MAX_BODY_TIME.saturating_sub(start.elapsed()));
        match tokio::time::timeout(timeout, response.chunk()).await {
            Ok(Ok(Some(chunk))) => body.extend_from_slice(&chunk),
            Ok(Ok(None)) => break,
            Ok(Err(error)) => return Err(RequestError::transport(&Method::GET, url, &error)),
            Err(_) => return Err(RequestError::timeout(&Method::GET, url, timeout)),
        }
    }
    Ok(body)
}

/// Resolves a reference in a response from `url`. A server behind a proxy that ends TLS may not know its own scheme: on the same
/// host and port, `http` becomes `https`. Returns `None` if it is not a URL.
pub(super) fn join(url: &Url, text: &str) -> Option<Url> {
    let mut joined = url.join(text).ok()?;
    let is_same_port = joined.port().is_none_or(|port| Some(port) == url.port_or_known_default());
    if url.scheme() == "https" && joined.scheme() == "http" && joined.host() == url.host() && is_same_port {
        // Both are schemes with a host, which cannot fail.
        let _ = joined.set_scheme("https").and_then(|()| joined.set_port(url.port()));
    }
    Some(joined)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scheme_is_raised_on_the_same_host_and_port() {
        let joined = |url: &str, text: &str| {
            let url = Url::parse(url).expect("a URL");
            join(&url, text).map(|url| url.to_string())
        };
        for (url, text, expected) in [
            ("https://a.io/v2/", "http://a.io/up?x=1", "https://a.io/up?x=1"),
            ("https://a.io/v2/", "http://a.io:443/up", "https://a.io/up"),
            ("https://a.io:8443/v2/", "http://a.io:8443/up", "https://a.io:8443/up"),
            ("https://a.io:8443/v2/", "http://a.io/up", "https://a.io:8443/up"),
            ("https://a.io/v2/", "http://a.io:80/up", "https://a.io/up"),
            ("https://a.io/v2/", "http://a.io:8080/up", "http://a.io:8080/up"),
            ("https://a.io/v2/", "http://b.io/up", "http://b.io/up"),
            ("http://a.io/v2/", "http://a.io/up", "http://a.io/up"),
            ("https://a.io/v2/", "/up", "https://a.io/up"),
        ] {
            assert_eq!(joined(url, text).as_deref(), Some(expected), "{url} {text}");
        }
        assert_eq!(joined("https://a.io/v2/", "http://["), None);
    }
}
