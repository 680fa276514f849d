//! Copies what is attached to images, after the images.

use std::collections::HashSet;

use miette::IntoDiagnostic;
use oci_spec::image::{Descriptor, Digest};

use crate::context::GlobalContext;
use crate::error::Result;
use crate::image::manifest::Manifest;
use crate::inspect::attachments::ListReferrers;
use crate::parallel::{MANY, each};
use crate::registry::Registry;
use crate::registry::referrers::RejectedReferrers;
use crate::registry::referrers_tag::ListCheck;
use crate::registry::refusal::reason;
use crate::store::{Missing, Source, read};
use crate::unique::each_once;

/// How deep attachments of attachments are copied.
const MAX_NESTED: usize = 2;

/// Where attachments are copied from.
pub(crate) struct AttachmentSource<'a> {
    /// Their content.
    pub source: &'a dyn Source,
    /// Lists them.
    pub list: ListReferrers<'a>,
}

impl AttachmentSource<'_> {
    /// Returns what is attached to `subjects`, then what is attached to that: each before what is attached to it.
    ///
    /// # Errors
    /// Returns an error if the lists cannot be read, or name what is not there.
    pub(crate) fn all(&self, subjects: &[Digest]) -> Result<Vec<Vec<Descriptor>>> {
        let (mut levels, mut seen) = (Vec::new(), HashSet::new());
        let mut subjects = subjects.to_vec();
        for _ in 0..MAX_NESTED {
            let found = each(&subjects, MANY, |subject| self.attached_to(subject))?;
            let new = found.into_iter().flatten().filter(|manifest| seen.insert(manifest.digest().clone()));
            let level: Vec<Descriptor> = new.collect();
            if level.is_empty() {
                break;
            }
            subjects = level.iter().map(|manifest| manifest.digest().clone()).collect();
            levels.push(level);
        }
        Ok(levels)
    }

    /// Returns what is attached to a manifest: a list may name other things, and their own subject counts.
    fn attached_to(&self, subject: &Digest) -> Result<Vec<Descriptor>> {
        let listed = (self.list)(subject)?;
        let is_attached = each(&listed, MANY, |entry| {
            let bytes = match read(self.source, entry) {
                // A list may name manifests that were deleted.
                Err(error) if error.downcast_ref::<Missing>().is_some() => return Ok(false),
                bytes => bytes?,
            };
            let manifest = Manifest::parse(entry.media_type(), &bytes).into_diagnostic()?;
            Ok(manifest.subject.is_some_and(|of| of.digest() == subject))
        })?;
        let attached = listed.into_iter().zip(is_attached).filter(|(_, is_attached)| *is_attached);
        Ok(attached.map(|(entry, _)| entry).collect())
    }
}

/// Attaches manifests in a repository, and warns of those that the registry rejects. Those that are listed there already, under
/// one of `subjects`, are left out.
///
/// # Errors
/// Returns an error if they cannot be read, or the registry does not respond.
pub(crate) fn attach_missing(
    registry: &Registry,
    subjects: &[Digest],
    manifests: &[Descriptor],
    source: &dyn Source,
    context: &GlobalContext,
) -> Result<()> {
    if manifests.is_empty() {
        return Ok(());
    }
    let known = each(subjects, MANY, |subject| registry.referrers(subject))?;
    let known: HashSet<_> = known.iter().flatten().map(Descriptor::digest).collect();
    let missing: Vec<_> = manifests.iter().filter(|one| !known.contains(one.digest())).cloned().collect();
    if missing.is_empty() { Ok(()) } else { attach(registry, &missing, source, context) }
}

/// Attaches manifests in a repository, and warns of those that the registry rejects.
///
/// # Errors
/// Returns an error if they cannot be read, or the registry does not respond.
pub(crate) fn attach(
    registry: &Registry,
    manifests: &[Descriptor],
    source: &dyn Source,
    context: &GlobalContext,
) -> Result<()> {
    let accepted = registry.attach_accepted(manifests, source)?;
    let mut rejected = accepted.rejected;
    rejected.extend(registry.finish_lists(accepted.lists, ListCheck::Once)?);
    let warnings = rejected.iter().map(|rejected: &RejectedReferrers| {
        format!(
            "{} has the image without its attachments of the type {}: {}",
            registry.location(),
            rejected.types.join(" and "),
            reason(&rejected.cause)
        )
    });
    for warning in each_once(warnings) {
        context.warn_once(warning);
    }
    Ok(())
}
