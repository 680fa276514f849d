//! Upload sessions: where the next request of an upload goes.

use oci_spec::image::Digest;
use reqwest::header::{HeaderMap, LOCATION};
use reqwest::{Method, Response, Url};

use crate::registry::error::RequestError;
use crate::registry::http::join;

/// The smallest chunk size of a session. GHCR rejects larger chunks.
const CHUNK_BYTES: u64 = 4 << 20;

/// An upload session of a registry.
pub(crate) struct Session {
    /// Where the next request goes.
    pub url: Url,
    /// The size of a chunk, for uploads in chunks.
    pub chunk_bytes: u64,
}

impl Session {
    /// Reads the session that a registry has started in its response to a POST of `url`.
    ///
    /// # Errors
    /// Returns an error without a valid Location.
    pub(crate) fn start(response: &Response, url: &Url) -> Result<Session, RequestError> {
        Ok(Session { url: location(response, url)?, chunk_bytes: chunk_bytes(response.headers()) })
    }
}

/// Returns the Location of a response. The bytes of its query are kept (RFC 3986, section 5).
///
/// # Errors
/// Returns an error if there is none, or if it leaves TLS.
pub(crate) fn location(response: &Response, requested: &Url) -> Result<Url, RequestError> {
    let value = response.headers().get(LOCATION).ok_or_else(|| invalid(requested, "it has no Location header"))?;
    let text = value.to_str().map_err(|_| invalid(requested, "its Location is not text"))?;
    join_location(response.url(), text).map_err(|why| invalid(requested, why))
}

/// Returns the URL that a Location is for, in the response of `url`.
///
/// # Errors
/// Returns an error if it is not a URL, or leaves TLS.
pub(crate) fn join_location(url: &Url, text: &str) -> Result<Url, &'static str> {
    let location = join(url, text).ok_or("its Location is not a URL")?;
    match (url.scheme(), location.scheme()) {
        ("https", "https") | ("http", "http" | "https") => Ok(location),
        _ => Err("its Location is not an https URL"),
    }
}

fn invalid(url: &Url, cause: &str) -> RequestError {
    RequestError::invalid_response(&Method::POST, url, cause)
}

/// Adds `digest` to the query of a URL, and keeps the other bytes of the query.
pub(crate) fn add_digest(url: &mut Url, digest: &Digest) {
    let digest = digest.to_string().replace(':', "%3A");
    let query = match url.query() {
        Some(query) if !query.is_empty() => format!("{query}&digest={digest}"),
        _ => format!("digest={digest}"),
    };
    url.set_query(Some(&query));
}

fn chunk_bytes(headers: &HeaderMap) -> u64 {
    let min = headers.get("oci-chunk-min-length").and_then(|value| value.to_str().ok()?.parse().ok());
    min.unwrap_or(0).max(CHUNK_BYTES)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::digest::sha256;

    #[test]
    fn add_digest_keeps_bytes_of_query() {
        let mut url = Url::parse("https://example.org/up?_state=a%2Fb==&x").expect("a URL");
        add_digest(&mut url, &sha256(b""));
        let query = url.query().expect("a query");
        assert!(query.starts_with("_state=a%2Fb==&x&digest=sha256%3Ae3b0c4"), "{query}");
    }

    #[test]
    fn chunk_bytes_follow_the_registrys_minimum() {
        let mut headers = HeaderMap::new();
        assert_eq!(chunk_bytes(&headers), 4 << 20);
        headers.insert("oci-chunk-min-length", "5242880".parse().expect("a value"));
        assert_eq!(chunk_bytes(&headers), 5 << 20);
    }
}
