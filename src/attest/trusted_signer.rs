//! Who must have signed, with what it takes to verify that.

use miette::{Report, miette};
use oci_spec::image::Digest;

use super::bundle::Bundle;
use super::certificate::CertificateVerifier;
use super::key::PublicKey;
use super::statement::Statement;
use crate::error::Result;
use crate::event::Certificate;
use crate::reference::CertificateIdentity;

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
    /// The bytes of the bundle.
    pub bundle: Vec<u8>,
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
            TrustedSigner::Identity(..) if bundle.hint.is_some() => {
                return Err(miette!("signed with a key, which names nobody"));
            }
            TrustedSigner::Identity(expected, verifier) => {
                let statement = Statement::read(&bundle.envelope.payload)?;
                if !statement.is_about(subject) {
                    return Err(miette!("the statement is about another subject"));
                }
                let certificate = verifier.verify_statement(&bytes, subject)?;
                check(&certificate, expected)?;
                (statement, Some(certificate))
            }
        };
        if !statement.is_about(subject) {
            return Err(miette!("signed by this key, but for another subject"));
        }
        Ok(SignedStatement { statement, bundle: bytes, certificate })
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
