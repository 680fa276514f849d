//! Who must have signed, with what it takes to verify that.

use miette::{Report, miette};
use oci_spec::image::Digest;

use super::bundle::Bundle;
use super::certificate::{CertificateVerifier, LogProof};
use super::key::PublicKey;
use super::signature_tag::{TaggedContent, TaggedSignature};
use super::statement::Statement;
use super::tag_evidence::{bundle_of, kept, read_kept};
use crate::error::Result;
use crate::event::Certificate;
use crate::reference::CertificateIdentity;

/// Why a signature with a key is not that of an identity.
const NAMES_NOBODY: &str = "signed with a key, which names nobody";

/// Who must have signed.
#[derive(Clone)]
pub(crate) enum TrustedSigner {
    /// The owner of a key.
    Key(PublicKey),
    /// Whom a certificate names.
    Identity(CertificateIdentity, CertificateVerifier),
}

/// A statement that is signed as it must be.
#[derive(Clone, Debug)]
pub(crate) struct SignedStatement {
    /// The statement.
    pub statement: Statement,
    /// What proves it: the bundle, or what cosign 2 keeps under a tag, as JSON.
    pub evidence: Vec<u8>,
    /// What the certificate says; `None` if it was signed with the key.
    pub certificate: Option<Certificate>,
}

impl TrustedSigner {
    /// Verifies a bundle with a statement about `subject`.
    ///
    /// # Errors
    /// Returns an error if the bytes are not a bundle, somebody else has signed it, what proves that does not verify, or the
    /// statement is about another subject.
    pub(crate) fn verify(&self, bytes: Vec<u8>, subject: &Digest) -> Result<SignedStatement> {
        let bundle = Bundle::read(&bytes)?;
        let (statement, certificate) = match self {
            TrustedSigner::Key(key) => (Statement::read(bundle.verify(key).map_err(Report::from_err)?)?, None),
            TrustedSigner::Identity(..) if bundle.hint.is_some() => return Err(miette!("{NAMES_NOBODY}")),
            TrustedSigner::Identity(expected, verifier) => {
                let statement = Statement::read(&bundle.envelope.payload)?;
                if !statement.is_about(subject) {
                    return Err(miette!("the statement is about another subject"));
                }
                let certificate = verifier.verify_statement(&bytes, subject, LogProof::Inclusion)?;
                check(&certificate, expected)?;
                (statement, Some(certificate))
            }
        };
        if !statement.is_about(subject) {
            return Err(miette!("signed by this key, but for another subject"));
        }
        Ok(SignedStatement { statement, evidence: bytes, certificate })
    }

    /// Verifies what cosign 2 keeps under a tag.
    ///
    /// # Errors
    /// Returns an error if somebody else has signed it, what proves that does not verify, or it is about another subject.
    pub(crate) fn verify_tagged(&self, tagged: &TaggedSignature, subject: &Digest) -> Result<SignedStatement> {
        let (statement, certificate) = match self {
            TrustedSigner::Key(key) => (tagged.verify(subject, key)?, None),
            TrustedSigner::Identity(expected, verifier) => {
                let statement = tagged.statement(subject).ok_or_else(|| match &tagged.content {
                    TaggedContent::Unusable(why) => miette!("{why}"),
                    _ => miette!("the statement is about another subject"),
                })?;
                let bundle = bundle_of(tagged)?.ok_or_else(|| miette!("{NAMES_NOBODY}"))?;
                let certificate = match &tagged.content {
                    TaggedContent::Payload { bytes, .. } => {
                        verifier.verify_content(&bundle, bytes, LogProof::Promise)?
                    }
                    _ => verifier.verify_statement(&bundle, subject, LogProof::Promise)?,
                };
                check(&certificate, expected)?;
                (statement, Some(certificate))
            }
        };
        Ok(SignedStatement { statement, evidence: kept(tagged), certificate })
    }

    /// Verifies the evidence of a statement that was verified before.
    ///
    /// # Errors
    /// See [`TrustedSigner::verify`].
    pub(crate) fn verify_again(&self, evidence: &[u8], subject: &Digest) -> Result<SignedStatement> {
        match read_kept(evidence) {
            Some(tagged) => self.verify_tagged(&tagged, subject),
            None => self.verify(evidence.to_vec(), subject),
        }
    }
}

/// Compares who has signed with who must have.
pub(super) fn check(certificate: &Certificate, expected: &CertificateIdentity) -> Result<()> {
    if !expected.subject.is(&certificate.subject) {
        return Err(miette!("signed by {}, not by {}", certificate.subject, expected.subject));
    }
    if !expected.issuer.is(&certificate.issuer) {
        return Err(miette!(
            "signed by {}, whom {} has identified, not {}",
            certificate.subject,
            certificate.issuer,
            expected.issuer
        ));
    }
    Ok(())
}
