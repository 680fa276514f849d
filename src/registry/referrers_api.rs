//! The referrers API (distribution-spec, "Listing Referrers").

use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};

use oci_spec::image::{Descriptor, Digest, MediaType};
use reqwest::header::{ACCEPT, HeaderMap, LINK};
use reqwest::{Method, Response, Url};

use super::client::Client;
use super::download::MAX_MANIFEST_BYTES;
use super::error::RequestError;
use super::http::{join, read_body};
use super::retry::Attempts;
use crate::error::Result;
use crate::image::manifest::{Manifest, ManifestError};
use crate::store::referrers::{MAX_REFERRERS, TooManyReferrers};

/// More pages than any real list has.
const MAX_PAGES: usize = 200;
/// The most bytes of all lists that are read of one repository.
const MAX_TOTAL_BYTES: usize = 64 << 20;

/// Returns the referrers of `subject`, or `None` if the registry has no referrers API. `listed_bytes` is the size of all
/// lists so far.
///
/// # Errors
/// Returns an error if there is no response, or there are too many.
pub(crate) async fn referrers(
    client: &Client<'_>,
    subject: &Digest,
    listed_bytes: &AtomicUsize,
) -> Result<Option<Vec<Descriptor>>> {
    let mut url = client.url(&format!("referrers/{subject}"));
    let (mut found, mut seen) = (Vec::new(), HashSet::new());
    // A page may name itself, or an earlier one, as the next one.
    while seen.insert(url.clone()) {
        if seen.len() > MAX_PAGES {
            return Err(too_many(subject, format!("{MAX_PAGES} pages")).into());
        }
        let accept = MediaType::ImageIndex.to_string();
        let mut response = match ask(client, &url, &accept).await {
            // Registries without the API respond with many statuses.
            Err(error) if error.status().is_some() => return Ok(None),
            response => response?,
        };
        let next = next_page(response.headers(), &url);
        let body = read_body(&url, &mut response, MAX_MANIFEST_BYTES, client.options.retry.stall_timeout).await?;
        check_total(subject, body.len(), listed_bytes)?;
        match Manifest::parse_referrers(&body, MAX_REFERRERS - found.len()) {
            Ok(entries) => found.extend(entries),
            Err(ManifestError::TooMany(..)) => {
                return Err(too_many(subject, format!("{MAX_REFERRERS} entries")).into());
            }
            // Such as a page for browsers.
            Err(_) => return Ok(None),
        }
        match next {
            Some(next) => url = next,
            None => break,
        }
    }
    Ok(Some(found))
}

/// Asks for a page. Where another site answers in the place of the registry, such as its web site with 429, its error is not
/// worth another attempt: the registry has no API.
async fn ask(client: &Client<'_>, url: &Url, accept: &str) -> Result<Response, RequestError> {
    let mut attempts = Attempts::new(&client.options.retry);
    loop {
        match client.send_once(&Method::GET, url, &|request| request.header(ACCEPT, accept)).await {
            Err(error) if error.context.by.is_none() => client.back_off(&mut attempts, error).await?,
            asked => return asked,
        }
    }
}

pub(crate) fn too_many(subject: &Digest, limit: String) -> TooManyReferrers {
    TooManyReferrers { subject: subject.clone(), limit }
}

/// Adds the size of a list to that of all lists.
///
/// # Errors
/// Returns an error if that exceeds the limit.
pub(crate) fn check_total(subject: &Digest, bytes: usize, listed_bytes: &AtomicUsize) -> Result<(), TooManyReferrers> {
    let before = listed_bytes.fetch_add(bytes, Ordering::Relaxed);
    let limit = match bytes {
        _ if bytes > MAX_MANIFEST_BYTES => MAX_MANIFEST_BYTES,
        _ if before + bytes > MAX_TOTAL_BYTES => MAX_TOTAL_BYTES,
        _ => return Ok(()),
    };
    Err(too_many(subject, format!("{} MiB", limit >> 20)))
}

/// Returns the next page by the header `Link` (RFC 8288), or `None` if there is none in the same registry.
pub(crate) fn next_page(headers: &HeaderMap, url: &Url) -> Option<Url> {
    let next = headers.get_all(LINK).iter().filter_map(|links| links.to_str().ok()).find_map(next_target)?;
    join(url, next).filter(|next| next.origin() == url.origin())
}

/// Returns the target of the first link whose relation is `next` (RFC 8288, section 3). Targets may hold commas.
fn next_target(links: &str) -> Option<&str> {
    let mut rest = links;
    while let Some((_, begun)) = rest.split_once('<') {
        let (target, behind) = begun.split_once('>')?;
        let (parameters, next) = split_unquoted(behind, ',');
        if is_next(parameters) {
            return Some(target);
        }
        rest = next;
    }
    None
}

fn is_next(parameters: &str) -> bool {
    let mut rest = parameters;
    while !rest.is_empty() {
        let (parameter, next) = split_unquoted(rest, ';');
        if let Some((name, value)) = parameter.split_once('=')
            && name.trim().eq_ignore_ascii_case("rel")
        {
            let mut relations = value.trim().trim_matches('"').split_ascii_whitespace();
            return relations.any(|relation| relation.eq_ignore_ascii_case("next"));
        }
        rest = next;
    }
    false
}

/// Splits a text at the first separator outside of quotes. The second part is empty if there is none.
fn split_unquoted(text: &str, separator: char) -> (&str, &str) {
    let (mut is_quoted, mut is_escaped) = (false, false);
    for (at, c) in text.char_indices() {
        match c {
            _ if is_escaped => is_escaped = false,
            '\\' if is_quoted => is_escaped = true,
            '"' => is_quoted = !is_quoted,
            c if c == separator && !is_quoted => return (&text[..at], &text[at + c.len_utf8()..]),
            _ => {}
        }
    }
    (text, "")
}

#[cfg(test)]
mod tests {
    use super::*;
    use reqwest::header::HeaderValue;

    #[test]
    fn next_page_is_in_the_same_registry() {
        let url = Url::parse("https://a.example/v2/x/referrers/sha256:1").expect("a URL");
        let next = |link: &'static str| {
            let headers = HeaderMap::from_iter([(LINK, HeaderValue::from_static(link))]);
            next_page(&headers, &url).map(|url| url.to_string())
        };
        let there = Some("https://a.example/v2/x?last=1".to_owned());
        assert_eq!(next("</v2/x?last=1>; rel=\"next\""), there);
        assert_eq!(next("<https://b.example/>; rel=prev, </v2/x?last=1>;rel=next"), there);
        // A target may hold commas, and a title anything.
        let comma = Some("https://a.example/v2/x?last=1,2".to_owned());
        assert_eq!(next("</v2/x?last=1,2>; title=\"<a>; rel=prev,\"; REL=\"last next\""), comma);
        assert_eq!(next("</v2/x?a=1,2>; rel=prev; title=\"a, \\\"b\", </v2/x?last=1,2>; rel=next"), comma);
        for none in ["<https://b.example/v2/x>; rel=next", "<http://a.example:81/>; rel=next", "</a>; rel=prev", "odd"]
        {
            assert_eq!(next(none), None, "{none}");
        }
    }
}
