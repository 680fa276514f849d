//! Signed statements about an image, attached to it as cosign 3 does.

use std::collections::HashSet;

use miette::miette;
use oci_spec::image::Descriptor;

use super::bundle::BUNDLE;
use super::bundle::Bundle;
use super::referrer::{Referrer, ReferrerManifest};
use super::signer::Signer;
use super::statement::{IN_TOTO, Statement};
use super::trusted_signer::TrustedSigner;
use super::verify::{sbom_predicate, verify_referrers};
use crate::error::Result;
use crate::image::manifest::Annotations;
use crate::image::{Digest, predicate};
use crate::parallel::{MANY, each};
use crate::store::{MAX_DOCUMENT_BYTES, Memory, Source, read};

/// The annotations of a manifest with a bundle, as cosign writes them.
const CONTENT: &str = "dev.sigstore.bundle.content";
const PREDICATE_TYPE: &str = "dev.sigstore.bundle.predicateType";

/// Signs statements about a subject.
pub(crate) struct SubjectSigner<'a> {
    /// Who signs.
    pub signer: &'a Signer,
    /// The subject.
    pub subject: &'a Descriptor,
    /// The referrers of the subject in `source`.
    pub listed: &'a [Descriptor],
    /// Where the subject and its referrers are.
    pub source: &'a dyn Source,
}

impl SubjectSigner<'_> {
    /// Signs the statements that are not signed in `source` yet, and puts their manifests and blobs into `memory`. Returns
    /// the manifests.
    ///
    /// # Errors
    /// Returns an error if signing fails, or a signed statement is too large to be read again.
    pub(crate) fn sign_missing(&self, statements: &[Statement], memory: &Memory) -> Result<Vec<Descriptor>> {
        let bundles: Vec<_> = self.listed.iter().filter(|entry| !is_unsigned(entry)).cloned().collect();
        let missing: Vec<_> = match self.signer {
            Signer::Key(key) => {
                let mut signed = Vec::new();
                for statement in statements {
                    let referrer = self.sign(statement, memory)?;
                    let digest = referrer.manifest.descriptor.digest();
                    if bundles.iter().all(|entry| entry.digest() != digest) {
                        signed.push((statement, referrer));
                    }
                }
                // Other programs sign the same statement in other bytes.
                if !signed.is_empty() && !bundles.is_empty() {
                    let found = verify_referrers(
                        self.source,
                        &bundles,
                        self.subject.digest(),
                        &TrustedSigner::Key(key.public()),
                    );
                    let known = found.map(|found| found.statements).unwrap_or_default();
                    signed.retain(|(statement, _)| !known.iter().any(|known| is_same(&known.statement, statement)));
                }
                signed.into_iter().map(|(_, referrer)| referrer).collect()
            }
            // An entry in the public log is permanent: a statement that anybody has signed is not signed again.
            Signer::Identity(_) => {
                let known = signed_without_key(self.source, &bundles, self.subject.digest(), statements)?;
                let missing = statements.iter().enumerate().filter(|(at, _)| !known.contains(at));
                missing.map(|(_, statement)| self.sign(statement, memory)).collect::<Result<Vec<_>>>()?
            }
        };
        Ok(missing.iter().map(|referrer| referrer.store(memory)).collect())
    }

    fn sign(&self, statement: &Statement, memory: &Memory) -> Result<Referrer> {
        let bundle = self.signer.sign(statement)?;
        if bundle.len() as u64 > MAX_DOCUMENT_BYTES {
            return Err(miette!(
                help = "leave it out: `cargo oci push --sbom false`, or `cargo oci sign --image-only`",
                "the signed {} of {} has {} bytes: the limit is {MAX_DOCUMENT_BYTES}",
                statement.title(),
                self.subject.digest(),
                bundle.len()
            ));
        }
        let annotations = [(CONTENT, "dsse-envelope"), (PREDICATE_TYPE, &statement.predicate_type)];
        let annotations: Annotations = annotations.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
        Ok(Referrer::with_document(self.subject, BUNDLE, bundle, &annotations, memory))
    }
}

/// Returns which of the statements are in bundles that were signed without a key. The signatures are not verified.
fn signed_without_key(
    source: &dyn Source,
    listed: &[Descriptor],
    subject: &Digest,
    statements: &[Statement],
) -> Result<HashSet<usize>> {
    let signed = each(listed, MANY, |entry| {
        let mut signed = Vec::new();
        let found = ReferrerManifest::read(source, entry)?;
        for content in found.contents.iter().filter(|content| content.media_type().as_ref() == BUNDLE) {
            let bundle = Bundle::read(&read(source, content)?).ok().filter(|bundle| bundle.hint.is_none());
            let known = bundle.and_then(|bundle| Statement::read(&bundle.envelope.payload).ok());
            // Only this is kept: strangers may have attached many statements.
            if let Some(known) = known.filter(|known| known.is_about(subject)) {
                signed.extend((0..statements.len()).filter(|at| is_same(&known, &statements[*at])));
            }
        }
        Ok(signed)
    })?;
    Ok(signed.into_iter().flatten().collect())
}

/// Returns whether two statements say the same.
pub(super) fn is_same(one: &Statement, other: &Statement) -> bool {
    predicate::is_same(&one.predicate_type, &other.predicate_type)
        && (one.is_signature() || one.predicate == other.predicate)
}

/// Returns whether an entry is listed as an unsigned document. The type in a list may differ from that in the manifest.
fn is_unsigned(entry: &Descriptor) -> bool {
    let artifact_type = entry.artifact_type().as_ref().map(ToString::to_string).unwrap_or_default();
    artifact_type == IN_TOTO || sbom_predicate(&artifact_type).is_some()
}

/// Returns the statements of the unsigned documents among `listed`: SBOMs, and statements such as provenance. `name` is the
/// name of the subject in the statements.
///
/// # Errors
/// Returns an error if a document cannot be read.
pub(crate) fn unsigned_statements(
    source: &dyn Source,
    listed: &[Descriptor],
    subject: &Digest,
    name: &str,
) -> Result<Vec<Statement>> {
    let unsigned: Vec<_> = listed.iter().filter(|entry| is_unsigned(entry)).collect();
    let statements = each(&unsigned, MANY, |entry| {
        let mut statements = Vec::new();
        let found = ReferrerManifest::read(source, entry)?;
        if found.subject.as_ref().is_none_or(|of| of.digest() != subject) {
            return Ok(statements);
        }
        for content in found.contents.iter().filter(|content| content.size() <= MAX_DOCUMENT_BYTES) {
            let bytes = read(source, content)?;
            statements.extend(match sbom_predicate(&found.artifact_type) {
                // An SBOM in another format than JSON cannot be a predicate.
                Some(kind) => serde_json::from_slice(&bytes).ok().map(|sbom| Statement::new(name, subject, kind, sbom)),
                None => Statement::read(&bytes).ok().filter(|found| found.is_about(subject) && !found.is_signature()),
            });
        }
        Ok(statements)
    })?;
    Ok(statements.into_iter().flatten().collect())
}
