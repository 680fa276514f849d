//! Where content can be attached to content that is there.

use miette::IntoDiagnostic;
use oci_spec::image::Descriptor;

use super::Source;
use crate::error::Result;
use crate::image::about::About;
use crate::image::artifact::listed;
use crate::image::digest::Digest;
use crate::image::manifest::{Manifest, parse};

/// A place that knows what is attached to what: its referrers (distribution-spec, "Listing Referrers").
pub trait Referrers: Source {
    /// The manifests whose subject is the content of a digest, as the place lists them. What they say themselves counts
    /// more.
    ///
    /// # Errors
    /// When there is no answer.
    fn referrers(&self, subject: &Digest) -> Result<Vec<Descriptor>>;

    /// Stores manifests that name their subjects, after all that they name of `source`, and lists them as the referrers of
    /// these.
    ///
    /// # Errors
    /// Of reading and of storing; then not all are listed.
    fn attach(&self, manifests: &[Descriptor], source: &dyn Source) -> Result<()>;
}

/// A manifest's entry in a list of referrers.
///
/// # Errors
/// When it is no manifest.
pub fn entry(manifest: &Descriptor, bytes: &[u8]) -> Result<Descriptor> {
    let config = match parse(manifest.media_type(), bytes).into_diagnostic()? {
        Manifest::Image { config, .. } => Some(config.media_type().clone()),
        Manifest::Index(_) => None,
    };
    Ok(listed(manifest, &About::read(bytes), config.as_ref()))
}
