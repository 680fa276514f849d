//! What is attached to an image → the same about the image on its new base: what this program has made is made anew, and
//! VEX documents, which are about our crates, hold on. All else is about the old image.

use jiff::Timestamp;
use miette::IntoDiagnostic;
use oci_spec::image::{Descriptor, Digest};

use super::origin::{BuiltOn, NamedBase};
use super::renewed::{RenewedImage, moved_digests};
use crate::attest::Statement;
use crate::attest::attached::{AttachedContent, AttachedKind};
use crate::attest::base::ResolvedBase;
use crate::attest::bundle::BUNDLE;
use crate::attest::document::AttachedDocument;
use crate::attest::provenance::{RebasedImage, ToldBuild, is_ours, rebase_provenance};
use crate::attest::sbom::merge;
use crate::attest::sbom::moved::MovedImage;
use crate::attest::statement::IN_TOTO;
use crate::error::Result;
use crate::image::predicate;
use crate::inspect::attachments::ListReferrers;
use crate::parallel::{MANY, each};
use crate::reference::BaseReference;
use crate::store::{LimitedSource, Memory, Source};
use crate::unique::each_once;

/// What is attached to an image: to its index, and to that for each platform.
pub(crate) struct AttachedDocuments {
    entries: Vec<AttachedEntry>,
}

/// An entry in the list of what is attached.
struct AttachedEntry {
    /// What it is attached to.
    subject: Digest,
    /// The entry.
    entry: Descriptor,
    /// Its content, if it is a document.
    content: Option<AttachedContent>,
}

/// The documents of an image on a new base.
pub(crate) struct RenewedDocuments {
    /// Their manifests, whose content is in memory.
    pub manifests: Vec<Descriptor>,
    /// The types of what is about the old image alone.
    pub left_out: Vec<String>,
}

/// An image on its way to a new base.
pub(crate) struct RebasedSubject<'a> {
    /// The image.
    pub image: &'a BuiltOn,
    /// The same on the new base.
    pub renewed: &'a RenewedImage,
    /// The old base.
    pub old: &'a NamedBase,
    /// The reference of the new base, and its digest.
    pub new: (&'a BaseReference, &'a Digest),
    /// The repository, if it is in one.
    pub repository: Option<&'a str>,
}

impl AttachedDocuments {
    /// Reads what is attached to an image.
    ///
    /// # Errors
    /// Returns an error if it cannot be listed.
    pub(crate) fn read(image: &BuiltOn, source: &dyn Source, list: ListReferrers) -> Result<AttachedDocuments> {
        let source = LimitedSource::new(source);
        let subjects = image.images.iter().map(|part| &part.descriptor).chain([&image.root]);
        let subjects: Vec<_> = each_once(subjects.map(|subject| subject.digest().clone()));
        let listed = each(&subjects, MANY, |subject| list(subject))?;
        let of = subjects.into_iter().zip(listed);
        let of: Vec<_> =
            of.flat_map(|(subject, listed)| listed.into_iter().map(move |one| (subject.clone(), one))).collect();
        let contents = each(&of, MANY, |(subject, entry)| Ok(AttachedContent::read(&source, entry, subject)))?;
        let entries = of.into_iter().zip(contents);
        let entries = entries.map(|((subject, entry), content)| AttachedEntry { subject, entry, content });
        Ok(AttachedDocuments { entries: entries.collect() })
    }

    /// Returns what the provenance tells of the build.
    pub(crate) fn told(&self) -> ToldBuild {
        self.provenance().map(ToldBuild::of).unwrap_or_default()
    }

    fn provenance(&self) -> Option<&Statement> {
        let contents = self.entries.iter().filter_map(|attached| attached.content.as_ref());
        let mut statements = contents.filter_map(|content| match &content.kind {
            AttachedKind::Statement(statement) => Some(statement),
            AttachedKind::Sbom(..) => None,
        });
        statements.find(|statement| statement.predicate_type == predicate::PROVENANCE && is_ours(statement))
    }

    /// Makes the documents of the image on its new base.
    ///
    /// # Errors
    /// Returns an error if one is too large.
    pub(crate) fn renew(
        &self,
        subject: &RebasedSubject,
        created: Timestamp,
        memory: &Memory,
    ) -> Result<RenewedDocuments> {
        let digests = moved_digests(subject.image, subject.renewed);
        let old = subject.old.name.parse::<BaseReference>().into_diagnostic()?;
        let moved = MovedImage {
            digests: &digests,
            old: ResolvedBase { reference: &old, digest: &subject.old.digest },
            new: ResolvedBase { reference: subject.new.0, digest: subject.new.1 },
        };
        let provenance = self.provenance().map(|before| {
            let image = RebasedImage {
                repository: subject.repository,
                digest: subject.image.root.digest(),
                old: &subject.old.digest,
                new: moved.new,
            };
            rebase_provenance(moved_subjects(before, &moved), &image, before)
        });
        let (mut manifests, mut left_out) = (Vec::new(), Vec::new());
        for AttachedEntry { subject: before, entry, content } in &self.entries {
            let Some(about) = subject.descriptor_of(before) else { continue };
            let document = match content {
                Some(content) => renewed(content, about, &moved, provenance.as_ref())?,
                None => None,
            };
            match document {
                Some(document) => manifests.push(document.store(created, memory).manifest),
                None => left_out.extend(entry.artifact_type().as_ref().map(ToString::to_string)),
            }
        }
        // A signature is one of the old image.
        left_out.retain(|kind| kind != BUNDLE);
        let mut manifests = each_once(manifests);
        manifests.sort_by_cached_key(|manifest| manifest.digest().to_string());
        Ok(RenewedDocuments { manifests, left_out: each_once(left_out) })
    }
}

impl RebasedSubject<'_> {
    /// Returns the new manifest in place of an old one.
    fn descriptor_of(&self, old: &Digest) -> Option<&Descriptor> {
        let mut parts = self.image.images.iter().zip(&self.renewed.images);
        let part = parts.find(|(before, _)| before.descriptor.digest() == old).map(|(_, after)| &after.descriptor);
        part.or_else(|| (self.image.root.digest() == old).then_some(&self.renewed.root))
    }
}

/// Returns a document about the new image, or `None` if it is about the old one alone.
fn renewed(
    content: &AttachedContent,
    about: &Descriptor,
    moved: &MovedImage,
    provenance: Option<&Statement>,
) -> Result<Option<AttachedDocument>> {
    let (artifact_type, predicate_type, bytes) = match &content.kind {
        AttachedKind::Sbom(format, sbom) if merge::is_ours(*format, sbom) => {
            (format.media_type(), None, moved.sbom(*format, sbom)?)
        }
        AttachedKind::Statement(before) if before.predicate_type == predicate::PROVENANCE && is_ours(before) => {
            let Some(provenance) = provenance else { return Ok(None) };
            (IN_TOTO, Some(predicate::PROVENANCE), provenance.bytes())
        }
        AttachedKind::Statement(before) if predicate::is_vex(&before.predicate_type) => {
            let statement = Statement { subjects: moved_subjects(before, moved), ..before.clone() };
            (IN_TOTO, Some(predicate::VEX), statement.bytes())
        }
        _ => return Ok(None),
    };
    let file = content.file.clone();
    Ok(Some(AttachedDocument { subject: about.clone(), artifact_type, predicate_type, file, bytes }))
}

/// Returns the subjects of a statement, with their new digests.
fn moved_subjects(before: &Statement, moved: &MovedImage) -> Vec<(String, Digest)> {
    let subjects = before.subjects.iter();
    subjects.map(|(name, digest)| (name.clone(), moved.digests.get(digest).unwrap_or(digest).clone())).collect()
}
