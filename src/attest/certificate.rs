//! Bundles that were signed without a key: the certificate names who has signed, and a public log has the signature.
//!
//! sigstore's own library verifies them (sigstore client specification, section "Verification"): the certificate up to the
//! authority, its entry in a certificate log, the time of the signature, the entry in the log, and the signature itself.

use std::sync::Arc;

use miette::{Report, miette};
use oci_spec::image::{Digest, DigestAlgorithm};
use sigstore_verify::crypto::CertificateInfo;
use sigstore_verify::trust_root::TrustedRoot;
use sigstore_verify::types::{Artifact, Bundle, Sha256Hash};
use sigstore_verify::{VerificationPolicy, VerificationResult, Verifier};

use super::certificate_error::words;
use super::crypto;
use crate::error::Result;
use crate::event::Certificate;

/// Verifies what was signed without a key.
#[derive(Clone)]
pub(crate) struct CertificateVerifier(Arc<Verifier>);

/// What proves that a signature is in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LogProof {
    /// A path of hashes up to a checkpoint that the log has signed.
    Inclusion,
    /// The promise of the log to include it, which is all that cosign 2 keeps.
    Promise,
}

impl CertificateVerifier {
    /// Creates a verifier that trusts the authorities and logs of `root`.
    ///
    /// # Errors
    /// Returns an error if a key or a certificate among them is invalid.
    pub(crate) fn new(root: &TrustedRoot) -> Result<CertificateVerifier> {
        crypto::install();
        let verifier = Verifier::new(root).map_err(Report::from_err)?;
        Ok(CertificateVerifier(Arc::new(verifier)))
    }

    /// Verifies a bundle with a statement about `subject`, and returns who has signed it.
    ///
    /// # Errors
    /// Returns an error if the bundle is malformed, or something in it does not verify.
    pub(crate) fn verify_statement(&self, bundle: &[u8], subject: &Digest, proof: LogProof) -> Result<Certificate> {
        if *subject.algorithm() != DigestAlgorithm::Sha256 {
            return Err(miette!("a digest by {} cannot be verified without a key", subject.algorithm()));
        }
        let subject = Sha256Hash::from_hex(subject.digest()).map_err(Report::from_err)?;
        self.verify(bundle, Artifact::from_digest(subject), proof)
    }

    /// Verifies a bundle with the signature of `content`, and returns who has signed it.
    ///
    /// # Errors
    /// Returns an error if the bundle is malformed, or something in it does not verify.
    pub(crate) fn verify_content(&self, bundle: &[u8], content: &[u8], proof: LogProof) -> Result<Certificate> {
        self.verify(bundle, Artifact::from_blob(content), proof)
    }

    fn verify(&self, bundle: &[u8], artifact: Artifact, proof: LogProof) -> Result<Certificate> {
        let text = str::from_utf8(bundle).map_err(|_| miette!("the bundle is not valid UTF-8"))?;
        let bundle = Bundle::from_json(text).map_err(|error| miette!("it cannot be read: {error}"))?;
        // Who that is, is for the caller to compare: it may be a regular expression.
        let any = VerificationPolicy::any_identity();
        let policy = if proof == LogProof::Promise { any.skip_tlog_unsafe() } else { any };
        let verified = self.0.verify(artifact, &bundle, &policy).map_err(|error| miette!("{}", words(&error)))?;
        certificate(&verified, &bundle)
    }
}

/// Returns what the certificate says, and when it was used.
fn certificate(verified: &VerificationResult, bundle: &Bundle) -> Result<Certificate> {
    let subject = verified.identity().ok_or_else(|| miette!("the certificate names nobody"))?;
    let issuer = verified.issuer().ok_or_else(|| miette!("the certificate does not say who has identified them"))?;
    let entry = bundle.verification_material.tlog_entries.first();
    let found = Certificate {
        subject: subject.as_str().to_owned(),
        issuer: issuer.to_owned(),
        signed_at: verified.verified_timestamps().iter().min().copied(),
        log_index: entry.map(|entry| entry.log_index.get()),
        ..Certificate::default()
    };
    Ok(match verified.certificate() {
        Some(certificate) => with_claims(found, certificate),
        None => found,
    })
}

/// Adds what Fulcio has written of the token of a CI service (`sigstore/fulcio`, `docs/oid-info.md`).
fn with_claims(found: Certificate, certificate: &CertificateInfo) -> Certificate {
    let claims = &certificate.ci_claims;
    let before = &claims.deprecated_github;
    let either = |now: &Option<String>, before: &Option<String>| now.clone().or_else(|| before.clone());
    let repository = before.workflow_repository.as_ref().map(|name| format!("https://github.com/{name}"));
    Certificate {
        repository: either(&claims.source_repository_uri, &repository),
        revision: either(&claims.source_repository_digest, &before.workflow_sha),
        git_ref: either(&claims.source_repository_ref, &before.workflow_ref),
        workflow: claims.build_config_uri.clone(),
        trigger: either(&claims.build_trigger, &before.workflow_trigger),
        run: claims.run_invocation_uri.clone(),
        ..found
    }
}
