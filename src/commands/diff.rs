//! `cargo oci diff`: what differs between two images.

use miette::Context;

use super::Outcome;
use crate::cli::DiffArgs;
use crate::context::GlobalContext;
use crate::context::compare::{Extent, difference};
use crate::context::image::reference;
use crate::error::Result;

/// Compares the two images that are named.
///
/// # Errors
/// Returns an error if there is no such image, none for the platform, or it is not what its digests say.
pub(crate) fn run(args: &DiffArgs, context: &GlobalContext) -> Result<Outcome> {
    let (a, b) = (reference(&args.a)?, reference(&args.b)?);
    let extent = Extent { platform: args.platform.as_ref(), attachments: true, first: false };
    let found = difference([&a, &b], extent, context).wrap_err_with(|| format!("cannot compare {a} with {b}"))?;
    Ok(Outcome::Compared(Box::new(found), args.json))
}
