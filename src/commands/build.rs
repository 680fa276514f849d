//! `cargo oci build`.

use super::Outcome;
use crate::build::Build;
use crate::cli::BuildArgs;
use crate::context::GlobalContext;
use crate::error::Result;
use crate::plan::Request;

/// Builds every image that the arguments select; returns the reference of each layout.
///
/// # Errors
/// Returns the first failure: then every layout is as it was before, unless it was one of the other outputs, which are
/// written from the finished layouts.
pub(crate) fn run(args: &BuildArgs, context: &GlobalContext) -> Result<Outcome> {
    let built = Build { request: Request::new(args), complete: true, attach: true, context }.run(|_| Ok(()), &())?;
    built.write_outputs(context)?;
    Ok(Outcome::Results(built.images.into_iter().map(|image| image.reference).collect()))
}
