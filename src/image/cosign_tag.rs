//! The tags that cosign 2 keeps what belongs to a manifest under, beside the manifest in its repository: `sha256-HEX.sig`.

use super::artifact::referrers_tag;
use super::digest::Digest;

/// What cosign 2 keeps under a tag of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CosignTag {
    /// Signatures.
    Signatures,
    /// Signed statements, such as provenance.
    Attestations,
    /// Unsigned SBOMs.
    Sboms,
}

impl CosignTag {
    /// All of them.
    pub(crate) const ALL: [CosignTag; 3] = [CosignTag::Signatures, CosignTag::Attestations, CosignTag::Sboms];

    fn suffix(self) -> &'static str {
        match self {
            CosignTag::Signatures => ".sig",
            CosignTag::Attestations => ".att",
            CosignTag::Sboms => ".sbom",
        }
    }

    /// Returns the tag for a manifest.
    pub(crate) fn of(self, subject: &Digest) -> String {
        referrers_tag(subject) + self.suffix()
    }

    /// Returns whether a tag is one of this kind.
    pub(crate) fn is(self, tag: &str) -> bool {
        tag.ends_with(self.suffix()) && tagged_subject(tag).is_some()
    }
}

/// Returns the digest that the tag of an attachment names: the referrers tag `sha256-HEX`, or one of cosign 2.
pub(crate) fn tagged_subject(tag: &str) -> Option<Digest> {
    let (algorithm, rest) = tag.split_once('-')?;
    let (hex, suffix) = rest.split_at(rest.find('.').unwrap_or(rest.len()));
    let is_known = suffix.is_empty() || CosignTag::ALL.iter().any(|kind| kind.suffix() == suffix);
    is_known.then(|| Digest::try_from(format!("{algorithm}:{hex}")).ok())?
}

/// Returns whether a tag names what is attached to a digest, whatever follows the digest.
pub(crate) fn is_about_a_digest(tag: &str) -> bool {
    let hex = tag.strip_prefix("sha256-").map(|rest| rest.split('.').next().unwrap_or(rest));
    hex.is_some_and(|hex| hex.len() == 64 && hex.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::digest::sha256;

    #[test]
    fn tags_of_attachments_name_their_subject() {
        let digest = sha256(b"x");
        let tags = CosignTag::ALL.map(|kind| kind.of(&digest));
        assert_eq!(tags[0], format!("sha256-{}.sig", digest.digest()));
        for tag in tags.iter().chain([&referrers_tag(&digest)]) {
            assert_eq!(tagged_subject(tag), Some(digest.clone()));
            assert!(is_about_a_digest(tag));
        }
        for tag in ["latest", "sha256-abc", &format!("sha256-{}.old", digest.digest()), "v1.0-rc.1", "x.sig"] {
            assert_eq!(tagged_subject(tag), None, "{tag}");
            assert!(!CosignTag::Signatures.is(tag), "{tag}");
        }
        assert!(CosignTag::Signatures.is(&tags[0]) && !CosignTag::Signatures.is(&tags[1]));
    }
}
