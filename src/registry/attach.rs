//! What is attached to a manifest, made known (distribution-spec, "Pushing Manifests with Subject"): by the registry
//! itself, or under the tag that stands in for that.

use std::collections::{HashMap, HashSet};

use miette::{Report, miette};
use oci_spec::image::{Descriptor, Digest, MediaType};
use reqwest::header::{CONTENT_TYPE, ETAG, HeaderMap, HeaderValue, IF_MATCH};
use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};

use super::Registry;
use super::client::{Client, bounded};
use super::download::documents;
use super::error::{Problem, RequestError};
use crate::error::{Result, with_help};
use crate::image::canonical_json;
use crate::image::manifest::Manifest;
use crate::image::media_type::is_document;
use crate::parallel::{MANY, each};
use crate::store::referrers::entry;
use crate::store::{MAX_DOCUMENT_BYTES, Referrers, SMALL_BLOB, Sink, Source, copy, read};

/// How often the list is written at most, where others write it too.
const ATTEMPTS: u32 = 6;

impl Referrers for Registry<'_> {
    fn referrers(&self, subject: &Digest) -> Result<Vec<Descriptor>> {
        Registry::referrers(self, subject)
    }

    fn attach(&self, manifests: &[Descriptor], source: &dyn Source) -> Result<()> {
        self.client.will_write();
        let attach = || -> Result<()> {
            let read = |manifest: &Descriptor| Ok((manifest.clone(), read(source, manifest)?));
            let manifests = manifests.iter().map(read).collect::<Result<Vec<_>>>()?;
            let mut below = Vec::new();
            for (manifest, bytes) in &manifests {
                below.extend(Manifest::parse(manifest.media_type(), bytes).map_err(Report::from_err)?.children());
            }
            self.send(&below, source)?;
            let unlisted = each(&manifests, MANY, |(manifest, bytes)| self.put(manifest, bytes))?;
            // Each list is written once for all that it lacks.
            let mut lists: HashMap<Digest, Vec<&(Descriptor, Vec<u8>)>> = HashMap::new();
            for (subject, manifest) in unlisted.into_iter().zip(&manifests) {
                if let Some(subject) = subject {
                    lists.entry(subject).or_default().push(manifest);
                }
            }
            let lists: Vec<_> = lists.into_iter().collect();
            let list = |(subject, manifests): &(Digest, Vec<_>)| self.list(manifests, subject);
            each(&lists, MANY, list).map(drop)
        };
        attach().map_err(|error| refused(error, self))
    }
}

impl Registry<'_> {
    /// Sends what artifacts name. Nobody is asked for what is as quickly sent: it is about something that is new itself.
    fn send(&self, content: &[Descriptor], source: &dyn Source) -> Result<()> {
        let is_quick = |one: &&Descriptor| one.size() <= SMALL_BLOB && !is_document(one.media_type());
        let (quick, other): (Vec<_>, Vec<_>) = content.iter().partition(is_quick);
        let mut sent = HashSet::new();
        let quick: Vec<_> = quick.into_iter().filter(|one| sent.insert(one.digest()) && !self.has(one)).collect();
        each(&quick, MANY, |one| Sink::push(self, one, source))?;
        copy(source, self, &other.into_iter().cloned().collect::<Vec<_>>())
    }
}

/// A registry that takes images may not take what is attached to them.
fn refused(error: Report, registry: &Registry) -> Report {
    let status = error.chain().find_map(|cause| cause.downcast_ref::<RequestError>()?.status());
    match status.map(|status| status.as_u16()) {
        Some(400 | 404 | 405 | 406 | 415 | 422 | 501) => with_help(
            error.wrap_err(format!(
                "{} does not take what is attached to images, such as signatures and SBOMs",
                registry.reference.registry()
            )),
            "no tag has moved; `cargo oci push --sbom false --provenance false`, without `--sign`, pushes the image alone; or use a \
             registry that takes OCI artifacts"
                .to_owned(),
        ),
        _ => error,
    }
}

/// The tag that stands in for a referrers API (distribution-spec, "Referrers Tag Schema").
pub fn fallback_tag(subject: &Digest) -> String {
    format!("{}-{}", subject.algorithm(), subject.digest())
}

/// A list as it is there.
pub struct List {
    /// Its JSON.
    pub content: Value,
    /// By which a registry that can tell that it was changed meanwhile.
    etag: Option<HeaderValue>,
}

/// Lists manifests that are there under their subject's tag, beside those that others have listed.
///
/// Few registries can write on a condition: after each write the list is read again, and where another client has
/// written at the same time, written again.
///
/// # Errors
/// When there is no answer, or one that says no; when others do not stop to write.
pub async fn list(client: &Client<'_>, manifests: &[&(Descriptor, Vec<u8>)], subject: &Digest) -> Result<()> {
    let tag = fallback_tag(subject);
    let wanted = manifests.iter().map(|(manifest, bytes)| Ok(json!(entry(manifest, bytes)?)));
    let wanted = wanted.collect::<Result<Vec<_>>>()?;
    for attempt in 0..ATTEMPTS {
        let found = get(client, &tag).await?;
        let mut content = match &found {
            Some(list) => list.content.clone(),
            None => json!({ "schemaVersion": 2, "mediaType": MediaType::ImageIndex, "manifests": [] }),
        };
        let Some(entries) = content.get_mut("manifests").and_then(Value::as_array_mut) else {
            return Err(miette!("the tag {tag} is no list of what is attached to {subject}"));
        };
        let is_listed = |entry: &&Value| entries.iter().any(|known| known["digest"] == entry["digest"]);
        let lacking: Vec<_> = wanted.iter().filter(|entry| !is_listed(entry)).cloned().collect();
        if lacking.is_empty() {
            return Ok(());
        }
        entries.extend(lacking);
        if attempt > 0 {
            // Clients that have met once do not meet again at once.
            tokio::time::sleep(client.options.retry.first.mul_f64(fastrand::f64())).await;
        }
        // Where the conditions are not understood, the last attempt is made without.
        let condition = found.and_then(|list| list.etag).filter(|_| attempt + 1 < ATTEMPTS);
        put(client, &tag, &canonical_json(&content), condition).await?;
    }
    let error = miette!("other clients write the list of what is attached to {subject} all the time");
    Err(with_help(error, "try again later: what is there already is not sent again".to_owned()))
}

/// The list under the tag; nothing where there is none.
pub async fn get(client: &Client<'_>, tag: &str) -> Result<Option<List>> {
    let url = client.url(&format!("manifests/{tag}"));
    let answer = client.send(Method::GET, &url, documents).await;
    let mut answer = match answer {
        Err(error) if error.status() == Some(StatusCode::NOT_FOUND) => return Ok(None),
        answer => answer?,
    };
    let etag = strong(answer.headers());
    let most = usize::try_from(MAX_DOCUMENT_BYTES).unwrap_or(usize::MAX);
    let progress = client.options.retry.progress;
    let silent = |_| RequestError::new(&Method::GET, &url, Problem::Silent(progress.as_secs()));
    let body = tokio::time::timeout(progress, bounded(&mut answer, most)).await.map_err(silent)?;
    let body = body.map_err(|error| RequestError::transport(&Method::GET, &url, &error))?;
    match Manifest::parse(&MediaType::ImageIndex, &body) {
        Ok(_) if body.len() <= most => {
            // It was just read as JSON.
            let content = serde_json::from_slice(&body).map_err(Report::from_err)?;
            Ok(Some(List { content, etag }))
        }
        _ => Err(miette!(
            help = "remove that tag where the image is, and attach again",
            "the tag {tag} in {} is not a list of what is attached to an image",
            client.repository
        )),
    }
}

/// A mark that is of these bytes alone (RFC 9110, section 8.8.3).
fn strong(headers: &HeaderMap) -> Option<HeaderValue> {
    headers.get(ETAG).filter(|mark| mark.as_bytes().starts_with(b"\"")).cloned()
}

/// Writes the list, and only in the place of the one that was read where the registry can see to that. What became of it
/// is found out by reading it.
async fn put(
    client: &Client<'_>,
    tag: &str,
    content: &[u8],
    condition: Option<HeaderValue>,
) -> Result<(), RequestError> {
    let url = client.url(&format!("manifests/{tag}"));
    let edit = |request: RequestBuilder| {
        let request = request.header(CONTENT_TYPE, MediaType::ImageIndex.to_string()).body(content.to_vec());
        match &condition {
            Some(etag) => request.header(IF_MATCH, etag),
            None => request,
        }
    };
    match client.send(Method::PUT, &url, edit).await {
        Err(error) if error.status() == Some(StatusCode::PRECONDITION_FAILED) => Ok(()),
        answer => answer.map(drop),
    }
}
