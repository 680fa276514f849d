//! What is in a repository: its tags (distribution-spec, "Listing Tags"), and, where the registry says it, everything else.

use std::collections::{BTreeMap, HashSet};

use jiff::Timestamp;
use oci_spec::image::{Descriptor, Digest};
use reqwest::{Method, StatusCode, Url};
use serde::Deserialize;

use super::Registry;
use super::client::Client;
use super::download::MAX_MANIFEST_BYTES;
use super::error::RequestError;
use super::http::read_body;
use super::referrers_api::next_page;
use crate::error::Result;
use crate::parallel::{MANY, each};

/// More pages than any real list has.
const MAX_PAGES: usize = 10_000;

/// A manifest or an index in a repository.
#[derive(Clone, Debug)]
pub(crate) struct ListedManifest {
    /// Its digest.
    pub digest: Digest,
    /// Its tags.
    pub tags: Vec<String>,
    /// When it was pushed, if the registry says it.
    pub uploaded: Option<Timestamp>,
    /// Its number, where another service than the registry deletes it.
    pub number: Option<u64>,
}

/// The content of a repository.
#[derive(Clone, Debug)]
pub(crate) struct RepositoryListing {
    /// The manifests and indexes.
    pub manifests: Vec<ListedManifest>,
    /// Whether those without a tag are among them.
    pub is_complete: bool,
}

/// A page of a list of tags. Google's registries add all manifests to it.
#[derive(Deserialize)]
struct TagPage {
    #[serde(default)]
    tags: Option<Vec<String>>,
    manifest: Option<BTreeMap<String, GoogleManifest>>,
}

#[derive(Deserialize)]
struct GoogleManifest {
    #[serde(default)]
    tag: Vec<String>,
    #[serde(rename = "timeUploadedMs")]
    uploaded: Option<String>,
}

impl Registry<'_> {
    /// Returns what is in the repository.
    ///
    /// # Errors
    /// Returns an error if there is no such repository, or no valid response.
    pub(crate) fn listing(&self) -> Result<RepositoryListing> {
        self.client.authorizer.allow_push();
        let (tags, manifests) =
            self.runtime.block_on(list(&self.client)).map_err(|error| self.missing("tags", error))?;
        if let Some(manifests) = manifests {
            return Ok(RepositoryListing { manifests, is_complete: true });
        }
        let named = each(&tags, MANY, |tag| Ok(self.tagged(tag)?.map(|found| (tag.clone(), found))))?;
        let mut manifests: Vec<ListedManifest> = Vec::new();
        for (tag, found) in named.into_iter().flatten() {
            let digest = Descriptor::digest(&found).clone();
            match manifests.iter_mut().find(|known| known.digest == digest) {
                Some(known) => known.tags.push(tag),
                None => manifests.push(ListedManifest { digest, tags: vec![tag], uploaded: None, number: None }),
            }
        }
        Ok(RepositoryListing { manifests, is_complete: false })
    }

    /// Returns the tags of the repository.
    ///
    /// # Errors
    /// Returns an error if there is no such repository, or no valid response.
    pub(crate) fn tags(&self) -> Result<Vec<String>> {
        let listed = self.runtime.block_on(list(&self.client)).map_err(|error| self.missing("tags", error))?;
        Ok(listed.0)
    }

    /// Deletes a manifest (distribution-spec, "Deleting Manifests").
    ///
    /// # Errors
    /// Returns an error if the registry does not do it. It is none if there is no such manifest any more.
    pub(crate) fn delete(&self, digest: &Digest) -> Result<()> {
        self.client.authorizer.allow_delete();
        let url = self.client.url(&format!("manifests/{digest}"));
        match self.runtime.block_on(self.client.send(Method::DELETE, &url, |request| request)) {
            Err(error) if error.status() == Some(StatusCode::NOT_FOUND) => Ok(()),
            deleted => deleted.map(drop).map_err(|error| self.explain(error)),
        }
    }
}

async fn list(client: &Client<'_>) -> Result<(Vec<String>, Option<Vec<ListedManifest>>), RequestError> {
    let mut url = client.url("tags/list");
    url.set_query(Some("n=1000"));
    let (mut tags, mut manifests, mut seen) = (Vec::new(), None, HashSet::new());
    while seen.len() < MAX_PAGES && seen.insert(url.clone()) {
        let mut response = client.send(Method::GET, &url, |request| request).await?;
        let next = next_page(response.headers(), &url);
        let page: TagPage = json(client, &url, &mut response).await?;
        tags.extend(page.tags.unwrap_or_default());
        if let Some(page) = page.manifest {
            let page = page.into_iter().filter_map(|(digest, found)| found.listed(&digest));
            manifests.get_or_insert_with(Vec::new).extend(page);
        }
        match next {
            Some(next) => url = next,
            None => break,
        }
    }
    Ok((tags, manifests))
}

/// Reads a JSON document.
///
/// # Errors
/// Returns an error if it is none, or too large.
pub(super) async fn json<T: for<'d> Deserialize<'d>>(
    client: &Client<'_>,
    url: &Url,
    response: &mut reqwest::Response,
) -> Result<T, RequestError> {
    let limit = MAX_MANIFEST_BYTES * 4;
    let body = read_body(url, response, limit, client.options.retry.stall_timeout).await?;
    let invalid = |why: String| RequestError::invalid_response(&Method::GET, url, why);
    if body.len() > limit {
        return Err(invalid("it is too large for a list".to_owned()));
    }
    serde_json::from_slice(&body).map_err(|error| invalid(error.to_string()))
}

impl GoogleManifest {
    fn listed(self, digest: &str) -> Option<ListedManifest> {
        let uploaded =
            self.uploaded.and_then(|text| text.parse().ok()).and_then(|ms| Timestamp::from_millisecond(ms).ok());
        Some(ListedManifest { digest: Digest::try_from(digest).ok()?, tags: self.tag, uploaded, number: None })
    }
}
