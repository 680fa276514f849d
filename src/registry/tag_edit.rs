//! A tag whose index is changed by several clients at once: none undoes what another has written.
//!
//! Few registries support conditional writes. So the tag is read again directly before it is written, and after it. A client that
//! has read the tag just before this write may still overwrite it: hence the pauses, which are longer than reading and writing
//! takes. Whoever was overwritten makes the change again, on what is there then.

use std::time::{Duration, Instant};

use oci_spec::image::{Descriptor, MediaType};
use reqwest::StatusCode;
use reqwest::header::HeaderValue;

use super::Registry;
use super::client::Client;
use super::conditional::{Conditions, FoundTag, strong_etag};
use super::download::{MAX_MANIFEST_BYTES, accept_manifests, media_type};
use super::error::RequestError;
use super::http::read_body;
use crate::error::Result;
use crate::image::digest::sha256;
use crate::image::manifest::{Document, sniff};
use crate::image::media_type::is_document;
use crate::parallel::lock;

/// How often the tag must name what was written.
const CHECKS: u32 = 2;
/// The longest pause before the tag is read again.
const MAX_PAUSE: Duration = Duration::from_secs(3);
/// How long a registry may return what the tag named before it was written.
const STALE_LIMIT: Duration = Duration::from_secs(20);

/// What a tag names, as it was read.
#[derive(Clone, Debug)]
pub(crate) struct ReadTag {
    /// The index or manifest.
    pub document: Document,
    etag: Option<HeaderValue>,
}

/// What became of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TagChange {
    /// The tag names what was written.
    Kept,
    /// Another client has moved the tag: the change must be made again.
    Lost,
}

/// A change of a tag, which may need several attempts.
pub(crate) struct TagEdit<'a> {
    registry: &'a Registry<'a>,
    tag: &'a str,
    conditions: Conditions,
}

impl<'a> TagEdit<'a> {
    /// Begins a change. Nothing is read yet.
    pub(crate) fn new(registry: &'a Registry<'a>, tag: &'a str) -> TagEdit<'a> {
        TagEdit { registry, tag, conditions: Conditions::default() }
    }

    /// Returns what the tag names, or `None` if there is no such tag.
    ///
    /// # Errors
    /// Returns an error if there is no valid response.
    pub(crate) fn read(&self) -> Result<Option<ReadTag>> {
        let registry = self.registry;
        registry.client.authorizer.allow_push();
        registry.runtime.block_on(get(&registry.client, self.tag)).map_err(|error| registry.explain(error))
    }

    /// Lets the tag name another document, unless another client has moved it since `before` was read. Everything that the
    /// document refers to must be there.
    ///
    /// # Errors
    /// Returns an error if the registry rejects it, or does not respond.
    pub(crate) fn write(&mut self, before: &ReadTag, document: &Document) -> Result<TagChange> {
        let registry = self.registry;
        let change =
            registry.runtime.block_on(change(&registry.client, self.tag, &mut self.conditions, before, document));
        let change = change.map_err(|error| registry.explain(error))?;
        if change == TagChange::Kept {
            registry.count_sent(document.descriptor.size());
            lock(&registry.pushed).insert(document.descriptor.digest().clone(), document.bytes.clone());
        }
        Ok(change)
    }

    /// Waits before the next attempt: clients that have met once must not meet again.
    ///
    /// # Errors
    /// Returns an error if the run is interrupted.
    pub(crate) fn pause(&self, attempt: u32) -> Result<()> {
        let registry = self.registry;
        let most = registry.client.options.retry.first_pause * (1 << attempt.min(2));
        let paused = registry.runtime.block_on(async {
            tokio::time::sleep(most.mul_f64(fastrand::f64())).await;
            Ok(())
        });
        paused.map_err(|error: RequestError| registry.explain(error))
    }
}

async fn change(
    client: &Client<'_>,
    tag: &str,
    conditions: &mut Conditions,
    before: &ReadTag,
    document: &Document,
) -> Result<TagChange, RequestError> {
    let is = |found: &Option<ReadTag>, wanted: &Descriptor| {
        found.as_ref().is_some_and(|found| found.document.descriptor.digest() == wanted.digest())
    };
    let (old, new) = (&before.document.descriptor, &document.descriptor);
    let start = Instant::now();
    if !is(&get(client, tag).await?, old) {
        return Ok(TagChange::Lost);
    }
    let found = FoundTag::Manifest { etag: before.etag.as_ref() };
    if !conditions.put(client, tag, new.media_type(), &document.bytes, found).await? {
        return Ok(TagChange::Lost);
    }
    let end = Instant::now();
    let shortest = client.options.retry.first_pause.mul_f64(0.4);
    let mut pause = (start.elapsed() * 2).max(shortest).min(MAX_PAUSE);
    let mut seen = 0;
    loop {
        tokio::time::sleep(pause.mul_f64(1.0 + fastrand::f64() / 2.0)).await;
        let found = get(client, tag).await?;
        if is(&found, new) {
            seen += 1;
            if seen == CHECKS {
                return Ok(TagChange::Kept);
            }
        } else if is(&found, old) && end.elapsed() < STALE_LIMIT {
            // The registry may return what was there before the write for a while.
            pause = (pause * 2).min(MAX_PAUSE);
        } else {
            return Ok(TagChange::Lost);
        }
    }
}

/// Reads what a tag or a digest names; `None` if there is no such thing.
///
/// # Errors
/// Returns an error if there is no valid response.
pub(super) async fn get(client: &Client<'_>, tag: &str) -> Result<Option<ReadTag>, RequestError> {
    let url = client.url(&format!("manifests/{tag}"));
    let mut response = match client.send(reqwest::Method::GET, &url, accept_manifests).await {
        Err(error) if error.status() == Some(StatusCode::NOT_FOUND) => return Ok(None),
        response => response?,
    };
    let (etag, declared) = (strong_etag(response.headers()), media_type(response.headers()).filter(is_document));
    let bytes = read_body(&url, &mut response, MAX_MANIFEST_BYTES, client.options.retry.stall_timeout).await?;
    let invalid = |why| RequestError::invalid_response(&reqwest::Method::GET, &url, why);
    if bytes.len() > MAX_MANIFEST_BYTES {
        return Err(invalid("it is too large for a manifest"));
    }
    let media_type: MediaType =
        declared.or_else(|| sniff(&bytes)).ok_or_else(|| invalid("expected a manifest or an index"))?;
    let descriptor = Descriptor::new(media_type, bytes.len() as u64, sha256(&bytes));
    Ok(Some(ReadTag { document: Document { descriptor, bytes }, etag }))
}
