//! Base images: in a registry, in a layout on disk, or built in.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use super::error::ReferenceError;
use super::image::Reference;

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
    pub name: Option<String>,
}

impl LayoutReference {
    /// Parses `PATH[:NAME]`. A name has no `/` and no `\`, as a path has (`C:\layout`).
    pub fn parse(text: &str) -> LayoutReference {
        let separator = match text.rfind("@sha256:").or(text.rfind("@sha512:")) {
            Some(at) => Some(at),
            None => text.rfind(':').filter(|at| !text[*at..].contains(['/', '\\'])),
        };
        let (path, name) = match separator {
            Some(at) if at > 0 => (&text[..at], Some(text[at + 1..].to_owned())),
            _ => (text, None),
        };
        LayoutReference { path: PathBuf::from(path), name }
    }

    fn relative_to(self, folder: &Path) -> LayoutReference {
        LayoutReference { path: folder.join(self.path), name: self.name }
    }
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
            Some(("oci", path)) if !path.is_empty() => Ok(BaseReference::Layout(LayoutReference::parse(path))),
            Some(("oci-archive", path)) if !path.is_empty() => Ok(BaseReference::Archive(LayoutReference::parse(path))),
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
            Some(digest) if digest.contains(':') => write!(f, "@{digest}"),
            Some(tag) => write!(f, ":{tag}"),
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
        LayoutReference { path: path.into(), name: name.map(str::to_owned) }
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
    }
}
