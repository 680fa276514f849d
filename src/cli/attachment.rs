//! The name of an attachment of an image.

use std::str::FromStr;

use crate::config::sbom::{SPDX_AS_TEXT, SbomFormat};
use crate::image::predicate;
use crate::suggest::hint;

/// Which attachment is meant: one of a type, or one with a digest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AttachmentName {
    /// One of these artifact types that states nothing else; else one that states this, by the start of its predicate type.
    Kind(&'static AttachmentKind),
    /// One of this artifact type.
    Type(String),
    /// One whose manifest or content has a digest that begins with this.
    Digest(String),
}

/// What is attached as a rule, with a short name.
#[derive(Debug, PartialEq, Eq)]
pub struct AttachmentKind {
    /// What users call it.
    pub name: &'static str,
    /// Its artifact types.
    pub types: &'static [&'static str],
    /// The start of its predicate type in signatures and attestations.
    pub predicate: &'static str,
}

const KINDS: [AttachmentKind; 5] = [
    AttachmentKind { name: "cyclonedx", types: &[SbomFormat::CycloneDx.media_type()], predicate: predicate::CYCLONEDX },
    AttachmentKind { name: "spdx", types: &[SbomFormat::Spdx.media_type(), SPDX_AS_TEXT], predicate: predicate::SPDX },
    AttachmentKind {
        name: "provenance",
        types: &["application/vnd.in-toto+json"],
        predicate: "https://slsa.dev/provenance/",
    },
    AttachmentKind { name: "vex", types: &[], predicate: predicate::VEX },
    AttachmentKind {
        name: "signature",
        types: &["application/vnd.dev.sigstore.bundle.v0.3+json"],
        predicate: "https://sigstore.dev/cosign/sign/",
    },
];

impl FromStr for AttachmentName {
    type Err = String;

    fn from_str(text: &str) -> Result<AttachmentName, String> {
        const SHORTEST_DIGEST: usize = 6;
        let hex = text.strip_prefix("sha256:").unwrap_or(text);
        if let Some(kind) = KINDS.iter().find(|kind| kind.name == text) {
            return Ok(AttachmentName::Kind(kind));
        }
        if text.contains('/') {
            return Ok(AttachmentName::Type(text.to_owned()));
        }
        if hex.len() >= SHORTEST_DIGEST && hex.chars().all(|c| matches!(c, '0'..='9' | 'a'..='f')) {
            return Ok(AttachmentName::Digest(hex.to_owned()));
        }
        let hint = hint(text, KINDS.iter().map(|kind| kind.name));
        Err(format!(
            "unknown attachment `{text}`{hint}: expected {}, an artifact type such as application/spdx+json, or the first \
             {SHORTEST_DIGEST} digits of a digest or more",
            KINDS.map(|kind| kind.name).join(", ")
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attachment_name_is_a_kind_a_type_or_a_digest() {
        let parsed = |text: &str| text.parse::<AttachmentName>();
        assert!(matches!(parsed("spdx"), Ok(AttachmentName::Kind(kind)) if kind.name == "spdx"));
        assert_eq!(parsed("text/plain"), Ok(AttachmentName::Type("text/plain".to_owned())));
        assert_eq!(parsed("sha256:0123ab"), Ok(AttachmentName::Digest("0123ab".to_owned())));
        assert_eq!(parsed("0123ab"), Ok(AttachmentName::Digest("0123ab".to_owned())));
        for wrong in ["", "01234", "SPDX", "sbom.json", "sha256:xyz"] {
            assert!(parsed(wrong).is_err(), "{wrong}");
        }
    }
}
