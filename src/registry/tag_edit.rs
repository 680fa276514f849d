//! A tag whose index or manifest is changed by several clients at once: none undoes what another has written.
//!
//! Few registries support conditional writes. So the tag is read again directly before it is written, and after it. A client that
//! has read the tag just before this write may still overwrite it: hence the pauses, which are longer than reading and writing
//! takes. Whoever was overwritten makes the change again, on what is there then.

use std::time::{Duration, Instant};

use oci_spec::image::Descriptor;

use super::Registry;
use super::client::Client;
use super::conditional::{Conditions, FoundTag};
use super::download::{FetchedManifest, get_document};
use super::error::RequestError;
use crate::error::Result;
use crate::image::manifest::Document;
use crate::parallel::lock;

/// How often the tag must name what was written.
const CHECKS: u32 = 2;
/// The longest pause before the tag is read again.
const MAX_PAUSE: Duration = Duration::from_secs(3);
/// How long a registry may return what the tag named before it was written.
const STALE_LIMIT: Duration = Duration::from_secs(20);

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
    pub(crate) fn read(&self) -> Result<Option<FetchedManifest>> {
        let registry = self.registry;
        registry.client.authorizer.allow_push();
        registry.runtime.block_on(get_document(&registry.client, self.tag)).map_err(|error| registry.explain(error))
    }

    /// Lets the tag name another document, unless another client has moved or made it since `before` was read. Everything that
    /// the document refers to must be there.
    ///
    /// # Errors
    /// Returns an error if the registry rejects it, or does not respond.
    pub(crate) fn write(&mut self, before: Option<&FetchedManifest>, document: &Document) -> Result<TagChange> {
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
    before: Option<&FetchedManifest>,
    document: &Document,
) -> Result<TagChange, RequestError> {
    let is = |found: &Option<FetchedManifest>, wanted: Option<&Descriptor>| {
        found.as_ref().map(|found| found.document.descriptor.digest()) == wanted.map(Descriptor::digest)
    };
    let (old, new) = (before.map(|before| &before.document.descriptor), &document.descriptor);
    let start = Instant::now();
    if !is(&get_document(client, tag).await?, old) {
        return Ok(TagChange::Lost);
    }
    let found = match before {
        Some(before) => FoundTag::Manifest { etag: before.etag.as_ref() },
        None => FoundTag::Nothing,
    };
    if !conditions.put(client, tag, new.media_type(), &document.bytes, found).await? {
        return Ok(TagChange::Lost);
    }
    let end = Instant::now();
    let shortest = client.options.retry.first_pause.mul_f64(0.4);
    let mut pause = (start.elapsed() * 2).max(shortest).min(MAX_PAUSE);
    let mut seen = 0;
    loop {
        tokio::time::sleep(pause.mul_f64(1.0 + fastrand::f64() / 2.0)).await;
        let found = get_document(client, tag).await?;
        if is(&found, Some(new)) {
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
