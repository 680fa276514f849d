//! A base in a registry: what its tag is, and what it is pinned to.

use miette::Report;

use crate::error::Result;
use crate::image::Digest;
use crate::reference::BaseReference;

/// The tag of a reference that has none.
const LATEST: &str = "latest";

/// A base in a registry, as it is written: `NAME[:TAG][@DIGEST]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct TaggedBase {
    /// `NAME:TAG`, or `NAME` if there is a digest and no tag.
    name: String,
    /// Whether there is a tag.
    pub has_tag: bool,
    /// The digest.
    pub pinned: Option<Digest>,
}

impl TaggedBase {
    /// Parses what is written; returns `None` if it is no image in a registry.
    pub(super) fn parse(text: &str) -> Option<TaggedBase> {
        let Ok(BaseReference::Registry(reference)) = text.parse() else { return None };
        let name = text.split('@').next().unwrap_or(text);
        let last = name.rsplit('/').next().unwrap_or(name);
        let pinned = reference.name().digest().cloned();
        let has_tag = last.contains(':') || pinned.is_none();
        let name = if has_tag && !last.contains(':') { format!("{name}:{LATEST}") } else { name.to_owned() };
        Some(TaggedBase { name, has_tag, pinned })
    }

    /// Returns the reference with a digest, as it is written.
    pub(super) fn pinned_to(&self, digest: &Digest) -> String {
        format!("{}@{digest}", self.name)
    }

    /// Returns the reference that the tag alone makes.
    ///
    /// # Errors
    /// Never returns an error: it was parsed with its digest.
    pub(super) fn tag(&self) -> Result<BaseReference> {
        self.name.parse().map_err(Report::from_err)
    }

    /// Returns the reference with a digest.
    ///
    /// # Errors
    /// Never returns an error: it was parsed with another digest.
    pub(super) fn at(&self, digest: &Digest) -> Result<BaseReference> {
        self.pinned_to(digest).parse().map_err(Report::from_err)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tagged_base_keeps_its_name_as_written() {
        let digest = format!("sha256:{}", "a".repeat(64));
        let parse = |text: &str| TaggedBase::parse(text).map(|base| (base.name, base.has_tag, base.pinned.is_some()));
        for (text, name, has_tag) in [
            ("debian", "debian:latest", true),
            ("debian:12", "debian:12", true),
            ("localhost:5000/a/b", "localhost:5000/a/b:latest", true),
            ("localhost:5000/a/b:1", "localhost:5000/a/b:1", true),
        ] {
            assert_eq!(parse(text), Some((name.to_owned(), has_tag, false)));
        }
        assert_eq!(parse(&format!("a.io/b:1@{digest}")), Some(("a.io/b:1".to_owned(), true, true)));
        assert_eq!(parse(&format!("localhost:5000/b@{digest}")), Some(("localhost:5000/b".to_owned(), false, true)));
        for other in ["scratch", "embedded", "oci:base:1", "oci-archive:a.tar"] {
            assert_eq!(parse(other), None);
        }
    }
}
