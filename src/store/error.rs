//! The errors of content.

use std::{fmt, io};

use miette::{Diagnostic, Report};
use oci_spec::image::Descriptor;

use crate::error::help_of;
use crate::image::digest::Mismatch;
use crate::image::layer::decompress::DecompressError;
use crate::image::manifest::ManifestError;

/// The error of content or a tag that a store does not have.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[error("{location} has no {kind}{name}", kind = if name.contains(':') { "" } else { "tag " })]
pub(crate) struct Missing {
    /// A tag or a digest.
    pub name: String,
    /// The location of the store.
    pub location: String,
}

impl Missing {
    /// Returns the error of a missing blob.
    pub(super) fn blob(descriptor: &Descriptor, location: String) -> Report {
        let name = descriptor.digest().to_string();
        Missing { name, location }.into()
    }
}

/// The error of content that cannot be read. The cause stays available to callers that handle it.
#[derive(Debug, thiserror::Error)]
#[error("{prefix}{0}", prefix = if is_self_explanatory(.0) { "" } else { "cannot read the content: " })]
pub(crate) struct ReadError(pub io::Error);

impl Diagnostic for ReadError {
    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        help_of(&self.0)
    }
}

/// The error of a document above [`MAX_DOCUMENT_BYTES`](super::MAX_DOCUMENT_BYTES).
#[derive(Debug, thiserror::Error, Diagnostic)]
#[error("its {0} bytes exceed the limit of {limit}", limit = super::MAX_DOCUMENT_BYTES)]
pub(crate) struct TooLarge(pub u64);

/// Returns whether it is the content itself that is wrong, not the way to it: it is missing, too large, no manifest, or not
/// what its descriptor says.
pub(crate) fn is_of_content(error: &Report) -> bool {
    mismatch(error).is_some()
        || error.downcast_ref::<Missing>().is_some()
        || error.downcast_ref::<TooLarge>().is_some()
        || error.downcast_ref::<ManifestError>().is_some()
}

/// Returns the report of content that cannot be read.
pub(crate) fn read_error(error: io::Error) -> Report {
    ReadError(error).into()
}

/// Returns whether an error already says what is wrong with the content.
fn is_self_explanatory(error: &io::Error) -> bool {
    error.get_ref().is_some_and(|inner| inner.is::<Mismatch>() || inner.is::<DecompressError>())
}

/// Returns how content differs from its descriptor, if that is the error.
pub(super) fn mismatch(error: &Report) -> Option<&Mismatch> {
    error.chain().find_map(|cause| {
        let inner = cause.downcast_ref::<ReadError>().map(|ReadError(error)| error);
        inner.or_else(|| cause.downcast_ref())?.get_ref()?.downcast_ref()
    })
}
