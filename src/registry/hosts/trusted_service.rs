//! Token services in other domains that the user trusts with a registry's credentials.

use reqwest::Url;

use crate::reference::is_loopback;

/// A token service that may receive the credentials for one registry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustedService {
    /// The registry, as in image names.
    pub registry: String,
    /// The host of the token service, with its port if that is not the default.
    pub service: String,
    /// The flag, or the line of the file that says so.
    pub source: String,
}

impl TrustedService {
    /// Returns whether `url` is at this service: the same host and port, and over TLS unless it is on this computer.
    pub(crate) fn is_at(&self, url: &Url) -> bool {
        let is_private = url.scheme() == "https" || url.host_str().is_some_and(is_loopback);
        is_private && self.service == authority(url)
    }
}

/// Returns the host of a URL, with its port if that is not the default.
pub(crate) fn authority(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trusted_service_has_one_origin() {
        let trusts = |service: &str, url: &str| {
            let service = service.to_owned();
            let trusted = TrustedService { registry: "a.io".to_owned(), service, source: String::new() };
            trusted.is_at(&Url::parse(url).expect(url))
        };
        assert!(trusts("b.io", "https://b.io/token"));
        assert!(trusts("b.io", "https://b.io:443/token"));
        assert!(trusts("b.io:8443", "https://b.io:8443/token"));
        assert!(trusts("localhost:5001", "http://localhost:5001/token"));
        for (service, url) in [
            ("b.io", "http://b.io/token"),
            ("b.io", "https://b.io:8443/token"),
            ("b.io:8443", "https://b.io/token"),
            ("b.io", "https://a.b.io/token"),
            ("b.io", "https://b.io.evil.example/token"),
            ("localhost:5001", "http://localhost:5002/token"),
            ("localhost:5001", "http://127.0.0.1:5001/token"),
        ] {
            assert!(!trusts(service, url), "{service} {url}");
        }
    }
}
