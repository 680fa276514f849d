//! Proxies, by the environment and the system's settings.

use hyper_util::client::proxy::matcher::Matcher;
use reqwest::Url;

/// Returns whether requests to a URL go through a proxy, as reqwest decides it.
pub(super) fn is_used_for(url: &Url) -> bool {
    // reqwest and this read the same sources by the same code.
    url.as_str().parse().is_ok_and(|url| Matcher::from_system().intercept(&url).is_some())
}
