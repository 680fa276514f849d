//! The referrers of a manifest in a registry: what is attached to it, such as signatures and SBOMs.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::Ordering;
use std::sync::{Mutex, PoisonError};

use miette::Report;
use oci_spec::image::{Descriptor, Digest};
use reqwest::Method;

use super::referrers_tag::{ListCheck, ListUpdate, NoLists};
use super::refusal::{is_immutable, is_unsupported_artifact};
use super::{Registry, RequestError, referrers_api, referrers_tag};
use crate::error::{Result, with_help};
use crate::image::manifest::{Document, Manifest};
use crate::image::media_type::is_document;
use crate::parallel::{MANY, each, lock};
use crate::store::referrers::{TooManyReferrers, entry};
use crate::store::{Referrers, SMALL_BLOB, Sink, Source, copy, read};
use crate::unique::each_once;

impl Referrers for Registry<'_> {
    fn referrers(&self, subject: &Digest) -> Result<Vec<Descriptor>> {
        Registry::referrers(self, subject)
    }

    fn attach(&self, manifests: &[Descriptor], source: &dyn Source) -> Result<()> {
        let mut attached = self.attach_accepted(manifests, source)?;
        if attached.rejected.is_empty() {
            attached.rejected = self.finish_lists(attached.lists, ListCheck::Thorough)?;
        }
        match attached.rejected.into_iter().next() {
            Some(rejected) => Err(rejected.error(self.host())),
            None => Ok(()),
        }
    }
}

/// The result of attaching manifests.
#[derive(Default)]
pub(crate) struct AcceptedReferrers {
    /// The manifests that were rejected.
    pub rejected: Vec<RejectedReferrers>,
    /// The lists that were written, for [`Registry::finish_lists`].
    pub lists: Vec<ListUpdate>,
}

/// Manifests that a registry rejects as referrers: it takes images, but not these.
pub(crate) struct RejectedReferrers {
    /// The manifests.
    pub manifests: Vec<Descriptor>,
    /// Their artifact types.
    pub types: Vec<String>,
    /// What the registry said.
    pub cause: Report,
}

impl RejectedReferrers {
    fn new(manifests: Vec<Descriptor>, cause: Report) -> RejectedReferrers {
        let types = manifests.iter().filter_map(|entry| Some(entry.artifact_type().as_ref()?.to_string()));
        RejectedReferrers { types: each_once(types), manifests, cause }
    }

    /// Returns what it means, as an error.
    pub(crate) fn error(self, registry: &str) -> Report {
        let types = self.types.join(" and ");
        let error = self.cause.wrap_err(format!("{registry} does not accept attachments of the type {types}"));
        with_help(
            error,
            "push the image alone (`cargo oci push --sbom false --provenance false`, without `--sign`), or use a registry that \
             supports OCI artifacts; no tag has been moved"
                .to_owned(),
        )
    }
}

impl Registry<'_> {
    /// Returns the manifests whose subject is `subject`, as the registry lists them: by the referrers API, else by the
    /// referrers tag. Their media types and annotations are the registry's claims.
    ///
    /// # Errors
    /// Returns an error if there is no response.
    pub fn referrers(&self, subject: &Digest) -> Result<Vec<Descriptor>> {
        if !self.lacks_referrers_api.load(Ordering::Relaxed) {
            let listed = self.runtime.block_on(referrers_api::referrers(&self.client, subject, &self.listed_bytes));
            match listed.map_err(|error| self.explain_any(error))? {
                Some(found) => return Ok(found),
                None => self.lacks_referrers_api.store(true, Ordering::Relaxed),
            }
        }
        let listed = self.runtime.block_on(referrers_tag::referrers(&self.client, subject, &self.listed_bytes));
        match listed {
            Ok(listed) => Ok(listed.unwrap_or_default()),
            Err(error) if error.downcast_ref::<TooManyReferrers>().is_some() => Err(error),
            Err(error) => match error.downcast::<RequestError>() {
                Ok(error) if error.status().is_none() => Err(self.explain(error)),
                // Any other response is about a tag that need not exist.
                _ => Ok(Vec::new()),
            },
        }
    }

    /// Attaches those manifests that the registry accepts. Their lists have still to be checked.
    ///
    /// # Errors
    /// Returns an error if content cannot be read or sent, or if there is no answer.
    pub(crate) fn attach_accepted(&self, manifests: &[Descriptor], source: &dyn Source) -> Result<AcceptedReferrers> {
        self.client.authorizer.allow_push();
        let mut documents = Vec::new();
        let mut content = Vec::new();
        for manifest in manifests {
            let bytes = read(source, manifest)?;
            content.extend(Manifest::parse(manifest.media_type(), &bytes).map_err(Report::from_err)?.children());
            documents.push(Document { descriptor: manifest.clone(), bytes });
        }
        self.push_content(&content, source)?;
        let mut attached = AcceptedReferrers::default();
        // Each list is written once, with all its new entries.
        let mut lists: HashMap<Digest, Vec<&Document>> = HashMap::new();
        let put = each(&documents, MANY, |document| unless_rejected(self.put(document)))?;
        for (put, document) in put.into_iter().zip(&documents) {
            match put {
                Ok(Some(subject)) => lists.entry(subject).or_default().push(document),
                Ok(None) => {}
                Err(cause) => {
                    let entry = entry(&document.descriptor, &document.bytes)?;
                    attached.rejected.push(RejectedReferrers::new(vec![entry], cause));
                }
            }
        }
        let lists: Vec<_> = lists.into_iter().collect();
        for (list, rejected) in each(&lists, MANY, |(subject, documents)| self.write_list(documents, subject))? {
            match rejected {
                None => attached.lists.push(list),
                Some(cause) => attached.rejected.push(RejectedReferrers::new(list.entries, cause)),
            }
        }
        Ok(attached)
    }

    /// Adds manifests of the repository to the list for `subject`. Returns the list, and the error of a registry that rejects
    /// it.
    pub(super) fn write_list(&self, manifests: &[&Document], subject: &Digest) -> Result<(ListUpdate, Option<Report>)> {
        let mut list = ListUpdate::new(manifests, subject)?;
        let written = if self.keeps_no_lists.load(Ordering::Relaxed) {
            Err(NoLists.into())
        } else {
            self.runtime.block_on(list.write(&self.client)).map_err(|error| self.explain_any(error))
        };
        let rejected = unless_rejected(written)?.err();
        Ok((list, rejected))
    }

    /// Checks that lists keep what was written, and writes them again if other clients overwrite them. The subjects must be
    /// there. Returns what the registry does not list.
    ///
    /// # Errors
    /// Returns an error if a request fails, or if other clients overwrite a list each time.
    pub(crate) fn finish_lists(&self, lists: Vec<ListUpdate>, check: ListCheck) -> Result<Vec<RejectedReferrers>> {
        let lists: Vec<_> = lists.into_iter().map(Mutex::new).collect();
        let finished = each(&lists, MANY, |list| {
            let finished = self.runtime.block_on(lock(list).finish(&self.client, check));
            let rejected = unless_rejected(finished.map_err(|error| self.explain_any(error)))?.err();
            if rejected.as_ref().is_some_and(Report::is::<NoLists>) {
                self.keeps_no_lists.store(true, Ordering::Relaxed);
            }
            Ok(rejected)
        })?;
        let rejected = lists.into_iter().zip(finished).filter_map(|(list, cause)| {
            let list = list.into_inner().unwrap_or_else(PoisonError::into_inner);
            Some(RejectedReferrers::new(list.entries, cause?))
        });
        Ok(rejected.collect())
    }

    /// Pushes the content of artifacts. A HEAD request is not worth its time for small blobs, which are new as a rule.
    fn push_content(&self, content: &[Descriptor], source: &dyn Source) -> Result<()> {
        let (small, large): (Vec<_>, Vec<_>) =
            content.iter().partition(|blob| blob.size() <= SMALL_BLOB && !is_document(blob.media_type()));
        let mut pushed = HashSet::new();
        let small: Vec<_> =
            small.into_iter().filter(|blob| pushed.insert(blob.digest()) && !self.is_known_to_exist(blob)).collect();
        each(&small, MANY, |blob| Sink::push(self, blob, source))?;
        copy(source, self, &large.into_iter().cloned().collect::<Vec<_>>())
    }
}

/// Separates the rejection of artifacts from other errors.
///
/// # Errors
/// Returns the other errors.
fn unless_rejected<T>(result: Result<T>) -> Result<Result<T>> {
    match result {
        Err(error) if is_rejection(&error) => Ok(Err(error)),
        result => result.map(Ok),
    }
}

fn is_rejection(error: &Report) -> bool {
    let is_about_artifact =
        |error: &RequestError| error.method == Method::PUT && (is_unsupported_artifact(error) || is_immutable(error));
    error.chain().any(|cause| cause.is::<NoLists>() || cause.downcast_ref().is_some_and(is_about_artifact))
}
