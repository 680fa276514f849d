//! Proxies, by the environment and the system's settings.

use hyper_util::client::proxy::matcher::Matcher;
use reqwest::Url;

/// Returns the proxy for requests to a URL, without credentials, as reqwest decides it, or `None` if there is none.
pub(super) fn used_for(url: &Url) -> Option<String> {
    let proxy = Matcher::from_system().intercept(&url.as_str().parse().ok()?)?;
    let (uri, scheme) = (proxy.uri(), proxy.uri().scheme_str().unwrap_or("http"));
    let host = uri.host().unwrap_or_default();
    Some(uri.port().map_or_else(|| format!("{scheme}://{host}"), |port| format!("{scheme}://{host}:{port}")))
}

/// Returns whether requests to a URL go through a proxy, as reqwest decides it.
pub(super) fn is_used_for(url: &Url) -> bool {
    // reqwest and this read the same sources by the same code.
    url.as_str().parse().is_ok_and(|url| Matcher::from_system().intercept(&url).is_some())
}
