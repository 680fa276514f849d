//! The base image as SBOMs and provenance name it.

use crate::image::Digest;
use crate::reference::BaseReference;

/// A base image: its reference, and the digest that the reference resolved to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ResolvedBase<'a> {
    /// The reference from the plan.
    pub reference: &'a BaseReference,
    /// The digest of the index, or of the manifest of an image without an index.
    pub digest: &'a Digest,
}

impl ResolvedBase<'_> {
    /// Returns `REGISTRY/REPOSITORY`, or `None` if the base is not in a registry. Local paths stay out of documents.
    pub(crate) fn repository(&self) -> Option<String> {
        match self.reference {
            BaseReference::Registry(reference) => Some(reference.location()),
            _ => None,
        }
    }

    /// Returns the tag of the reference, or `None` if it has none.
    pub(crate) fn tag(&self) -> Option<&str> {
        match self.reference {
            BaseReference::Registry(reference) => reference.name().tag(),
            _ => None,
        }
    }
}
