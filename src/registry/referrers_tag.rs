//! The referrers tag: a list of the referrers of a manifest, for registries without the referrers API (distribution-spec,
//! "Referrers Tag Schema").

use miette::{Report, miette};
use oci_spec::image::{Descriptor, Digest, MediaType};
use reqwest::header::{CONTENT_TYPE, ETAG, HeaderMap, HeaderValue, IF_MATCH};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::client::Client;
use super::download::{MAX_MANIFEST_BYTES, accept_manifests};
use super::error::RequestError;
use super::http::read_body;
use crate::error::{Result, with_help};
use crate::image::canonical_json;
use crate::image::manifest::{Document, Manifest};
use crate::store::referrers::entry;

/// How often the list is written if other clients write it, too.
const MAX_ATTEMPTS: u32 = 6;

/// Returns the tag of the list.
fn tag_of(subject: &Digest) -> String {
    format!("{}-{}", subject.algorithm(), subject.digest())
}

/// The list of a registry.
struct List {
    /// An index, as JSON.
    content: Value,
    /// The version of the list, for a conditional write.
    etag: Option<HeaderValue>,
}

/// Returns the entries of the list for `subject`, or `None` if there is no list.
///
/// # Errors
/// Returns an error if there is no valid response, or if the tag is no list.
pub(crate) async fn referrers(client: &Client<'_>, subject: &Digest) -> Result<Option<Vec<Descriptor>>> {
    let Some(list) = get(client, &tag_of(subject)).await? else { return Ok(None) };
    match Manifest::parse(&MediaType::ImageIndex, &canonical_json(&list.content)).map(Manifest::into_index) {
        Ok(Some(entries)) => Ok(Some(entries)),
        _ => Ok(None),
    }
}

/// Adds manifests to the list for `subject`, beside those of other clients.
///
/// Few registries support conditional writes. After each write the list is read again, and written again if another
/// client has overwritten it.
///
/// # Errors
/// Returns an error if a request fails, or if other clients overwrite the list each time.
pub(crate) async fn add(client: &Client<'_>, manifests: &[&Document], subject: &Digest) -> Result<()> {
    let tag = tag_of(subject);
    let mut wanted = Vec::new();
    for manifest in manifests {
        wanted.push(json!(entry(&manifest.descriptor, &manifest.bytes)?));
    }
    for attempt in 0..MAX_ATTEMPTS {
        let found = get(client, &tag).await?;
        let mut content = match &found {
            Some(list) => list.content.clone(),
            None => json!({ "schemaVersion": 2, "mediaType": MediaType::ImageIndex, "manifests": [] }),
        };
        let Some(entries) = content.get_mut("manifests").and_then(Value::as_array_mut) else {
            return Err(miette!("the tag {tag} is not a list of the referrers of {subject}"));
        };
        let mut missing = wanted.clone();
        missing.retain(|entry| entries.iter().all(|known| known["digest"] != entry["digest"]));
        if missing.is_empty() {
            return Ok(());
        }
        entries.extend(missing);
        if attempt > 0 {
            // Clients that have met once must not meet again.
            tokio::time::sleep(client.options.retry.first_pause.mul_f64(fastrand::f64())).await;
        }
        // The last attempt has no condition, for registries that cannot fulfil it.
        let condition = found.and_then(|list| list.etag).filter(|_| attempt + 1 < MAX_ATTEMPTS);
        put(client, &tag, &canonical_json(&content), condition).await?;
    }
    let error = miette!("cannot list the referrers of {subject}: other clients overwrite the list each time");
    Err(with_help(error, "run the same command again: it does not upload again what is there".to_owned()))
}

async fn get(client: &Client<'_>, tag: &str) -> Result<Option<List>> {
    let url = client.url(&format!("manifests/{tag}"));
    let mut response = match client.send(Method::GET, &url, accept_manifests).await {
        Err(error) if error.status() == Some(StatusCode::NOT_FOUND) => return Ok(None),
        response => response?,
    };
    let etag = strong_etag(response.headers());
    let body = read_body(&url, &mut response, MAX_MANIFEST_BYTES, client.options.retry.stall_timeout).await?;
    match Manifest::parse(&MediaType::ImageIndex, &body) {
        Ok(_) if body.len() <= MAX_MANIFEST_BYTES => {
            let content = serde_json::from_slice(&body).map_err(Report::from_err)?;
            Ok(Some(List { content, etag }))
        }
        _ => Err(miette!(
            help = "delete that tag in the registry, and run the same command again",
            "the tag {tag} in {} is not a list of referrers",
            client.repository
        )),
    }
}

/// Returns the ETag if it is a strong one (RFC 9110, section 8.8.3): only such a one identifies bytes.
fn strong_etag(headers: &HeaderMap) -> Option<HeaderValue> {
    headers.get(ETAG).filter(|etag| etag.as_bytes().starts_with(b"\"")).cloned()
}

/// Writes the list, under the condition that it has not changed if there is one. The caller reads it again to see whether
/// that worked.
async fn put(
    client: &Client<'_>,
    tag: &str,
    content: &[u8],
    condition: Option<HeaderValue>,
) -> Result<(), RequestError> {
    let url = client.url(&format!("manifests/{tag}"));
    let response = client.send(Method::PUT, &url, |request| {
        let request = request.header(CONTENT_TYPE, MediaType::ImageIndex.to_string()).body(content.to_vec());
        match &condition {
            Some(etag) => request.header(IF_MATCH, etag),
            None => request,
        }
    });
    match response.await {
        Err(error) if error.status() == Some(StatusCode::PRECONDITION_FAILED) => Ok(()),
        response => response.map(drop),
    }
}
