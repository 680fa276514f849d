//! What is attached to a manifest (distribution-spec, "Listing Referrers"), also where a registry does not know it.

use std::sync::atomic::Ordering;

use oci_spec::image::{Descriptor, Digest, MediaType};
use reqwest::header::{ACCEPT, HeaderMap, LINK};
use reqwest::{Method, Url};

use super::Registry;
use super::attach::{fallback_tag, get};
use super::client::{Client, bounded};
use super::error::{Problem, RequestError};
use crate::error::Result;
use crate::image::canonical_json;
use crate::image::manifest::Manifest;
use crate::store::MAX_DOCUMENT_BYTES;

/// No real list has more pages.
const MOST_PAGES: usize = 20;

impl Registry<'_> {
    /// The manifests whose subject is `subject`, as the registry lists them: by its API, else under the tag that stands in
    /// for that. What they say themselves counts more.
    ///
    /// # Errors
    /// When there is no answer.
    pub fn referrers(&self, subject: &Digest) -> Result<Vec<Descriptor>> {
        if !self.without_referrers.load(Ordering::Relaxed) {
            let listed = self.runtime.block_on(list(&self.client, subject));
            match listed.map_err(|error| self.explained(error.into()))? {
                Some(found) => return Ok(found),
                None => self.without_referrers.store(true, Ordering::Relaxed),
            }
        }
        let listed = self.runtime.block_on(get(&self.client, &fallback_tag(subject)));
        match listed {
            Ok(listed) => Ok(listed.and_then(|list| entries(&canonical_json(&list.content))).unwrap_or_default()),
            // What else an answer says, it says of a tag that nobody has to have.
            Err(error) if error.downcast_ref().is_none_or(|error: &RequestError| error.status().is_some()) => {
                Ok(Vec::new())
            }
            Err(error) => Err(self.explained(error)),
        }
    }
}

/// What the API lists; nothing where there is none.
async fn list(client: &Client<'_>, subject: &Digest) -> Result<Option<Vec<Descriptor>>, RequestError> {
    let mut url = client.url(&format!("referrers/{subject}"));
    let mut found = Vec::new();
    for _ in 0..MOST_PAGES {
        let accept = MediaType::ImageIndex.to_string();
        let mut answer = match client.send(Method::GET, &url, |request| request.header(ACCEPT, &accept)).await {
            // Those without it answer in many ways; it is not worth failing for.
            Err(error) if error.status().is_some() => return Ok(None),
            answer => answer?,
        };
        let next = next(answer.headers(), &url);
        let most = usize::try_from(MAX_DOCUMENT_BYTES).unwrap_or(usize::MAX);
        let progress = client.options.retry.progress;
        let body = tokio::time::timeout(progress, bounded(&mut answer, most)).await;
        let silent = |_| RequestError::new(&Method::GET, &url, Problem::Silent(progress.as_secs()));
        let body = body.map_err(silent)?.map_err(|error| RequestError::transport(&Method::GET, &url, &error))?;
        match entries(&body) {
            Some(listed) => found.extend(listed),
            // A page for people, such as some registries lead to.
            None => return Ok(None),
        }
        match next {
            Some(next) => url = next,
            None => break,
        }
    }
    Ok(Some(found))
}

fn entries(index: &[u8]) -> Option<Vec<Descriptor>> {
    match Manifest::parse(&MediaType::ImageIndex, index).map(Manifest::into_index) {
        Ok(Some(entries)) => Some(entries),
        _ => None,
    }
}

/// The next page, by the header `Link` (RFC 8288); on the same registry, or nowhere.
fn next(headers: &HeaderMap, url: &Url) -> Option<Url> {
    let links = headers.get_all(LINK).iter().filter_map(|link| link.to_str().ok());
    let next = links.flat_map(|links| links.split(',')).find_map(|link| {
        let (target, parameters) = link.trim().strip_prefix('<')?.split_once('>')?;
        let is_next = |parameter: &str| matches!(parameter.trim(), "rel=next" | "rel=\"next\"");
        parameters.split(';').any(is_next).then_some(target)
    })?;
    url.join(next).ok().filter(|next| next.origin() == url.origin())
}

#[cfg(test)]
mod tests {
    use super::*;
    use reqwest::header::HeaderValue;

    #[test]
    fn the_next_page_is_on_the_same_registry() {
        let url = Url::parse("https://a.example/v2/x/referrers/sha256:1").expect("a URL");
        let next = |link: &'static str| {
            let headers = HeaderMap::from_iter([(LINK, HeaderValue::from_static(link))]);
            next(&headers, &url).map(|url| url.to_string())
        };
        let there = Some("https://a.example/v2/x?last=1".to_owned());
        assert_eq!(next("</v2/x?last=1>; rel=\"next\""), there);
        assert_eq!(next("<https://b.example/>; rel=prev, </v2/x?last=1>;rel=next"), there);
        for none in ["<https://b.example/v2/x>; rel=next", "<http://a.example/>; rel=next", "</a>; rel=prev", "odd"] {
            assert_eq!(next(none), None, "{none}");
        }
    }
}
