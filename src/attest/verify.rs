//! Verifies the referrers of an image: what of them somebody who is trusted has signed.
//!
//! Anybody who may push can attach anything. So what is not signed as it must be is reported, and is never trusted; and it
//! never makes an image that is signed one that is not.

use std::collections::HashSet;
use std::io;

use miette::{Context, Report, miette};
use oci_spec::image::Descriptor;
use serde::Deserialize;

use super::bundle::BUNDLE;
use super::referrer::ReferrerManifest;
use super::same_json;
use super::signature_tag::TaggedSignature;
use super::statement::{IN_TOTO, Statement};
use super::trusted_signer::{SignedStatement, TrustedSigner};
use crate::config::sbom::SPDX_AS_TEXT;
use crate::error::Result;
use crate::event::{RejectedReferrer, UnsignedDocument};
use crate::image::{Digest, predicate};
use crate::parallel::{FEW, MANY, each, each_of};
use crate::reference::SignerReference;
use crate::store::error::{is_of_content, read_error};
use crate::store::{MAX_DOCUMENT_BYTES, Missing, Source, open, read};
use crate::unique::each_once;

/// The artifact types of unsigned SBOMs, each with the predicate type of the same SBOM when it is signed.
const SBOMS: [(&str, &str); 3] = [
    ("application/vnd.cyclonedx+json", predicate::CYCLONEDX),
    ("application/spdx+json", predicate::SPDX),
    (SPDX_AS_TEXT, predicate::SPDX),
];

/// The referrers of a subject, verified.
#[derive(Clone, Debug, Default)]
pub(crate) struct Verification {
    /// The statements that are signed as they must be.
    pub statements: Vec<SignedStatement>,
    /// What is not: bundles of others, and what cannot be read.
    pub rejected: Vec<RejectedReferrer>,
    /// SBOMs, provenance and VEX documents without a signature.
    pub unsigned: Vec<UnsignedDocument>,
    /// The manifests that hold only what is signed as it must be: bundles, and documents that equal a signed statement.
    pub signed: Vec<Digest>,
}

/// The most bytes of a bundle that is read beside others.
const SMALL_BUNDLE: u64 = 64 << 10;

/// A listed referrer of the subject.
struct ListedReferrer {
    digest: Digest,
    /// The predicate type, if it is an SBOM.
    sbom: Option<&'static str>,
    /// The blobs with bundles.
    bundles: Vec<Descriptor>,
    /// The blobs with documents.
    documents: Vec<Descriptor>,
}

/// What is read of a statement to know its type.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct StatementType {
    #[serde(default)]
    predicate_type: String,
}

/// Returns the predicate type of SBOMs of an artifact type, or `None` if the type is not an SBOM.
pub(crate) fn sbom_predicate(artifact_type: &str) -> Option<&'static str> {
    SBOMS.iter().find(|(own, _)| *own == artifact_type).map(|(_, predicate_type)| *predicate_type)
}

impl Verification {
    /// Returns whether a statement of that type is signed.
    pub(crate) fn has_statement(&self, predicate_type: &str) -> bool {
        self.statements_of(predicate_type).next().is_some()
    }

    /// Returns whether an unsigned document of that type is attached.
    pub(crate) fn has_unsigned(&self, predicate_type: &str) -> bool {
        self.unsigned.iter().any(|document| document.predicate_type == predicate_type)
    }

    /// Returns whether the subject itself is signed. Other statements about it do not count.
    pub(crate) fn is_signed(&self) -> bool {
        self.signature().is_some()
    }

    /// Returns the signature of the subject, or `None` if it is not signed.
    pub(crate) fn signature(&self) -> Option<&SignedStatement> {
        self.statements.iter().find(|signed| signed.statement.is_signature())
    }

    /// Returns the error that `image` is not signed by `signer`.
    pub(crate) fn not_signed_error(&self, image: &str, signer: &SignerReference) -> Report {
        let report = if self.rejected.is_empty() {
            let sign = match signer {
                SignerReference::Key(_) => "--key PRIVATE-KEY",
                SignerReference::Identity(_) => "--keyless",
            };
            miette!(
                help = format!("sign it with `cargo oci sign {image} {sign}`"),
                "no signature is attached to {image}"
            )
        } else {
            let name = match signer {
                SignerReference::Key(_) => "verify with the public key of the signer",
                SignerReference::Identity(_) => "name the identity that has signed it, and its issuer",
            };
            let reasons = self.rejected.iter().map(|rejected| format!("{}: {}", rejected.digest, rejected.reason));
            miette!(
                help = format!("{name}; list the signatures with `cargo oci referrers {image}`"),
                "{}",
                each_once(reasons).join("\n")
            )
        };
        report.wrap_err(format!("{image} is not signed by {signer}"))
    }

    /// Returns the statements of a type that are signed.
    pub(crate) fn statements_of(&self, predicate_type: &str) -> impl Iterator<Item = &Statement> {
        let signed = self.statements.iter().map(|signed| &signed.statement);
        signed.filter(move |statement| predicate::is_same(&statement.predicate_type, predicate_type))
    }

    /// Returns what a document is, or `None` if it is no SBOM, provenance or VEX document.
    ///
    /// # Errors
    /// Returns an error if it cannot be read.
    fn document(
        &self,
        source: &dyn Source,
        found: &ListedReferrer,
        content: &Descriptor,
    ) -> Result<Option<UnsignedDocument>> {
        let digest = found.digest.clone();
        let unsigned = |predicate_type, is_signed| Some(UnsignedDocument { digest, predicate_type, is_signed });
        if content.size() > MAX_DOCUMENT_BYTES {
            io::copy(&mut open(source, content)?, &mut io::sink()).map_err(read_error)?;
            return Ok(found.sbom.and_then(|sbom| unsigned(sbom, false)));
        }
        let bytes = read(source, content)?;
        let (predicate_type, is_statement) = match found.sbom {
            Some(sbom) => (sbom, false),
            None => match serde_json::from_slice::<StatementType>(&bytes).map(|found| found.predicate_type) {
                Ok(kind) if kind == predicate::PROVENANCE => (predicate::PROVENANCE, true),
                Ok(kind) if predicate::is_vex(&kind) => (predicate::VEX, true),
                _ => return Ok(None),
            },
        };
        let is_same = if is_statement { same_json::has_predicate } else { same_json::is_same };
        let is_signed = self.statements_of(predicate_type).any(|said| is_same(&bytes, &said.predicate));
        Ok(unsigned(predicate_type, is_signed))
    }

    fn reject(&mut self, digest: &Digest, reason: impl Into<String>) {
        let rejected = RejectedReferrer { digest: digest.clone(), reason: reason.into() };
        if !self.rejected.contains(&rejected) {
            self.rejected.push(rejected);
        }
    }
}

/// Verifies those of the `listed` referrers that are attached to `subject`.
///
/// # Errors
/// Returns an error if the store fails, or there is too much to read.
pub(crate) fn verify_referrers(
    source: &dyn Source,
    listed: &[Descriptor],
    subject: &Digest,
    signer: &TrustedSigner,
) -> Result<Verification> {
    let mut verification = Verification::default();
    let mut found = Vec::new();
    let manifests = each(listed, MANY, |entry| {
        readable(find(source, entry, subject)).wrap_err_with(|| unusable(entry.digest(), subject))
    })?;
    for (entry, manifest) in listed.iter().zip(manifests) {
        match manifest {
            Ok(manifest) => found.extend(manifest),
            Err(reason) => verification.reject(entry.digest(), reason),
        }
    }
    verify_bundles(&mut verification, source, &found, subject, signer)?;
    check_documents(&mut verification, source, &found, subject)?;
    Ok(verification)
}

/// Adds the statements about `subject` in a manifest that a signed index lists, as BuildKit writes them: the signature of the
/// index covers them, which `signature` is.
///
/// # Errors
/// Returns an error if the store fails, or there is too much to read.
pub(crate) fn add_covered(
    verification: &mut Verification,
    source: &dyn Source,
    entry: &Descriptor,
    subject: &Digest,
    signature: &SignedStatement,
) -> Result<()> {
    let contents = match readable(ReferrerManifest::read(source, entry))? {
        Ok(manifest) => manifest.contents,
        Err(reason) => {
            verification.reject(entry.digest(), reason);
            return Ok(());
        }
    };
    for content in contents.iter().filter(|content| content.media_type().as_ref() == IN_TOTO) {
        match readable(read(source, content))?.map(|bytes| Statement::read(&bytes)) {
            Ok(Ok(statement)) if statement.is_about(subject) && !statement.is_signature() => {
                verification.statements.push(SignedStatement { statement, ..signature.clone() });
            }
            Ok(Ok(_)) => verification.reject(entry.digest(), "the statement is about another subject"),
            Ok(Err(error)) => verification.reject(entry.digest(), reason(&error)),
            Err(reason) => verification.reject(entry.digest(), reason),
        }
    }
    Ok(())
}

/// Verifies what is under the tags of cosign 2, and adds it to what is known of the subject.
pub(crate) fn verify_tagged(
    verification: &mut Verification,
    tagged: &[TaggedSignature],
    subject: &Digest,
    signer: &TrustedSigner,
) {
    for found in tagged {
        match signer.verify_tagged(found, subject) {
            Ok(signed) => verification.statements.push(signed),
            Err(error) => verification.reject(&found.layer, reason(&error)),
        }
    }
}

/// Verifies the bundles, each once, however many manifests have it.
fn verify_bundles(
    verification: &mut Verification,
    source: &dyn Source,
    found: &[ListedReferrer],
    subject: &Digest,
    signer: &TrustedSigner,
) -> Result<()> {
    let contents = each_digest(found.iter().flat_map(|found| &found.bundles));
    // What is read of a large one may need many times its size: one at a time.
    let (small, large): (Vec<_>, Vec<_>) = contents.into_iter().partition(|content| content.size() <= SMALL_BUNDLE);
    let verified = each_of(&[(&small, FEW), (&large, 1)], |content| {
        let bundle = readable(read(source, content)).wrap_err_with(|| unusable(content.digest(), subject))?;
        Ok(bundle.map(|bundle| signer.verify(bundle, subject)))
    })?;
    let contents = [small, large].concat();
    for manifest in found.iter().filter(|manifest| !manifest.bundles.is_empty()) {
        let mut is_signed = manifest.documents.is_empty();
        for bundle in &manifest.bundles {
            // All of them are among the contents.
            let Some(at) = contents.iter().position(|content| content.digest() == bundle.digest()) else { continue };
            match &verified[at] {
                Ok(Ok(_)) => {}
                Ok(Err(error)) => {
                    is_signed = false;
                    verification.reject(&manifest.digest, reason(error));
                }
                Err(reason) => {
                    is_signed = false;
                    verification.reject(&manifest.digest, reason.clone());
                }
            }
        }
        if is_signed {
            verification.signed.push(manifest.digest.clone());
        }
    }
    verification.statements.extend(verified.into_iter().flatten().flatten());
    Ok(())
}

/// Finds out what the documents without signatures are, each once, however many manifests have it.
fn check_documents(
    verification: &mut Verification,
    source: &dyn Source,
    found: &[ListedReferrer],
    subject: &Digest,
) -> Result<()> {
    let mut documents: Vec<(&ListedReferrer, &Descriptor)> = Vec::new();
    let mut copies: Vec<(&ListedReferrer, usize)> = Vec::new();
    for manifest in found {
        for content in &manifest.documents {
            let known = documents.iter().position(|(first, known)| {
                known.digest() == content.digest() && known.size() == content.size() && first.sbom == manifest.sbom
            });
            let at = known.unwrap_or_else(|| {
                documents.push((manifest, content));
                documents.len() - 1
            });
            copies.push((manifest, at));
        }
    }
    let checked = each(&documents, FEW, |(manifest, content)| {
        readable(verification.document(source, manifest, content)).wrap_err_with(|| unusable(&manifest.digest, subject))
    })?;
    for (manifest, at) in copies {
        match &checked[at] {
            Ok(Some(document)) => {
                verification.unsigned.push(UnsignedDocument { digest: manifest.digest.clone(), ..document.clone() });
                if document.is_signed {
                    verification.signed.push(manifest.digest.clone());
                }
            }
            Ok(None) => {}
            Err(reason) => verification.reject(&manifest.digest, reason.clone()),
        }
    }
    Ok(())
}

/// Reads the manifest of a listed referrer. Returns `None` if it is attached to something else: a list may be wrong, and the
/// subject in the manifest counts.
fn find(source: &dyn Source, entry: &Descriptor, subject: &Digest) -> Result<Option<ListedReferrer>> {
    let manifest = ReferrerManifest::read(source, entry)?;
    if manifest.subject.as_ref().is_none_or(|of| of.digest() != subject) {
        return Ok(None);
    }
    let sbom = sbom_predicate(&manifest.artifact_type);
    let is_bundles = manifest.artifact_type == BUNDLE;
    let (bundles, others): (Vec<_>, Vec<_>) =
        manifest.contents.into_iter().partition(|content| is_bundles || content.media_type().as_ref() == BUNDLE);
    let is_document = sbom.is_some() || manifest.artifact_type == IN_TOTO;
    let documents = if is_document { others } else { Vec::new() };
    Ok(Some(ListedReferrer { digest: entry.digest().clone(), sbom, bundles, documents }))
}

/// Returns each descriptor once, by its digest.
fn each_digest<'a>(descriptors: impl Iterator<Item = &'a Descriptor>) -> Vec<&'a Descriptor> {
    let mut known = HashSet::new();
    descriptors.filter(|descriptor| known.insert((descriptor.digest(), descriptor.size()))).collect()
}

/// Returns what was read, or why content that anybody may have attached is none.
///
/// # Errors
/// Returns an error if the store fails.
fn readable<T>(read: Result<T>) -> Result<Result<T, String>> {
    match read {
        Ok(content) => Ok(Ok(content)),
        // A list may name manifests that were deleted.
        Err(error) if error.downcast_ref::<Missing>().is_some() => Ok(Err("listed, but not found".to_owned())),
        Err(error) if is_of_content(&error) => Ok(Err(reason(&error))),
        Err(error) => Err(error),
    }
}

/// Returns an error in one line.
fn reason(error: &Report) -> String {
    error.chain().map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

fn unusable(digest: &Digest, subject: &Digest) -> String {
    format!("cannot use {digest}, which is attached to {subject}")
}
