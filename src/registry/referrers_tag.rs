//! The referrers tag: a list of the referrers of a manifest, for registries without the referrers API (distribution-spec,
//! "Referrers Tag Schema").

use std::sync::atomic::AtomicUsize;
use std::time::{Duration, Instant};

use miette::{Report, miette};
use oci_spec::image::{Descriptor, Digest, MediaType};
use reqwest::header::{CONTENT_TYPE, ETAG, HeaderMap, HeaderName, HeaderValue, IF_MATCH, IF_NONE_MATCH};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::client::Client;
use super::download::{MAX_MANIFEST_BYTES, accept_manifests};
use super::error::RequestError;
use super::http::read_body;
use super::referrers_api::{check_total, too_many};
use crate::error::{Result, with_help};
use crate::image::artifact::referrers_tag;
use crate::image::canonical_json;
use crate::image::manifest::{Document, Manifest, ManifestError};
use crate::store::referrers::{MAX_REFERRERS, entry};

/// How often the list is written if other clients write it, too.
const MAX_WRITES: u32 = 8;
/// How often the list is read again after it was written.
const CHECKS: u32 = 2;
/// The longest pause before the list is read again.
const MAX_PAUSE: Duration = Duration::from_secs(3);

/// The list of a registry.
struct List {
    /// An index, as JSON.
    content: Value,
    entries: Vec<Descriptor>,
    /// Its size.
    bytes: usize,
    /// The version of the list, for a conditional write.
    etag: Option<HeaderValue>,
}

/// Returns the entries of the list for `subject`, or `None` if there is no list.
///
/// # Errors
/// Returns an error if there is no valid response, if the tag is no list, or if there are too many.
pub(crate) async fn referrers(
    client: &Client<'_>,
    subject: &Digest,
    listed_bytes: &AtomicUsize,
) -> Result<Option<Vec<Descriptor>>> {
    let Some(list) = get(client, subject).await? else { return Ok(None) };
    check_total(subject, list.bytes, listed_bytes)?;
    Ok(Some(list.entries))
}

/// Adds manifests to the list for `subject`, beside those of other clients.
///
/// Few registries support conditional writes, and the others do not say so. So the list is read again after each write. A
/// client that has read the list before this write may still overwrite it: hence the pauses, which are longer than reading
/// and writing takes. A list that was overwritten is written again.
///
/// # Errors
/// Returns an error if a request fails, or if other clients overwrite the list each time.
pub(crate) async fn add(client: &Client<'_>, manifests: &[&Document], subject: &Digest) -> Result<()> {
    let tag = referrers_tag(subject);
    let mut wanted = Vec::new();
    for manifest in manifests {
        wanted.push(json!(entry(&manifest.descriptor, &manifest.bytes)?));
    }
    let mut conditions = Conditions::default();
    for attempt in 0..MAX_WRITES {
        if attempt > 0 {
            // Clients that have met once must not meet again.
            let most = client.options.retry.first_pause * (1 << (attempt - 1).min(2));
            tokio::time::sleep(most.mul_f64(fastrand::f64())).await;
        }
        let start = Instant::now();
        let found = get(client, subject).await?;
        let mut content = match &found {
            Some(list) => list.content.clone(),
            None => json!({ "schemaVersion": 2, "mediaType": MediaType::ImageIndex, "manifests": [] }),
        };
        let missing = lacking(&content, &wanted);
        if missing.is_empty() && attempt == 0 {
            return Ok(());
        }
        if !missing.is_empty() {
            let Some(entries) = content.get_mut("manifests").and_then(Value::as_array_mut) else {
                return Err(miette!("the tag {tag} is not a list of the referrers of {subject}"));
            };
            entries.extend(missing);
            let condition = conditions.next(found.as_ref());
            match put(client, &tag, &canonical_json(&content), condition.clone()).await {
                Err(error) if error.status() == Some(StatusCode::PRECONDITION_FAILED) => continue,
                Err(error) if condition.is_some() && error.status().is_some_and(may_be_about_header) => {
                    conditions.are_unsupported = true;
                    put(client, &tag, &canonical_json(&content), None).await?;
                }
                written => written?,
            }
        }
        if holds(client, subject, &wanted, start.elapsed()).await? {
            return Ok(());
        }
    }
    let error = miette!("cannot list the referrers of {subject}: other clients overwrite the list each time");
    Err(with_help(error, "run the same command again: it does not upload again what is there".to_owned()))
}

/// Returns whether a registry may have rejected a request because of a header that it does not know.
fn may_be_about_header(status: StatusCode) -> bool {
    matches!(status.as_u16(), 400 | 405 | 417 | 422 | 501)
}

/// Returns the entries of `wanted` that a list lacks.
fn lacking(list: &Value, wanted: &[Value]) -> Vec<Value> {
    let listed = list["manifests"].as_array().map(Vec::as_slice).unwrap_or_default();
    let is_missing = |entry: &&Value| listed.iter().all(|known| known["digest"] != entry["digest"]);
    wanted.iter().filter(is_missing).cloned().collect()
}

/// Returns whether the list still has the entries after other clients had time to finish. `took` is how long it takes here
/// to read and to write the list.
async fn holds(client: &Client<'_>, subject: &Digest, wanted: &[Value], took: Duration) -> Result<bool> {
    let shortest = client.options.retry.first_pause.mul_f64(0.4);
    let pause = (took * 2).max(shortest).min(MAX_PAUSE);
    for _ in 0..CHECKS {
        tokio::time::sleep(pause.mul_f64(1.0 + fastrand::f64() / 2.0)).await;
        let found = get(client, subject).await?;
        if found.is_none_or(|list| !lacking(&list.content, wanted).is_empty()) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The conditions of writes: that no other client has written the list meanwhile.
#[derive(Default)]
struct Conditions {
    are_unsupported: bool,
    /// The last condition.
    last: Option<(HeaderName, HeaderValue)>,
}

impl Conditions {
    /// Returns the condition that the list is still as it was found, or `None` if the registry cannot check that.
    fn next(&mut self, found: Option<&List>) -> Option<(HeaderName, HeaderValue)> {
        let condition = match found {
            Some(list) => list.etag.clone().map(|etag| (IF_MATCH, etag)),
            None => Some((IF_NONE_MATCH, HeaderValue::from_static("*"))),
        };
        // The same list again was not written meanwhile: the registry rejects every condition.
        self.are_unsupported |= condition.is_some() && condition == self.last;
        self.last.clone_from(&condition);
        condition.filter(|_| !self.are_unsupported)
    }
}

async fn get(client: &Client<'_>, subject: &Digest) -> Result<Option<List>> {
    let tag = referrers_tag(subject);
    let url = client.url(&format!("manifests/{tag}"));
    let mut response = match client.send(Method::GET, &url, accept_manifests).await {
        Err(error) if error.status() == Some(StatusCode::NOT_FOUND) => return Ok(None),
        response => response?,
    };
    let etag = strong_etag(response.headers());
    let body = read_body(&url, &mut response, MAX_MANIFEST_BYTES, client.options.retry.stall_timeout).await?;
    if body.len() > MAX_MANIFEST_BYTES {
        return Err(too_many(subject, format!("{} MiB", MAX_MANIFEST_BYTES >> 20)).into());
    }
    match Manifest::parse_referrers(&body, MAX_REFERRERS) {
        Ok(entries) => {
            let content = serde_json::from_slice(&body).map_err(Report::from_err)?;
            Ok(Some(List { content, entries, bytes: body.len(), etag }))
        }
        Err(ManifestError::TooMany(..)) => Err(too_many(subject, format!("{MAX_REFERRERS} entries")).into()),
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

/// Writes the list.
///
/// # Errors
/// Returns an error if the registry rejects it, also if the condition is not met.
async fn put(
    client: &Client<'_>,
    tag: &str,
    content: &[u8],
    condition: Option<(HeaderName, HeaderValue)>,
) -> Result<(), RequestError> {
    let url = client.url(&format!("manifests/{tag}"));
    let response = client.send(Method::PUT, &url, |request| {
        let request = request.header(CONTENT_TYPE, MediaType::ImageIndex.to_string()).body(content.to_vec());
        match &condition {
            Some((name, value)) => request.header(name, value),
            None => request,
        }
    });
    response.await.map(drop)
}
