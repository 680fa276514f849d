//! Who must have signed an image: the owner of a key, or whom a certificate names.

use std::fmt;
use std::path::{Path, PathBuf};

use regex::Regex;

use super::KeyReference;

/// Who must have signed an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SignerReference {
    /// The owner of a key.
    Key(KeyReference),
    /// An identity that sigstore's certificates name.
    Identity(Box<CertificateIdentity>),
}

/// An identity in certificates, and the service that has identified it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateIdentity {
    /// The subject: an e-mail address, or the URI of a workflow.
    pub subject: IdentityPattern,
    /// The issuer of the token: a URL.
    pub issuer: IdentityPattern,
    /// A file with the authorities and logs to trust, in place of those of sigstore.dev.
    pub trusted_root: Option<PathBuf>,
}

/// A text, or a regular expression that matches a part of it, as in cosign.
#[derive(Clone, Debug)]
pub enum IdentityPattern {
    /// The whole text.
    Exact(String),
    /// A regular expression. `^` and `$` bind it to the begin and the end.
    Matching(Regex),
}

impl SignerReference {
    /// Returns the same, with relative paths resolved from `folder`.
    #[must_use]
    pub fn relative_to(self, folder: &Path) -> SignerReference {
        match self {
            SignerReference::Key(key) => SignerReference::Key(key.relative_to(folder)),
            SignerReference::Identity(mut identity) => {
                identity.trusted_root = identity.trusted_root.map(|path| folder.join(path));
                SignerReference::Identity(identity)
            }
        }
    }
}

impl IdentityPattern {
    /// Parses a regular expression.
    ///
    /// # Errors
    /// Returns an error if it is invalid.
    pub fn matching(text: &str) -> Result<IdentityPattern, String> {
        Regex::new(text).map(IdentityPattern::Matching).map_err(|error| format!("invalid regular expression: {error}"))
    }

    /// Returns whether it is this text.
    #[must_use]
    pub fn is(&self, text: &str) -> bool {
        match self {
            IdentityPattern::Exact(exact) => exact == text,
            IdentityPattern::Matching(pattern) => pattern.is_match(text),
        }
    }
}

impl PartialEq for IdentityPattern {
    fn eq(&self, other: &IdentityPattern) -> bool {
        match (self, other) {
            (IdentityPattern::Exact(own), IdentityPattern::Exact(other)) => own == other,
            (IdentityPattern::Matching(own), IdentityPattern::Matching(other)) => own.as_str() == other.as_str(),
            _ => false,
        }
    }
}

impl Eq for IdentityPattern {}

impl fmt::Display for IdentityPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            IdentityPattern::Exact(text) => f.write_str(text),
            IdentityPattern::Matching(pattern) => write!(f, "/{}/", pattern.as_str()),
        }
    }
}

impl fmt::Display for CertificateIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.subject, self.issuer)
    }
}

impl fmt::Display for SignerReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SignerReference::Key(key) => key.fmt(f),
            SignerReference::Identity(identity) => identity.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identity_is_the_whole_text_or_matches() {
        let exact = IdentityPattern::Exact("ci@example.org".to_owned());
        assert!(exact.is("ci@example.org") && !exact.is("ci@example.org.evil") && !exact.is(""));
        let part = IdentityPattern::matching("acme/.*/release").expect("a pattern");
        assert!(part.is("https://github.com/acme/a/release.yml"));
        let bound = IdentityPattern::matching("^ci@example[.]org$").expect("a pattern");
        assert!(bound.is("ci@example.org") && !bound.is("eci@example.org") && !bound.is("ci@exampleXorg"));
        assert!(IdentityPattern::matching("(").is_err());
    }
}
