//! `cargo oci push`: build, then push to every repository.

use miette::miette;

use super::Outcome;
use crate::attest::Signer;
use crate::build::outputs::write_metadata;
use crate::build::{Build, Built};
use crate::cli::{BuildArgs, PushArgs};
use crate::context::{GlobalContext, key};
use crate::error::Result;
use crate::event::{Event, ImageVerdicts, Verdict};
use crate::plan::finished::PushTargets;
use crate::plan::{self, Plan, Request};
use crate::publish::dry_run::DryRun;
use crate::publish::finished::FinishedImage;
use crate::publish::{Destinations, check_repositories, no_repository, policy};
use crate::reference::Reference;
use crate::testing::{self, test_built};

/// Builds and pushes every image that the arguments select; returns `registry/repository@digest` for each repository.
///
/// # Errors
/// Returns the first failure; then no tag of that repository has moved.
pub(crate) fn run(args: &PushArgs, context: &GlobalContext) -> Result<Outcome> {
    if let Some(from) = &args.from {
        return push_finished(from, args, context);
    }
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
        if args.test {
            testing::check(plan, &[], &context.environment)?;
        }
        let repositories = plan.images.iter().flat_map(|image| &image.repositories);
        repositories.for_each(|repository| context.push_to(repository.registry()));
        Ok(())
    };
    let twin = args.to_build_twin();
    if let Some(twin) = &twin {
        // A base without a debug variant is an error before anything is built.
        plan::make(&Request::new(twin), &context.environment)?;
    }
    let mut built =
        Build { request: Request::new(&build), complete, attach: true, context }.run(check, &destinations)?;
    policy::check(&built, signer.as_ref(), context)?;
    if args.test {
        test(args, &built, context)?;
    }
    if let Some(twin) = &twin {
        push_twin(twin, args, signer.as_ref(), context)?;
    }
    let pushed = destinations.push(&built)?;
    for (plan, image) in built.plan.images.iter().zip(&mut built.images) {
        image.repositories = plan.repositories.iter().map(Reference::location).collect();
    }
    built.write_outputs(context)?;
    Ok(Outcome::Results(pushed))
}

/// Pushes an image that was built before.
fn push_finished(from: &str, args: &PushArgs, context: &GlobalContext) -> Result<Outcome> {
    let signer = key::signer(&args.signer, context)?;
    let mut finished = FinishedImage::open(from, context)?;
    let targets = PushTargets::find(&args.to_build(), &finished.image.name, &context.environment)?;
    finished.signature_format = targets.signature_format;
    let image = &mut finished.image;
    if targets.repositories.is_empty() {
        return Err(no_repository(&image.name));
    }
    if let Some(tags) = targets.tags {
        image.tags = tags;
    }
    if args.by_digest {
        image.tags.clear();
    }
    image.repositories = targets.repositories.iter().map(Reference::location).collect();
    if let Some(rules) = targets.policy.as_ref().filter(|_| !args.dry_run) {
        finished.check(rules, signer.as_ref(), context)?;
    }
    let outcome = if args.dry_run {
        let dry_run = DryRun { by_digest: args.by_digest, signs: args.sign };
        Outcome::Planned(finished.dry_run(&targets.repositories, dry_run, context)?)
    } else {
        Outcome::Results(finished.push(&targets.repositories, signer.as_ref(), context)?)
    };
    if let Some(path) = &args.build.output.metadata_file {
        write_metadata(path, &[&finished.image])?;
    }
    Ok(outcome)
}

/// Builds and pushes the debug twins of the images. Their tags move before those of the images.
fn push_twin(twin: &BuildArgs, args: &PushArgs, signer: Option<&Signer>, context: &GlobalContext) -> Result<()> {
    let destinations = Destinations::new(context, args.by_digest, signer);
    let built = Build { request: Request::new(twin), complete: false, attach: true, context };
    let built = built.run(check_repositories, &destinations)?;
    destinations.push(&built).map(drop)
}

/// Tests the images, before their tags move.
fn test(args: &PushArgs, built: &Built, context: &GlobalContext) -> Result<()> {
    let verdicts = test_built(built, &[], &args.testing, context)?;
    let mut failed = Vec::new();
    for ImageVerdicts { image, results, .. } in verdicts {
        for result in results {
            let is_failure = match result.verdict {
                Verdict::Passed => false,
                Verdict::Failed => true,
                Verdict::NotRun => args.testing.require_all,
            };
            if is_failure {
                let reasons = result.reasons.join("; ");
                failed.push(format!("{image} {} {}: {reasons}", result.platform, result.name));
            }
            context.report(Event::Tested { image: image.clone(), result });
        }
    }
    if failed.is_empty() {
        return Ok(());
    }
    Err(miette!(
        help = "no tag has moved; `cargo oci test` runs the tests alone",
        "tests failed\n  {}",
        failed.join("\n  ")
    ))
}

/// Builds every image; returns what a push would send.
fn dry_run(args: &PushArgs, context: &GlobalContext) -> Result<Outcome> {
    let build = args.to_build();
    let complete = !build.output.outputs.is_empty();
    let built =
        Build { request: Request::new(&build), complete, attach: true, context }.run(check_repositories, &())?;
    let mut planned = DryRun { by_digest: args.by_digest, signs: args.sign }.run(&built, context)?;
    if let Some(twin) = args.to_build_twin() {
        let built = Build { request: Request::new(&twin), complete: false, attach: true, context };
        let built = built.run(check_repositories, &())?;
        planned.extend(DryRun { by_digest: args.by_digest, signs: args.sign }.run(&built, context)?);
    }
    built.write_outputs(context)?;
    Ok(Outcome::Planned(planned))
}
