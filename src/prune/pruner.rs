//! The content of a repository → what is deleted, and its deletion.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use jiff::Timestamp;
use miette::{Context, Report, miette};
use oci_spec::image::{Descriptor, Digest, MediaType};

use super::graph::{ManifestNode, NeedGraph};
use crate::context::GlobalContext;
use crate::error::{Result, with_help};
use crate::event::{PrunedRepository, UnneededManifest};
use crate::image::manifest::{Manifest, ManifestError};
use crate::parallel::{MANY, each};
use crate::reference::Reference;
use crate::registry::github_packages::GithubPackage;
use crate::registry::listing::{ListedManifest, RepositoryListing};
use crate::registry::{Registry, RequestError};
use crate::store::cache::records::RecordKind;

/// What is younger is kept, whatever the user says: it may be a part of what is made just now.
pub(crate) const YOUNGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// What is deleted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PruneRules {
    /// Whether images without a tag are deleted, and not only what is attached to something that is gone.
    pub untagged: bool,
    /// How old it must be.
    pub older_than: Duration,
    /// How many of the youngest images without a tag are kept.
    pub keep: usize,
    /// Whether anything is deleted at all.
    pub deletes: bool,
}

/// Finds and deletes what nothing needs in a repository.
pub(crate) struct Pruner<'a> {
    /// The context of the run.
    pub context: &'a GlobalContext<'a>,
    /// The repository, as the user names it.
    pub reference: &'a Reference,
    /// What is deleted.
    pub rules: PruneRules,
}

impl Pruner<'_> {
    /// Finds what nothing needs, and deletes it if that is asked for.
    ///
    /// # Errors
    /// Returns an error if the registry does not say what is there, or does not delete. What was deleted until then is gone.
    pub(crate) fn run(&self) -> Result<PrunedRepository> {
        let registry = self.context.connect_to_push(self.reference)?;
        let api = self.context.environment.get("GITHUB_API_URL").map(|url| url.to_string_lossy().into_owned());
        let mut package = GithubPackage::of(self.reference, &registry, api.as_deref())?;
        let listing = match &mut package {
            Some(package) => package.listing(),
            None => registry.listing(),
        };
        let listing = listing.wrap_err_with(|| format!("cannot list what is in {}", self.reference.location()))?;
        if self.rules.untagged && !listing.is_complete {
            return Err(not_listed(self.reference));
        }
        let mut pruned = self.find(&registry, &listing)?;
        if self.rules.deletes {
            for unneeded in &pruned.unneeded {
                let deleted = match (&package, unneeded.number) {
                    (Some(package), Some(number)) => package.delete(number),
                    _ => registry.delete(&unneeded.digest).map_err(cannot_delete),
                };
                deleted.wrap_err_with(|| format!("cannot delete {}", unneeded.digest))?;
            }
            pruned.deleted = true;
        }
        Ok(pruned)
    }

    fn find(&self, registry: &Registry, listing: &RepositoryListing) -> Result<PrunedRepository> {
        let now = self.now()?;
        let nodes = each(&listing.manifests, MANY, |listed| {
            let node = node(registry, listed);
            let node = node.wrap_err_with(|| format!("cannot tell what {} needs", listed.digest))?;
            Ok(node.map(|node| (listed.digest.to_string(), node)))
        })?;
        // What has gone meanwhile needs nothing.
        let graph = NeedGraph(nodes.into_iter().flatten().collect());
        let listed = listing.manifests.iter().filter(|listed| graph.0.contains_key(listed.digest.as_ref()));
        let listing = &RepositoryListing { manifests: listed.cloned().collect(), ..*listing };
        let gone = gone_subjects(registry, listing, &graph)?;
        let since = self.ages(listing, &graph, &gone)?;
        let limit = self.rules.older_than.max(YOUNGEST);
        let is_old = |digest: &str| {
            since.get(digest).is_some_and(|since| now.duration_since(*since).as_secs() >= limit.as_secs().cast_signed())
        };
        let mut untagged = graph.untagged();
        untagged.sort_by_key(|digest| std::cmp::Reverse(since.get(*digest).copied()));
        let kept = untagged.iter().take(self.rules.keep);
        let kept: HashSet<&str> =
            if self.rules.untagged { kept.copied().collect() } else { untagged.iter().copied().collect() };
        // What is young is needed with all it needs: it may be in use, and not be complete yet.
        let is_root = |(digest, node): &(&String, &ManifestNode)| {
            node.is_tagged || kept.contains(digest.as_str()) || !is_old(digest)
        };
        let roots = graph.0.iter().filter(is_root).map(|(digest, _)| digest.as_str());
        let needed = graph.needed(roots.chain(there(&graph, &gone)));
        let mut unneeded: Vec<_> =
            listing.manifests.iter().filter(|listed| !needed.contains(listed.digest.as_ref())).collect();
        // Attachments first, then indexes, then images: whoever is interrupted leaves nothing that lacks a part.
        let order = |listed: &&ListedManifest| {
            let node = &graph.0[listed.digest.as_ref()];
            (!node.is_attachment(), !node.kind.starts_with("index"), listed.digest.to_string())
        };
        unneeded.sort_by_cached_key(order);
        let unneeded = unneeded.into_iter().map(|listed| UnneededManifest {
            digest: listed.digest.clone(),
            kind: graph.0[listed.digest.as_ref()].kind.clone(),
            tags: listed.tags.clone(),
            since: since.get(listed.digest.as_ref()).copied().unwrap_or(now),
            number: listed.number,
        });
        Ok(PrunedRepository {
            repository: self.reference.location(),
            needed: listing.manifests.iter().filter(|listed| needed.contains(listed.digest.as_ref())).count(),
            unneeded: unneeded.collect(),
            deleted: false,
        })
    }

    /// Returns since when each manifest is known: since it was pushed, or since this machine has seen that nothing needs it.
    fn ages(
        &self,
        listing: &RepositoryListing,
        graph: &NeedGraph,
        gone: &HashSet<String>,
    ) -> Result<HashMap<String, Timestamp>> {
        let (now, cache) = (self.now()?, self.context.cache()?);
        let mut ages = HashMap::new();
        for listed in &listing.manifests {
            let digest = listed.digest.to_string();
            if let Some(uploaded) = listed.uploaded {
                ages.insert(digest, uploaded);
            } else if graph.0[&digest].subjects().iter().any(|subject| gone.contains(subject.as_ref())) {
                let key = self.reference.with_digest(&digest);
                let seen = cache.get::<i64>(RecordKind::Unneeded, &key).and_then(|at| Timestamp::from_second(at).ok());
                if seen.is_none() {
                    cache.put(RecordKind::Unneeded, &key, now.as_second());
                }
                ages.insert(digest, seen.unwrap_or(now));
            }
        }
        Ok(ages)
    }

    fn now(&self) -> Result<Timestamp> {
        self.context.environment.now()
    }
}

/// Returns the subjects of attachments that are not in the repository. Where not everything is listed, the registry is asked.
fn gone_subjects(registry: &Registry, listing: &RepositoryListing, graph: &NeedGraph) -> Result<HashSet<String>> {
    let subjects: HashSet<_> = graph.0.values().flat_map(ManifestNode::subjects).collect();
    let unlisted: Vec<_> = subjects.into_iter().filter(|subject| !graph.0.contains_key(subject.as_ref())).collect();
    let gone = each(&unlisted, MANY, |subject| {
        let descriptor = Descriptor::new(MediaType::ImageManifest, 0, (*subject).clone());
        Ok(listing.is_complete || !registry.has(&descriptor)?)
    })?;
    Ok(unlisted.into_iter().zip(gone).filter(|(_, gone)| *gone).map(|(subject, _)| subject.to_string()).collect())
}

/// Returns the subjects of attachments that are there, although they are not listed.
fn there<'g>(graph: &'g NeedGraph, gone: &HashSet<String>) -> Vec<&'g str> {
    let subjects = graph.0.values().flat_map(ManifestNode::subjects).map(Digest::as_ref);
    subjects.filter(|subject| !graph.0.contains_key(*subject) && !gone.contains(*subject)).collect()
}

/// Reads a manifest; `None` if it is gone.
///
/// # Errors
/// Returns an error if it cannot be read: nobody knows then what it needs.
fn node(registry: &Registry, listed: &ListedManifest) -> Result<Option<ManifestNode>> {
    let Some(document) = registry.document(&listed.digest)? else { return Ok(None) };
    match Manifest::parse(document.descriptor.media_type(), &document.bytes) {
        Ok(manifest) => Ok(Some(ManifestNode::new(&manifest, &listed.tags))),
        // It is something else, and is kept.
        Err(ManifestError::Type(kind)) => Ok(Some(ManifestNode::other(kind))),
        Err(error) => Err(Report::from_err(error)),
    }
}

fn not_listed(reference: &Reference) -> Report {
    miette!(
        help = "use what the registry has for it, such as `registry garbage-collect --delete-untagged CONFIG`, or its retention \
                policies; without `--untagged`, what is attached to images that are gone is found here too",
        "{} does not say which images have no tag",
        reference.registry()
    )
}

fn cannot_delete(error: Report) -> Report {
    let is_forbidden = error.downcast_ref::<RequestError>().and_then(RequestError::status);
    match is_forbidden.map(|status| status.as_u16()) {
        Some(405 | 501) => with_help(
            error,
            "allow it in the registry's settings (of the registry of the CNCF: `storage.delete.enabled: true`), or use its own \
             garbage collection"
                .to_owned(),
        ),
        _ => error,
    }
}
