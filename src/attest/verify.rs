//! Verifies the referrers of an image with a key.

use std::io;

use miette::{Context, Report, miette};
use oci_spec::image::Descriptor;
use serde_json::Value;

use super::bundle::{BUNDLE, Bundle, BundleError};
use super::key::PublicKey;
use super::referrer::ReferrerManifest;
use super::statement::{IN_TOTO, Statement};
use crate::config::sbom::SPDX_AS_TEXT;
use crate::error::{Result, with_help};
use crate::image::{Digest, predicate};
use crate::parallel::{MANY, each};
use crate::store::{MAX_DOCUMENT_BYTES, Missing, Source, open, read};

/// The artifact types of unsigned SBOMs, each with the predicate type of the same SBOM when it is signed.
const SBOMS: [(&str, &str); 3] = [
    ("application/vnd.cyclonedx+json", predicate::CYCLONEDX),
    ("application/spdx+json", predicate::SPDX),
    (SPDX_AS_TEXT, predicate::SPDX),
];
const TAMPERED: &str =
    "do not use the image: it may have been tampered with; list what is attached with `cargo oci referrers`";

/// A statement that the key has signed.
#[derive(Clone, Debug)]
pub(crate) struct SignedStatement {
    /// The statement.
    pub statement: Statement,
    /// The bytes of the bundle.
    pub bundle: Vec<u8>,
}

/// A referrer that was not accepted.
#[derive(Clone, Debug)]
pub(crate) struct RejectedReferrer {
    /// The digest of its manifest.
    pub digest: Digest,
    /// Why it was rejected.
    pub reason: String,
}

/// The referrers of a subject, verified with a key.
#[derive(Clone, Debug, Default)]
pub(crate) struct Verification {
    /// The statements that the key has signed.
    pub statements: Vec<SignedStatement>,
    /// The bundles that the key has not signed for this subject.
    pub rejected: Vec<RejectedReferrer>,
    /// The predicate types of unsigned SBOMs, provenance and VEX documents.
    pub unsigned: Vec<&'static str>,
    /// The manifests that hold only what the key has signed: bundles, and documents that equal a signed statement.
    pub signed: Vec<Digest>,
}

/// A document without a signature of its own.
struct CheckedDocument {
    /// Its predicate type.
    predicate_type: &'static str,
    /// Whether it equals a statement that the key has signed.
    is_signed: bool,
}

/// What a listed referrer holds.
#[derive(Default)]
struct ReferrerContents {
    /// Statements that the key has signed.
    statements: Vec<SignedStatement>,
    /// Why the referrer, or a bundle in it, was not accepted.
    rejected: Vec<RejectedReferrer>,
    /// What may be an unsigned document.
    documents: Vec<UnsignedDocument>,
    /// The manifest, if it holds nothing but bundles of the key.
    signed: Option<Digest>,
}

/// What may be an unsigned SBOM, provenance or VEX document.
struct UnsignedDocument {
    /// The digest of the manifest.
    digest: Digest,
    content: Descriptor,
    /// The predicate type of an SBOM, or `None` if the document names it.
    sbom: Option<&'static str>,
}

/// Returns the predicate type of SBOMs of an artifact type, or `None` if the type is not an SBOM.
pub(super) fn sbom_predicate(artifact_type: &str) -> Option<&'static str> {
    SBOMS.iter().find(|(own, _)| *own == artifact_type).map(|(_, predicate_type)| *predicate_type)
}

impl Verification {
    /// Returns whether the key has signed a statement of that type.
    pub(crate) fn has_statement(&self, predicate_type: &str) -> bool {
        let mut signed = self.statements.iter().map(|signed| &signed.statement);
        signed.any(|statement| predicate::is_same(&statement.predicate_type, predicate_type))
    }

    /// Returns whether the subject itself is signed. Other statements about it do not count.
    pub(crate) fn is_signed(&self) -> bool {
        self.signature().is_some()
    }

    /// Returns the signature of the subject, or `None` if the key has not signed it.
    pub(crate) fn signature(&self) -> Option<&SignedStatement> {
        self.statements.iter().find(|signed| signed.statement.is_signature())
    }

    /// Returns the error that the key has not signed `image`.
    pub(crate) fn not_signed_error(&self, image: &str, key: &str) -> Report {
        let report = if self.rejected.is_empty() {
            miette!(
                help = format!("sign it with `cargo oci sign {image} --key PRIVATE-KEY`"),
                "no signature by this key is attached to {image}"
            )
        } else {
            let reasons = self.rejected.iter().map(|rejected| format!("{}: {}", rejected.digest, rejected.reason));
            miette!(
                help = format!(
                    "verify with the public key of the signer; list the signatures with `cargo oci referrers {image}`"
                ),
                "{}",
                reasons.collect::<Vec<_>>().join("\n")
            )
        };
        report.wrap_err(format!("{image} is not signed by {key}"))
    }

    /// Returns the predicate type of an unsigned document, or `None` if it is another document. If the key has signed such
    /// documents, it must equal one of them.
    fn check_unsigned(&self, source: &dyn Source, document: &UnsignedDocument) -> Result<Option<CheckedDocument>> {
        let UnsignedDocument { digest, content, sbom } = document;
        let json = read_json(source, content)?;
        let (predicate_type, predicate) = match (*sbom, json) {
            (Some(sbom), json) => (sbom, json),
            (None, Some(mut statement)) => match statement["predicateType"].as_str() {
                // The same image may be built more than once: provenance is not compared.
                Some(predicate::PROVENANCE) => {
                    let predicate = statement["predicate"].take();
                    let is_signed = self.statements_of(predicate::PROVENANCE).any(|own| own.predicate == predicate);
                    return Ok(Some(CheckedDocument { predicate_type: predicate::PROVENANCE, is_signed }));
                }
                Some(kind) if predicate::is_vex(kind) => (predicate::VEX, Some(statement["predicate"].take())),
                _ => return Ok(None),
            },
            (None, None) => return Ok(None),
        };
        let mut signed = self.statements_of(predicate_type).peekable();
        let (has_signed, Some(predicate)) = (signed.peek().is_some(), predicate) else {
            return Ok(Some(CheckedDocument { predicate_type, is_signed: false }));
        };
        let is_signed = signed.any(|statement| statement.predicate == predicate);
        if has_signed && !is_signed {
            let title = predicate::title(predicate_type);
            return Err(miette!(help = TAMPERED, "the {title} {digest} differs from the one signed by the key"));
        }
        Ok(Some(CheckedDocument { predicate_type, is_signed }))
    }

    /// Returns the statements of a type that the key has signed.
    fn statements_of(&self, predicate_type: &str) -> impl Iterator<Item = &Statement> {
        let signed = self.statements.iter().map(|signed| &signed.statement);
        signed.filter(move |statement| predicate::is_same(&statement.predicate_type, predicate_type))
    }
}

/// Verifies those of the `listed` referrers that are attached to `subject`.
///
/// # Errors
/// Returns an error if content does not match its digest, a bundle of this key was modified, or an unsigned SBOM or VEX
/// document differs from the signed ones.
pub(crate) fn verify_referrers(
    source: &dyn Source,
    listed: &[Descriptor],
    subject: &Digest,
    key: &PublicKey,
) -> Result<Verification> {
    let mut verification = Verification::default();
    let mut documents = Vec::new();
    for found in each(listed, MANY, |entry| contents(source, entry, subject, key))? {
        verification.statements.extend(found.statements);
        verification.rejected.extend(found.rejected);
        verification.signed.extend(found.signed);
        documents.extend(found.documents);
    }
    let checked = each(&documents, MANY, |document| {
        verification.check_unsigned(source, document).wrap_err_with(|| unusable(&document.digest, subject))
    })?;
    for (document, checked) in documents.iter().zip(checked) {
        let Some(checked) = checked else { continue };
        verification.unsigned.push(checked.predicate_type);
        if checked.is_signed {
            verification.signed.push(document.digest.clone());
        }
    }
    Ok(verification)
}

fn unusable(digest: &Digest, subject: &Digest) -> String {
    format!("cannot use {digest}, which is attached to {subject}")
}

/// Reads a listed referrer, and verifies its bundles.
fn contents(source: &dyn Source, entry: &Descriptor, subject: &Digest, key: &PublicKey) -> Result<ReferrerContents> {
    let mut contents = ReferrerContents::default();
    let rejected = |reason: String| RejectedReferrer { digest: entry.digest().clone(), reason };
    let found = match ReferrerManifest::read(source, entry) {
        // A list may name manifests that were deleted.
        Err(error) if error.downcast_ref::<Missing>().is_some() => {
            contents.rejected.push(rejected("listed, but not found".to_owned()));
            return Ok(contents);
        }
        found => found.wrap_err_with(|| unusable(entry.digest(), subject))?,
    };
    // A list may be wrong: the subject in the manifest counts.
    if found.subject.as_ref().is_none_or(|of| of.digest() != subject) {
        return Ok(contents);
    }
    let sbom = sbom_predicate(&found.artifact_type);
    let count = found.contents.len();
    for content in found.contents {
        let is_bundle = content.media_type().as_ref() == BUNDLE || found.artifact_type == BUNDLE;
        if is_bundle {
            let bundle = read(source, &content).wrap_err_with(|| unusable(entry.digest(), subject))?;
            match verify_bundle(&bundle, subject, key) {
                Ok(statement) => contents.statements.push(SignedStatement { statement, bundle }),
                Err(error) if error.downcast_ref() == Some(&BundleError::Modified) => {
                    return Err(with_help(error.wrap_err(unusable(entry.digest(), subject)), TAMPERED.to_owned()));
                }
                Err(error) => contents.rejected.push(rejected(error.to_string())),
            }
        }
        if sbom.is_some() || found.artifact_type == IN_TOTO {
            contents.documents.push(UnsignedDocument { digest: entry.digest().clone(), content, sbom });
        }
    }
    let has_only_bundles = count > 0 && contents.statements.len() == count;
    contents.signed = has_only_bundles.then(|| entry.digest().clone());
    Ok(contents)
}

/// Verifies a bundle and returns its statement.
///
/// # Errors
/// Returns an error if the bytes are not a bundle, the key has not signed it ([`BundleError`]), or the statement is about
/// another subject.
pub(crate) fn verify_bundle(bytes: &[u8], subject: &Digest, key: &PublicKey) -> Result<Statement> {
    let bundle = Bundle::read(bytes)?;
    let statement = Statement::read(bundle.verify(key).map_err(Report::from_err)?)?;
    if statement.is_about(subject) {
        Ok(statement)
    } else {
        Err(miette!("signed by this key, but for another subject"))
    }
}

/// Reads a document and checks its digest. Returns `None` if it is too large, or is not JSON: then it is never a predicate.
fn read_json(source: &dyn Source, content: &Descriptor) -> Result<Option<Value>> {
    if content.size() > MAX_DOCUMENT_BYTES {
        io::copy(&mut open(source, content)?, &mut io::sink()).map_err(crate::store::ReadError)?;
        return Ok(None);
    }
    Ok(serde_json::from_slice(&read(source, content)?).ok())
}
