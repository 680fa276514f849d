//! `cargo oci test`: build, or take another image, then test what is in it and what it does.

use std::path::Path;

use miette::{Context, miette};

use super::Outcome;
use crate::build::Build;
use crate::cli::TestArgs;
use crate::context::GlobalContext;
use crate::context::base::Bases;
use crate::context::image::reference;
use crate::error::{Result, on_path};
use crate::event::ImageVerdicts;
use crate::plan::{Plan, Request};
use crate::platform::{Libc, PlatformChoice};
use crate::report::junit;
use crate::store::atomic;
use crate::testing::suites::suites;
use crate::testing::{self, Runner, TestRun, test_built};

/// Tests every image that the arguments select, for each of its platforms; returns the results.
///
/// # Errors
/// Returns an error if an image cannot be built or read, or if there are no tests.
pub(crate) fn run(args: &TestArgs, context: &GlobalContext) -> Result<Outcome> {
    if let Some(path) = &args.junit {
        atomic::check(path).map_err(|error| on_path("write", path, error))?;
    }
    let verdicts = if let Some(image) = &args.tested {
        vec![other(args, image, context)?]
    } else {
        let build = args.build();
        let files = args.files();
        let check = |plan: &Plan| testing::check(plan, &files, &context.environment);
        let built = Build { request: Request::new(&build), complete: true, attach: true, context }.run(check, &())?;
        test_built(&built, &files, &args.testing, context)?
    };
    let unwritten = args.junit.as_ref().and_then(|path| write_junit(path, &verdicts).err());
    Ok(Outcome::Tested { verdicts, require_all: args.testing.require_all, json: args.json, unwritten })
}

fn other(args: &TestArgs, image: &str, context: &GlobalContext) -> Result<ImageVerdicts> {
    let files = args.files();
    if files.is_empty() {
        return Err(miette!(
            help = "name a file with tests for container-structure-test, as in `--config tests.yaml`",
            "there are no tests for {image}"
        ));
    }
    let suites = suites(&[], &files, &context.environment)?;
    let reference = reference(image)?;
    let test = || {
        let mut bases = Bases::new(context, true, args.cargo.offline || args.cargo.frozen)?;
        let platforms = match args.image.choices() {
            choices if choices.is_empty() => vec![PlatformChoice::All(Libc::default())],
            choices => choices,
        };
        let base = bases.find(&reference, &platforms)?;
        bases.fetch_one(&reference)?;
        let Some(root) = base.root else { return Err(miette!("`scratch` has no content")) };
        let runner = Runner::for_suites(&suites, args.testing.engine.as_ref(), &context.environment)?;
        TestRun {
            name: reference.to_string(),
            source: bases.source(&reference)?,
            root,
            platforms,
            suites: &suites,
            runner: &runner,
            limit: args.testing.limit(),
            context,
        }
        .run()
    };
    test().wrap_err_with(|| format!("cannot test {reference}"))
}

fn write_junit(path: &Path, verdicts: &[ImageVerdicts]) -> Result<()> {
    let text = junit::document(verdicts);
    atomic::replace(path, |file| file.write_all(text.as_bytes())).map_err(|error| on_path("write", path, error))
}
