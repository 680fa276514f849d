//! Base images: in a registry, in a layout on disk, or built in.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use super::error::ReferenceError;
use super::image::Reference;
use super::name::{TagOrDigest, is_meant_as_digest, parse_digest};

/// A base image.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum BaseReference {
    /// An image in a registry.
    Registry(Reference),
    /// `oci:PATH[:NAME]`: an image in an OCI layout.
    Layout(LayoutReference),
    /// `oci-archive:PATH[:NAME]`: an image in a tar archive of an OCI layout.
    Archive(LayoutReference),
    /// `scratch`: an empty base.
    Scratch,
    /// `embedded`: the base in cargo-oci itself.
    Embedded,
}

/// An image in an OCI layout, or in an archive of one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct LayoutReference {
    /// The folder or file.
    pub path: PathBuf,
    /// The tag or digest of the image, for layouts of several images.
    pub name: Option<TagOrDigest>,
}

impl LayoutReference {
    /// Parses `PATH[:TAG]` or `PATH@DIGEST`. A tag has no `/` and no `\`, as a path has (`C:\layout`).
    ///
    /// # Errors
    /// Returns an error if what is meant as a digest is not one, or if nothing follows the colon.
    pub fn parse(text: &str) -> Result<LayoutReference, ReferenceError> {
        let invalid = |reason: String| ReferenceError::new(text, "a layout or an archive", reason);
        if let Some((path, digest)) = text.rsplit_once('@').filter(|(_, digest)| is_meant_as_digest(digest)) {
            let name = parse_digest(digest).map(TagOrDigest::Digest).map_err(invalid)?;
            return Ok(LayoutReference { path: PathBuf::from(path), name: Some(name) });
        }
        let (path, name) = match text.rsplit_once(':').filter(|(path, tag)| !path.is_empty() && is_tag(tag)) {
            Some((path, tag)) => (path, Some(tag.parse().map_err(invalid)?)),
            None => (text, None),
        };
        Ok(LayoutReference { path: PathBuf::from(path), name })
    }

    fn relative_to(self, folder: &Path) -> LayoutReference {
        LayoutReference { path: folder.join(self.path), name: self.name }
    }
}

fn is_tag(text: &str) -> bool {
    !text.contains(['/', '\\'])
}

impl BaseReference {
    /// Returns the reference to the image with this digest in the same place.
    pub fn with_digest(&self, digest: &str) -> String {
        match self {
            BaseReference::Registry(reference) => reference.with_digest(digest),
            BaseReference::Layout(layout) => format!("oci:{}@{digest}", layout.path.display()),
            BaseReference::Archive(archive) => format!("oci-archive:{}@{digest}", archive.path.display()),
            other => other.to_string(),
        }
    }

    /// Returns the same reference, with a relative path resolved from `folder`.
    #[must_use]
    pub fn relative_to(self, folder: &Path) -> BaseReference {
        match self {
            BaseReference::Layout(layout) => BaseReference::Layout(layout.relative_to(folder)),
            BaseReference::Archive(archive) => BaseReference::Archive(archive.relative_to(folder)),
            other => other,
        }
    }
}

impl FromStr for BaseReference {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        match text.split_once(':') {
            _ if text == "scratch" => Ok(BaseReference::Scratch),
            _ if text == "embedded" => Ok(BaseReference::Embedded),
            Some(("oci", path)) if !path.is_empty() => LayoutReference::parse(path).map(BaseReference::Layout),
            Some(("oci-archive", path)) if !path.is_empty() => LayoutReference::parse(path).map(BaseReference::Archive),
            _ => text.parse().map(BaseReference::Registry),
        }
    }
}

impl fmt::Display for BaseReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (transport, layout) = match self {
            BaseReference::Registry(reference) => return reference.fmt(f),
            BaseReference::Scratch => return f.write_str("scratch"),
            BaseReference::Embedded => return f.write_str("embedded"),
            BaseReference::Layout(layout) => ("oci", layout),
            BaseReference::Archive(archive) => ("oci-archive", archive),
        };
        write!(f, "{transport}:{}", layout.path.display())?;
        match &layout.name {
            Some(TagOrDigest::Digest(digest)) => write!(f, "@{digest}"),
            Some(TagOrDigest::Tag(tag)) => write!(f, ":{tag}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn base(text: &str) -> BaseReference {
        text.parse().expect(text)
    }

    fn layout(path: &str, name: Option<&str>) -> LayoutReference {
        LayoutReference { path: path.into(), name: name.map(|name| name.parse().expect(name)) }
    }

    #[test]
    fn base_reference_tells_its_kinds_apart() {
        assert_eq!(base("scratch"), BaseReference::Scratch);
        assert_eq!(base("embedded"), BaseReference::Embedded);
        assert!(matches!(base("alpine:3"), BaseReference::Registry(_)));
        assert_eq!(base("oci:a/b"), BaseReference::Layout(layout("a/b", None)));
        assert_eq!(base("oci:a/b:c"), BaseReference::Layout(layout("a/b", Some("c"))));
        assert_eq!(base("oci-archive:a.tar:v1"), BaseReference::Archive(layout("a.tar", Some("v1"))));
        assert_eq!(base("oci:C:\\x\\y"), BaseReference::Layout(layout("C:\\x\\y", None)));
    }

    #[test]
    fn base_reference_with_digest_round_trips() {
        let digest = format!("sha256:{}", "0".repeat(64));
        let pinned = base(&format!("oci:a@{digest}"));
        assert_eq!(pinned, BaseReference::Layout(layout("a", Some(&digest))));
        assert_eq!(base(&pinned.to_string()), pinned);
        let platform = base("oci:target/oci/a@linux-amd64:v1");
        assert_eq!(platform, BaseReference::Layout(layout("target/oci/a@linux-amd64", Some("v1"))));
        assert_eq!(base(&platform.to_string()), platform);
    }

    #[test]
    fn digest_of_a_layout_is_never_its_tag() {
        let upper = format!("sha256:{}", "A".repeat(64));
        for (text, reason) in [
            (format!("oci:a@{upper}"), "digests must be lowercase"),
            (format!("oci-archive:a.tar@{upper}"), "digests must be lowercase"),
            ("oci:a@sha256:0".to_owned(), "expected 64 hex digits after `sha256:`, found 1"),
            (format!("oci:a@sha265:{}", "0".repeat(64)), "unsupported digest algorithm `sha265`"),
            ("oci:a:".to_owned(), "expected a tag after the colon"),
        ] {
            let error = text.parse::<BaseReference>().expect_err(&text).to_string();
            assert!(error.contains(reason), "{error}");
        }
    }
}
