//! `cargo oci reproduce`: build an image again from its provenance, and compare digests.

use miette::Context;

use super::Outcome;
use crate::cli::ReproduceArgs;
use crate::context::GlobalContext;
use crate::context::image::reference;
use crate::error::Result;
use crate::reproduce::{Reproduction, reproduce};

/// Builds the image that is named again; returns its name with its digest, or what differs.
///
/// # Errors
/// Returns an error if there is no provenance, if sources or toolchain differ, or if the build fails.
pub(crate) fn run(args: &ReproduceArgs, context: &GlobalContext) -> Result<Outcome> {
    let reference = reference(&args.image)?;
    match reproduce(&reference, args, context).wrap_err_with(|| format!("cannot reproduce {reference}"))? {
        Reproduction::Same(name) => Ok(Outcome::Results(vec![name])),
        Reproduction::Different(found) => Ok(Outcome::Compared(found, args.json)),
    }
}
