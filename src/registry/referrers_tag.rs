//! The referrers tag: a list of the referrers of a manifest, for registries without the referrers API (distribution-spec,
//! "Referrers Tag Schema").

use std::sync::atomic::AtomicUsize;
use std::time::{Duration, Instant};

use miette::{Diagnostic, Report, miette};
use oci_spec::image::{Descriptor, Digest, MediaType};
use reqwest::header::HeaderValue;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::client::Client;
use super::conditional::{Conditions, FoundTag, strong_etag};
use super::download::{MAX_MANIFEST_BYTES, accept_manifests};
use super::http::read_body;
use super::referrers_api::{check_total, too_many};
use crate::error::{Result, with_help};
use crate::event::Event;
use crate::image::artifact::referrers_tag;
use crate::image::canonical_json;
use crate::image::digest::Hasher;
use crate::image::manifest::{Document, Manifest, ManifestError};
use crate::store::referrers::{MAX_REFERRERS, entry};

/// How often the list is written if other clients write it, too.
const MAX_WRITES: u32 = 8;
/// How often the list is read again after it was written.
const CHECKS: u32 = 2;
/// The longest pause before the list is read again.
const MAX_PAUSE: Duration = Duration::from_secs(3);
/// How long a registry may return the list as it was before it was written.
const STALE_LIMIT: Duration = Duration::from_secs(20);

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

/// What the tag of a list names.
enum ListTag {
    /// There is no such tag.
    Nothing,
    /// The subject itself: some registries read the tag as its digest. So there is no list.
    Subject,
    List(List),
}

impl ListTag {
    fn list(&self) -> Option<&List> {
        match self {
            ListTag::List(list) => Some(list),
            ListTag::Nothing | ListTag::Subject => None,
        }
    }

    fn is_same(&self, other: &ListTag) -> bool {
        match (self, other) {
            (ListTag::Nothing, ListTag::Nothing) | (ListTag::Subject, ListTag::Subject) => true,
            (ListTag::List(one), ListTag::List(other)) => one.content == other.content,
            _ => false,
        }
    }
}

/// A registry that keeps no lists.
#[derive(Clone, Copy, Debug, Diagnostic, thiserror::Error)]
#[error("the registry returns the image itself in place of the list of what is attached to it")]
pub(crate) struct NoLists;

/// Returns the entries of the list for `subject`, or `None` if there is no list.
///
/// # Errors
/// Returns an error if there is no valid response, if the tag is no list, or if there are too many.
pub(crate) async fn referrers(
    client: &Client<'_>,
    subject: &Digest,
    listed_bytes: &AtomicUsize,
) -> Result<Option<Vec<Descriptor>>> {
    let ListTag::List(list) = get(client, subject).await? else { return Ok(None) };
    check_total(subject, list.bytes, listed_bytes)?;
    Ok(Some(list.entries))
}

/// Entries that the list for a subject gets.
///
/// Few registries support conditional writes, and the others do not say so. So the list is read again after each write. A
/// client that has read the list before this write may still overwrite it: hence the pauses, which are longer than reading
/// and writing takes. A list that was overwritten is written again.
pub(crate) struct ListUpdate {
    subject: Digest,
    /// The entries.
    pub entries: Vec<Descriptor>,
    conditions: Conditions,
    last: Option<Written>,
    /// Whether the list had the entries when it was last read before a write.
    is_complete: bool,
}

/// A write of a list, or a look at one that has all entries.
struct Written {
    before: ListTag,
    end: Instant,
    /// How long it took.
    took: Duration,
}

/// How a list that was written is checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ListCheck {
    /// Once, at once: nobody else is known to attach anything else to the subject.
    Once,
    /// As often as other clients may need to finish what they began.
    Thorough,
}

/// The state of a list after it was written.
enum Kept {
    Yes,
    Overwritten,
    /// The registry still returns what was there before, after this time.
    Stale(Duration),
}

impl ListUpdate {
    /// Creates an update that adds manifests to the list for `subject`, beside those of other clients.
    ///
    /// # Errors
    /// Returns an error if a manifest is not valid.
    pub(crate) fn new(manifests: &[&Document], subject: &Digest) -> Result<ListUpdate> {
        let entries = manifests.iter().map(|manifest| entry(&manifest.descriptor, &manifest.bytes));
        let entries = entries.collect::<Result<_>>()?;
        Ok(ListUpdate {
            subject: subject.clone(),
            entries,
            conditions: Conditions::default(),
            last: None,
            is_complete: false,
        })
    }

    /// Reads the list, and writes it unless it has the entries.
    ///
    /// # Errors
    /// Returns an error if a request fails.
    pub(crate) async fn write(&mut self, client: &Client<'_>) -> Result<()> {
        self.last = None;
        let start = Instant::now();
        let before = get(client, &self.subject).await?;
        let mut content = match before.list() {
            Some(list) => list.content.clone(),
            None => json!({ "schemaVersion": 2, "mediaType": MediaType::ImageIndex, "manifests": [] }),
        };
        let missing = lacking(&content, &self.entries);
        self.is_complete = missing.is_empty();
        if !self.is_complete {
            let tag = referrers_tag(&self.subject);
            let Some(entries) = content.get_mut("manifests").and_then(Value::as_array_mut) else {
                return Err(miette!("the tag {tag} is not a list of the referrers of {}", self.subject));
            };
            entries.extend(missing);
            let content = canonical_json(&content);
            let found = match before.list() {
                Some(list) => FoundTag::Manifest { etag: list.etag.as_ref() },
                None => FoundTag::Nothing,
            };
            if !self.conditions.put(client, &tag, &MediaType::ImageIndex, &content, found).await? {
                return Ok(());
            }
        }
        self.last = Some(Written { before, end: Instant::now(), took: start.elapsed() });
        Ok(())
    }

    /// Checks that the list keeps the entries, and writes it again if other clients overwrite it.
    ///
    /// # Errors
    /// Returns an error if a request fails, if other clients overwrite the list each time, or [`NoLists`].
    pub(crate) async fn finish(&mut self, client: &Client<'_>, first: ListCheck) -> Result<()> {
        if self.is_complete {
            return Ok(());
        }
        for attempt in 0..MAX_WRITES {
            if attempt > 0 {
                // Clients that have met once must not meet again.
                let most = client.options.retry.first_pause * (1 << (attempt - 1).min(2));
                tokio::time::sleep(most.mul_f64(fastrand::f64())).await;
                self.write(client).await?;
            }
            let Some(last) = self.last.take() else { continue };
            let check = if attempt == 0 { first } else { ListCheck::Thorough };
            match self.check(client, &last, check).await? {
                Kept::Yes => return Ok(()),
                Kept::Overwritten => {}
                Kept::Stale(waited) => {
                    self.warn_of_stale(client, waited);
                    return Ok(());
                }
            }
        }
        let subject = &self.subject;
        let error = miette!("cannot list the referrers of {subject}: other clients overwrite the list each time");
        Err(with_help(error, "run the same command again: it does not upload again what is there".to_owned()))
    }

    /// Returns the state of the list, for thorough checks after other clients had time to finish.
    async fn check(&self, client: &Client<'_>, last: &Written, check: ListCheck) -> Result<Kept> {
        let shortest = client.options.retry.first_pause.mul_f64(0.4);
        let mut pause = (last.took * 2).max(shortest).min(MAX_PAUSE);
        let (mut seen, mut stale) = (0, 0);
        loop {
            if check == ListCheck::Thorough || stale > 0 {
                tokio::time::sleep(pause.mul_f64(1.0 + fastrand::f64() / 2.0)).await;
            }
            let found = get(client, &self.subject).await?;
            if found.list().is_some_and(|list| lacking(&list.content, &self.entries).is_empty()) {
                seen += 1;
                if seen == CHECKS || check == ListCheck::Once {
                    return Ok(Kept::Yes);
                }
            } else if matches!(found, ListTag::Subject) || found.is_same(&last.before) {
                stale += 1;
                if matches!(found, ListTag::Subject) && stale >= CHECKS {
                    return Err(NoLists.into());
                }
                if last.end.elapsed() > STALE_LIMIT {
                    return Ok(Kept::Stale(last.end.elapsed()));
                }
                pause = (pause * 2).min(MAX_PAUSE);
            } else {
                return Ok(Kept::Overwritten);
            }
        }
    }

    fn warn_of_stale(&self, client: &Client<'_>, waited: Duration) {
        let Some(notify) = client.options.notify else { return };
        let message = format!(
            "the registry still returns the list of what is attached to {} in {} as it was before it was written {} seconds ago",
            self.subject,
            client.repository,
            waited.as_secs()
        );
        notify(Event::Warning { message });
    }
}

/// Returns the entries of `wanted` that a list lacks.
fn lacking(list: &Value, wanted: &[Descriptor]) -> Vec<Value> {
    let listed = list["manifests"].as_array().map(Vec::as_slice).unwrap_or_default();
    let is_missing =
        |entry: &&Descriptor| listed.iter().all(|known| known["digest"].as_str() != Some(entry.digest().as_ref()));
    wanted.iter().filter(is_missing).map(|entry| json!(entry)).collect()
}

/// Reads what the tag of the list for `subject` names.
///
/// # Errors
/// Returns an error if there is no valid response, if the tag is no list, or if there are too many entries.
async fn get(client: &Client<'_>, subject: &Digest) -> Result<ListTag> {
    let tag = referrers_tag(subject);
    let url = client.url(&format!("manifests/{tag}"));
    let mut response = match client.send(Method::GET, &url, accept_manifests).await {
        Err(error) if error.status() == Some(StatusCode::NOT_FOUND) => return Ok(ListTag::Nothing),
        response => response?,
    };
    let etag = strong_etag(response.headers());
    let body = read_body(&url, &mut response, MAX_MANIFEST_BYTES, client.options.retry.stall_timeout).await?;
    if body.len() > MAX_MANIFEST_BYTES {
        return Err(too_many(subject, format!("{} MiB", MAX_MANIFEST_BYTES >> 20)).into());
    }
    if is_digest_of(subject, &body) {
        return Ok(ListTag::Subject);
    }
    match Manifest::parse_referrers(&body, MAX_REFERRERS) {
        Ok(entries) if !is_image(&entries) => {
            let content = serde_json::from_slice(&body).map_err(Report::from_err)?;
            Ok(ListTag::List(List { content, entries, bytes: body.len(), etag }))
        }
        Err(ManifestError::TooMany(..)) => Err(too_many(subject, format!("{MAX_REFERRERS} entries")).into()),
        _ => Err(miette!(
            help = "delete that tag in the registry, and run the same command again",
            "the tag {tag} in {} is not a list of referrers",
            client.repository
        )),
    }
}

fn is_digest_of(digest: &Digest, bytes: &[u8]) -> bool {
    Hasher::for_digest(digest).is_some_and(|mut hasher| {
        hasher.update(bytes);
        hasher.finish() == *digest
    })
}

/// Returns whether entries are those of an image for several platforms. Referrers have no platform.
fn is_image(entries: &[Descriptor]) -> bool {
    entries.iter().any(|entry| entry.platform().is_some())
        && entries.iter().all(|entry| entry.artifact_type().is_none() && entry.platform().is_some())
}
