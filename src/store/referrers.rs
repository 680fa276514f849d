//! Stores that know what is attached to an image.

use miette::IntoDiagnostic;
use oci_spec::image::Descriptor;

use super::source::Source;
use crate::error::Result;
use crate::image::artifact::referrer_entry;
use crate::image::digest::Digest;
use crate::image::manifest::Manifest;

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
