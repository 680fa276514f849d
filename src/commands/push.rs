//! `cargo oci push`: build, then push to every repository.

use super::Outcome;
use crate::build::Build;
use crate::cli::PushArgs;
use crate::context::{GlobalContext, key};
use crate::error::Result;
use crate::plan::{Plan, Request};
use crate::publish::dry_run::DryRun;
use crate::publish::{Destinations, check_repositories};

/// Builds and pushes every image that the arguments select; returns `registry/repository@digest` for each repository.
///
/// # Errors
/// Returns the first failure; then no tag of that repository has moved.
pub(crate) fn run(args: &PushArgs, context: &GlobalContext) -> Result<Outcome> {
    if args.dry_run {
        return dry_run(args, context);
    }
    // A key that cannot be used is an error before anything is built.
    let build = args.to_build();
    let signer = key::signer(&args.signer, context)?;
    // Outputs must be complete.
    let complete = !build.output.outputs.is_empty();
    let destinations = Destinations::new(context, args.by_digest, signer.as_ref());
    let check = |plan: &Plan| {
        check_repositories(plan)?;
        let repositories = plan.images.iter().flat_map(|image| &image.repositories);
        repositories.for_each(|repository| context.push_to(repository.registry()));
        Ok(())
    };
    let built = Build { request: Request::new(&build), complete, attach: true, context }.run(check, &destinations)?;
    let pushed = destinations.push(&built)?;
    built.write_outputs(context)?;
    Ok(Outcome::Results(pushed))
}

/// Builds every image; returns what a push would send.
fn dry_run(args: &PushArgs, context: &GlobalContext) -> Result<Outcome> {
    let build = args.to_build();
    let complete = !build.output.outputs.is_empty();
    let built =
        Build { request: Request::new(&build), complete, attach: true, context }.run(check_repositories, &())?;
    let planned = DryRun { by_digest: args.by_digest, signs: args.sign }.run(&built, context)?;
    built.write_outputs(context)?;
    Ok(Outcome::Planned(planned))
}
