//! `cargo oci push`: build, then push to every repository.

use super::Outcome;
use crate::build::Build;
use crate::cli::PushArgs;
use crate::context::{GlobalContext, key};
use crate::error::Result;
use crate::plan::Request;
use crate::publish::{Destinations, check_repositories};

/// Builds and pushes every image that the arguments select; returns `registry/repository@digest` for each repository.
///
/// # Errors
/// Returns the first failure; then no tag of that repository has moved.
pub(crate) fn run(args: &PushArgs, context: &GlobalContext) -> Result<Outcome> {
    // A key that cannot be used is an error before anything is built.
    let signer = key::signer(&args.signer, context)?;
    // Outputs must be complete.
    let complete = !args.build.output.outputs.is_empty();
    let destinations = Destinations::new(context, args.by_digest, signer.as_ref());
    let built = Build { request: Request::new(&args.build), complete, attach: true, context }
        .run(check_repositories, &destinations)?;
    let pushed = destinations.push(&built)?;
    built.write_outputs(context)?;
    Ok(Outcome::Results(pushed))
}
