//! Stores that know what is attached to an image.

use miette::{Diagnostic, IntoDiagnostic};
use oci_spec::image::Descriptor;

use super::source::Source;
use crate::error::Result;
use crate::image::artifact::referrer_entry;
use crate::image::digest::Digest;
use crate::image::manifest::Manifest;

/// The most referrers of one manifest.
pub(crate) const MAX_REFERRERS: usize = 10_000;

/// More referrers than are listed.
#[derive(Clone, Debug, Diagnostic, thiserror::Error)]
#[error("the list of what is attached to {subject} exceeds the limit of {limit}")]
#[diagnostic(help(
    "delete what nobody needs in the registry, or copy the image to another repository and attach it there anew"
))]
pub(crate) struct TooManyReferrers {
    /// What they are attached to.
    pub subject: Digest,
    /// The limit that is exceeded.
    pub limit: String,
}

/// A store with referrers (distribution-spec, "Listing Referrers").
pub(crate) trait Referrers: Source {
    /// Returns the manifests with the given subject, as the store lists them. Their own content has priority over the
    /// list.
    ///
    /// # Errors
    /// Returns an error if the store cannot be read.
    fn referrers(&self, subject: &Digest) -> Result<Vec<Descriptor>>;

    /// Stores manifests that have a subject, after everything they refer to, and lists them as referrers.
    ///
    /// # Errors
    /// Returns an error if reading or storing fails. Then not all of them are listed.
    fn attach(&self, manifests: &[Descriptor], source: &dyn Source) -> Result<()>;
}

/// Returns the entry of a manifest in a list of referrers.
///
/// # Errors
/// Returns an error if `bytes` are not a valid manifest.
pub(crate) fn entry(descriptor: &Descriptor, bytes: &[u8]) -> Result<Descriptor> {
    let manifest = Manifest::parse(descriptor.media_type(), bytes).into_diagnostic()?;
    Ok(referrer_entry(descriptor, &manifest))
}
