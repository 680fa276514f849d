//! Who signs the bases that many people use, by short names for `base-verify`.

use crate::reference::{CertificateIdentity, IdentityPattern};

/// Somebody who signs bases.
pub(crate) struct BaseSigner {
    /// The short name.
    pub name: &'static str,
    /// The begin of the references of what it signs. The same image in a mirror has the same signature.
    pub repositories: &'static str,
    /// The subject of its certificates.
    subject: &'static str,
    /// The issuer of its tokens.
    issuer: &'static str,
}

/// All of them, as they say of themselves: the README of `GoogleContainerTools/distroless`, section "How do I verify distroless
/// images?", and Chainguard Academy, "Verifying Chainguard Containers", for the free images.
pub(crate) const BASE_SIGNERS: [BaseSigner; 2] = [
    BaseSigner {
        name: "distroless",
        repositories: "gcr.io/distroless/",
        subject: "keyless@distroless.iam.gserviceaccount.com",
        issuer: "https://accounts.google.com",
    },
    BaseSigner {
        name: "chainguard",
        repositories: "cgr.dev/chainguard/",
        subject: "https://github.com/chainguard-images/images/.github/workflows/release.yaml@refs/heads/main",
        issuer: "https://token.actions.githubusercontent.com",
    },
];

impl BaseSigner {
    /// Returns the identity.
    pub(crate) fn identity(&self) -> CertificateIdentity {
        CertificateIdentity {
            subject: IdentityPattern::Exact(self.subject.to_owned()),
            issuer: IdentityPattern::Exact(self.issuer.to_owned()),
            trusted_root: None,
        }
    }

    /// Returns who signs the base of a reference, or `None` if nobody known does.
    pub(crate) fn of(base: &str) -> Option<&'static BaseSigner> {
        BASE_SIGNERS.iter().find(|signer| base.starts_with(signer.repositories))
    }
}
