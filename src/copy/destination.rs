//! Where an image is copied to.

use std::path::Path;

use miette::{IntoDiagnostic, miette};

use crate::error::Result;
use crate::reference::{BaseReference, LayoutReference, Reference, TagOrDigest};

/// Where an image is copied to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CopyDestination {
    /// The repository, folder or file.
    pub place: DestinationPlace,
    /// The tag that was typed.
    pub tag: Option<String>,
}

/// A repository, a folder or a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum DestinationPlace {
    /// A repository; the name in it does not count.
    Registry(Reference),
    /// The folder of a layout.
    Layout(LayoutReference),
    /// An archive of a layout.
    Archive(LayoutReference),
}

impl CopyDestination {
    /// Returns what a text names. A path with an extension `.tar` is an archive; other paths are layouts.
    ///
    /// # Errors
    /// Returns an error if it is an invalid reference, or names a digest.
    pub(crate) fn parse(text: &str) -> Result<CopyDestination> {
        let parsed = if is_path(text) {
            let place = LayoutReference::parse(text).into_diagnostic()?;
            let is_tar = place.path.extension().is_some_and(|extension| extension == "tar");
            if is_tar { BaseReference::Archive(place) } else { BaseReference::Layout(place) }
        } else {
            text.parse().into_diagnostic()?
        };
        let (place, name) = match parsed {
            BaseReference::Registry(reference) => {
                let name = Reference::is_named_in(text).then(|| reference.name().clone());
                (DestinationPlace::Registry(reference), name)
            }
            BaseReference::Layout(place) => (DestinationPlace::Layout(place.clone()), place.name),
            BaseReference::Archive(place) => (DestinationPlace::Archive(place.clone()), place.name),
            BaseReference::Embedded | BaseReference::Scratch => {
                return Err(miette!(
                    help = "name a registry, a layout or an archive, as in `ghcr.io/acme/hello:1.2`",
                    "cannot copy to `{text}`"
                ));
            }
        };
        match name {
            Some(TagOrDigest::Digest(digest)) => Err(miette!(
                help = "name a tag or nothing: a copy has the digest of its source",
                "cannot copy to the digest {digest}"
            )),
            Some(TagOrDigest::Tag(tag)) => Ok(CopyDestination { place, tag: Some(tag) }),
            None => Ok(CopyDestination { place, tag: None }),
        }
    }
}

/// Returns whether a text is meant as a path.
fn is_path(text: &str) -> bool {
    let parsed = LayoutReference::parse(text);
    let path = parsed.as_ref().map_or(Path::new(text), |place| &place.path);
    if text.starts_with("oci:") || text.starts_with("oci-archive:") {
        return false;
    }
    text.starts_with(['.', '/', '~'])
        || path.extension().is_some_and(|extension| extension == "tar")
        || path.join("index.json").is_file()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn destination_is_a_repository_a_folder_or_a_file() {
        let of = |text: &str| CopyDestination::parse(text).expect(text);
        assert_eq!(of("ghcr.io/acme/x:1").tag.as_deref(), Some("1"));
        let untagged = of("ghcr.io:443/acme/x");
        assert!(untagged.tag.is_none() && matches!(untagged.place, DestinationPlace::Registry(_)));
        for (text, tag) in [("oci:a/b:1", Some("1")), ("./a", None), ("/a/b:2", Some("2"))] {
            let found = of(text);
            assert!(matches!(found.place, DestinationPlace::Layout(_)), "{text}");
            assert_eq!(found.tag.as_deref(), tag);
        }
        for text in ["a.tar", "oci-archive:a", "oci-archive:a.tar", "./b/a.tar", "b/a.tar:1"] {
            assert!(matches!(of(text).place, DestinationPlace::Archive(_)), "{text}");
        }
        let digest = format!("ghcr.io/acme/x@sha256:{}", "0".repeat(64));
        for wrong in ["scratch", "embedded", "Acme/x", &digest] {
            assert!(CopyDestination::parse(wrong).is_err(), "{wrong}");
        }
    }
}
