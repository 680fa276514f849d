//! Whom the certificates of signatures must name.

use std::path::PathBuf;

use clap::builder::NonEmptyStringValueParser;
use clap::{Args, ValueHint};

use crate::reference::{CertificateIdentity, IdentityPattern, KeyReference, SignerReference};

/// Whom a certificate must name: the groups `identity` and `issuer`.
#[derive(Args, Clone, Debug, Default)]
pub struct IdentityArgs {
    /// Verify what was signed without a key, by this subject of the certificate: an e-mail address, or the URI of a workflow
    #[arg(long, value_name = "SUBJECT", group = "identity", requires = "issuer", value_parser = NonEmptyStringValueParser::new())]
    pub certificate_identity: Option<String>,
    /// The same, by a regular expression that matches a part of the subject; `^` and `$` bind it
    #[arg(long, value_name = "REGEXP", group = "identity", requires = "issuer", value_parser = IdentityPattern::matching)]
    pub certificate_identity_regexp: Option<IdentityPattern>,
    /// The URL of the service that has identified the subject, such as `https://token.actions.githubusercontent.com`
    #[arg(long, value_name = "URL", group = "issuer", requires = "identity", value_parser = NonEmptyStringValueParser::new())]
    pub certificate_oidc_issuer: Option<String>,
    /// The same, by a regular expression that matches a part of the URL
    #[arg(long, value_name = "REGEXP", group = "issuer", requires = "identity", value_parser = IdentityPattern::matching)]
    pub certificate_oidc_issuer_regexp: Option<IdentityPattern>,
    /// Trust the authorities and logs in this file, as `cosign trusted-root create` writes it [default: those of sigstore.dev]
    #[arg(long, value_name = "FILE", requires = "identity", value_hint = ValueHint::FilePath)]
    pub trusted_root: Option<PathBuf>,
}

impl IdentityArgs {
    /// Returns who must have signed: this identity, else the owner of `key`; `None` if neither is named.
    pub(crate) fn signer_or(&self, key: Option<&KeyReference>) -> Option<SignerReference> {
        let identity = self.identity().map(|identity| SignerReference::Identity(Box::new(identity)));
        identity.or_else(|| key.cloned().map(SignerReference::Key))
    }

    /// Returns the identity, or `None` if the arguments name none.
    fn identity(&self) -> Option<CertificateIdentity> {
        let exact = |text: &Option<String>| text.clone().map(IdentityPattern::Exact);
        let subject = exact(&self.certificate_identity).or_else(|| self.certificate_identity_regexp.clone())?;
        let issuer = exact(&self.certificate_oidc_issuer).or_else(|| self.certificate_oidc_issuer_regexp.clone())?;
        Some(CertificateIdentity { subject, issuer, trusted_root: self.trusted_root.clone() })
    }
}
