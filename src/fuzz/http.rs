//! Headers that registries send.

use std::time::Duration;

use reqwest::Url;
use reqwest::header::{HeaderMap, HeaderValue, LINK};

use super::input::FuzzInput;
use crate::image::digest::sha256;
use crate::registry::auth::Challenge;
use crate::registry::error_body::ErrorBody;
use crate::registry::referrers_api::next_page;
use crate::registry::retry::parse_retry_after;
use crate::registry::upload::session::{add_digest, join_location};

pub(super) const CHALLENGE_WORDS: &[&str] = &[
    "Bearer ",
    "Basic ",
    "Negotiate ",
    "realm=",
    "service=",
    "scope=",
    "\"",
    "\\\"",
    ",",
    ", ",
    "=",
    "https://auth.example/token",
    "repository:a/b:pull,push",
    "error=\"insufficient_scope\"",
    "token68==",
];
pub(super) const HEADER_WORDS: &[&str] = &[
    "<",
    ">",
    "; rel=\"next\"",
    ";rel=next",
    "; rel=\"prev\"",
    ",",
    "/v2/a/referrers/b?n=1&last=c,d",
    "https://example.org/",
    "http://",
    "//other.example/x",
    "?",
    "&",
    "%3A",
    "#",
    "bytes 0-9/10",
    "120",
    "18446744073709551615",
    "Sun, 06 Nov 1994 08:49:37 GMT",
    "Fri, 31 Dec 9999 23:59:59 GMT",
    "..",
    "\t",
    "é",
];

fn printable(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| char::from(b' ' + byte % 95)).collect()
}

pub(super) fn challenges(data: &[u8]) {
    let found = Challenge::parse(&String::from_utf8_lossy(data));
    assert!(found.len() <= data.len());
    // A challenge that is written by the rules is read as it was meant.
    let mut input = FuzzInput::new(data);
    let (realm, service) = (printable(input.line()), printable(input.rest()));
    let quote = |text: &str| format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""));
    let header = format!("Basic realm=\"x\", bearer realm={}, service={}", quote(&realm), quote(&service));
    let bearer = Challenge::Bearer { realm, service: Some(service) };
    assert_eq!(Challenge::parse(&header), [Challenge::Basic, bearer], "{header}");
}

pub(super) fn headers(data: &[u8]) {
    let url = Url::parse("https://registry.example/v2/a/blobs/uploads/?x=1").expect("a URL");
    let text = String::from_utf8_lossy(data);
    if let Ok(value) = HeaderValue::from_bytes(data) {
        let next = next_page(&HeaderMap::from_iter([(LINK, value)]), &url);
        assert!(next.is_none_or(|next| next.origin() == url.origin()), "{text:?}");
    }
    links(data, &url);
    if let Ok(location) = join_location(&url, &text) {
        assert_eq!(location.scheme(), "https", "{text:?}");
        let mut with_digest = location.clone();
        add_digest(&mut with_digest, &sha256(data));
        let before = location.query().unwrap_or_default();
        let query = with_digest.query().expect("a query");
        assert!(query.starts_with(before) && query.contains("digest=sha256%3A"), "{text:?}: {query}");
    }
    if let Some(pause) = parse_retry_after(&text) {
        let seconds = text.trim().parse().ok().map(Duration::from_secs);
        assert!(seconds.is_none_or(|seconds| seconds == pause), "{text:?}");
    }
    let shown = ErrorBody::parse(data).to_string();
    assert!(!shown.chars().any(|c| c.is_control() && c != '\n'), "{shown:?}");
}

/// A link that is written by the rules is found, wherever it is in the header.
fn links(data: &[u8], url: &Url) {
    let mut input = FuzzInput::new(data);
    let place = input.byte() % 4;
    let path: String = printable(input.rest()).replace(['<', '>', '\\', '#'], "");
    let target = format!("/v2/a/{}", path.trim_end());
    let link = format!("<{target}>; rel=\"next\"");
    let header = match place {
        0 => link,
        1 => format!("</v2/first?a=1,2>; rel=first, {link}"),
        2 => format!("{link}, </v2/last>; title=\"a, b\"; rel=last"),
        _ => format!("<{target}> ; title=\"<x>; rel=prev,\" ; REL=\"last next\""),
    };
    let Ok(value) = HeaderValue::from_str(&header) else { return };
    let expected = join_location(url, &target).ok().filter(|next| next.origin() == url.origin());
    assert_eq!(next_page(&HeaderMap::from_iter([(LINK, value)]), url), expected, "{header}");
}
