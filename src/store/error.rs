//! The errors of content.

use std::{fmt, io};

use miette::{Diagnostic, Report};
use oci_spec::image::Descriptor;

use crate::error::help_of;
use crate::image::digest::Mismatch;
use crate::image::layer::decompress::DecompressError;

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
