//! What is attached to an index: its SBOMs, its provenance and its VEX documents, made of those of its parts.

use oci_spec::image::Descriptor;
use serde_json::Value;

use super::part::{IndexPart, PartPlace};
use crate::attest::Statement;
use crate::attest::attached::{AttachedContent, AttachedKind};
use crate::attest::document::AttachedDocument;
use crate::attest::provenance::{IndexedImage, index_provenance};
use crate::attest::sbom::contents::SbomSubject;
use crate::attest::sbom::merge::{is_ours, merge};
use crate::attest::statement::IN_TOTO;
use crate::config::SbomFormat;
use crate::error::Result;
use crate::image::predicate;
use crate::parallel::{MANY, each};
use crate::registry::Registry;
use crate::store::LimitedSource;

/// What is attached to a part.
#[derive(Default)]
pub(super) struct PartDocuments {
    sboms: Vec<(SbomFormat, Value)>,
    statements: Vec<Statement>,
}

/// The image that documents are made for.
pub(super) struct IndexSubject<'a> {
    /// Its name, its version, its digest and its time.
    pub named: SbomSubject<'a>,
    /// Its index.
    pub root: &'a Descriptor,
}

impl PartDocuments {
    /// Reads what is attached to a part. What cannot be read is left out: anybody may attach anything.
    ///
    /// # Errors
    /// Returns an error if the registry does not respond.
    pub(super) fn read(part: &IndexPart, place: &PartPlace, here: &Registry) -> Result<PartDocuments> {
        let digest = part.descriptor.digest();
        let referrers = place.referrers(here, digest)?;
        let source = LimitedSource::new(place.source(here));
        let read = each(&referrers, MANY, |entry| Ok(AttachedContent::read(&source, entry, digest)))?;
        let mut documents = PartDocuments::default();
        for content in read.into_iter().flatten() {
            match content.kind {
                AttachedKind::Sbom(format, sbom) => documents.sboms.push((format, sbom)),
                AttachedKind::Statement(statement) => documents.statements.push(statement),
            }
        }
        Ok(documents)
    }

    fn sbom(&self, format: SbomFormat) -> Option<Value> {
        self.sboms.iter().find(|(of, sbom)| *of == format && is_ours(format, sbom)).map(|(_, sbom)| sbom.clone())
    }

    fn provenance(&self) -> Option<Statement> {
        self.statements.iter().find(|statement| statement.predicate_type == predicate::PROVENANCE).cloned()
    }

    fn has_vex(&self, wanted: &Value) -> bool {
        self.vex().any(|statement| statement.predicate == *wanted)
    }

    fn vex(&self) -> impl Iterator<Item = &Statement> {
        self.statements.iter().filter(|statement| predicate::is_vex(&statement.predicate_type))
    }
}

/// Returns the documents of an index: an SBOM in each format in which all parts have one of ours, provenance if a part has it,
/// and the VEX documents of all parts.
///
/// # Errors
/// Returns an error if an SBOM is too large.
pub(super) fn of_index(
    index: &IndexSubject,
    parts: &[(&IndexPart, PartDocuments, Option<String>)],
) -> Result<Vec<AttachedDocument>> {
    let name = index.named.name;
    let mut documents = Vec::new();
    for format in SbomFormat::ALL {
        let sboms: Option<Vec<Value>> = parts.iter().map(|(_, own, _)| own.sbom(format)).collect();
        if let Some(sboms) = sboms.filter(|sboms| !sboms.is_empty()) {
            documents.push(AttachedDocument {
                subject: index.root.clone(),
                artifact_type: format.media_type(),
                predicate_type: None,
                file: format!("{name}.{}", format.extension()),
                bytes: merge(format, index.named, &sboms)?,
            });
        }
    }
    let statement = |statement: &Statement, predicate_type, file| AttachedDocument {
        subject: index.root.clone(),
        artifact_type: IN_TOTO,
        predicate_type: Some(predicate_type),
        file,
        bytes: statement.bytes(),
    };
    let subject = (name.to_owned(), index.root.digest().clone());
    if parts.iter().any(|(_, own, _)| own.provenance().is_some()) {
        let images = parts.iter().map(|(part, own, repository)| IndexedImage {
            platform: part.platform.clone(),
            repository: repository.clone(),
            digest: part.descriptor.digest().clone(),
            provenance: own.provenance(),
        });
        let made = index_provenance(subject.clone(), &images.collect::<Vec<_>>());
        documents.push(statement(&made, predicate::PROVENANCE, format!("{name}.provenance.json")));
    }
    let [(_, first, _), rest @ ..] = parts else { return Ok(documents) };
    let shared = first.vex().filter(|vex| rest.iter().all(|(_, own, _)| own.has_vex(&vex.predicate)));
    for (at, vex) in shared.enumerate() {
        let file = if at == 0 { format!("{name}.openvex.json") } else { format!("{name}-{at}.openvex.json") };
        let made = Statement { subjects: vec![subject.clone()], ..vex.clone() };
        documents.push(statement(&made, predicate::VEX, file));
    }
    Ok(documents)
}
