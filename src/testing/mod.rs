//! Images → verdicts: what is in an image, and what its program does, against what is expected.
//!
//! | file | what it does |
//! | --- | --- |
//! | [`suites`] | the tests of an image: the key `test`, and files |
//! | `suite` | one test after the other, as data |
//! | `structure_file` | a test file for container-structure-test → tests |
//! | `image` | the image for one platform: config, tree, contents of files |
//! | `metadata`, `files`, `command` | one kind of test each: what is expected → what is different |
//! | `container_command` | what is to be run, and why it is not |
//! | `runner` | the engine or the runtime that runs commands |
//! | `container` | containers in an engine |
//! | `runtime` | bundles under runc or crun |
//! | `setup` | programs that run before the one that is tested |
//! | `process` | a program with a time limit, and its output |
//! | `text` | a text against what it must match |
//! | `http` | requests to a server in a container |
//!
//! Config and files are checked in the layers, for every platform. Only what is run needs an engine or a runtime.

mod command;
mod container;
mod container_command;
mod files;
mod http;
mod image;
mod metadata;
mod process;
mod runner;
mod runtime;
mod setup;
mod structure_file;
mod suite;
pub(crate) mod suites;
mod text;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use miette::{Context, miette};

use self::container_command::CannotRun;
use self::image::TestedImage;
use self::runner::PlatformRunner;
pub(crate) use self::runner::Runner;
use self::suite::{Suite, Test, TestKind};
use self::suites::suites;
use crate::base::Base;
use crate::build::Built;
use crate::cli::TestingArgs;
use crate::context::GlobalContext;
use crate::environment::Environment;
use crate::error::Result;
use crate::event::counter::Activity;
use crate::event::{Event, ImageVerdicts, TestResult, Verdict};
use crate::image::Descriptor;
use crate::plan::Plan;
use crate::platform::PlatformChoice;
use crate::store::{Fallback, ProgressSource, Source};

/// An image, and the tests for it.
pub(crate) struct TestRun<'a> {
    /// The name in results.
    pub name: String,
    /// Where its content is.
    pub source: &'a dyn Source,
    /// Its index, or its manifest without an index.
    pub root: Descriptor,
    /// The platforms that are tested.
    pub platforms: Vec<PlatformChoice>,
    /// The tests.
    pub suites: &'a [Suite],
    /// What runs commands.
    pub runner: &'a Runner,
    /// The time limit of tests without their own.
    pub limit: Duration,
    /// The context of the run.
    pub context: &'a GlobalContext<'a>,
}

/// Tests every image that was built and has tests: its own, and those in `files`.
///
/// # Errors
/// Returns an error if no image has tests, or if an image cannot be read.
pub(crate) fn test_built(
    built: &Built,
    files: &[PathBuf],
    args: &TestingArgs,
    context: &GlobalContext,
) -> Result<Vec<ImageVerdicts>> {
    let suites = of_plan(&built.plan, files, &context.environment)?;
    let runner = Runner::for_suites(suites.iter().flatten(), args.engine.as_ref(), &context.environment)?;
    let images = built.each().zip(&suites).filter(|(_, suites)| !suites.is_empty());
    let verdicts = images.map(|((plan, image, layout), suites)| {
        let source = Fallback { primary: layout, secondary: built.bases.source(&plan.base)? };
        TestRun {
            name: image.name.clone(),
            source: &source,
            root: image.root.clone(),
            platforms: plan.platforms.clone(),
            suites,
            runner: &runner,
            limit: args.limit(),
            context,
        }
        .run()
    });
    verdicts.collect()
}

/// Checks that there are tests, and that their files can be read; before anything is built.
///
/// # Errors
/// Returns an error if no image has tests, or if a file is no test file.
pub(crate) fn check(plan: &Plan, files: &[PathBuf], environment: &Environment) -> Result<()> {
    of_plan(plan, files, environment).map(drop)
}

/// Returns the tests of each image.
fn of_plan(plan: &Plan, files: &[PathBuf], environment: &Environment) -> Result<Vec<Vec<Suite>>> {
    let suites =
        plan.images.iter().map(|image| suites(&image.tests, files, environment)).collect::<Result<Vec<_>>>()?;
    if suites.iter().all(Vec::is_empty) {
        let names: Vec<_> = plan.images.iter().map(|image| image.name.as_str()).collect();
        return Err(miette!(
            help = "add one to Cargo.toml, such as `test = { run = [\"--version\"] }` in [package.metadata.oci], or name a file with `cargo oci test --config FILE.yaml`",
            "there are no tests for {}",
            names.join(", ")
        ));
    }
    Ok(suites)
}

impl TestRun<'_> {
    /// Runs all tests for each platform.
    ///
    /// # Errors
    /// Returns an error if the image cannot be read. A test that fails is no error.
    pub(crate) fn run(&self) -> Result<ImageVerdicts> {
        let activity = Activity::Reading;
        let source = ProgressSource { source: self.source, activity, listener: self.context.listener };
        let base = Base::read(&source, self.root.clone(), &self.platforms)?;
        let needs_runner = self.tests().any(|(_, test)| test.kind.is_run());
        self.context.report(Event::Testing {
            image: self.name.clone(),
            platforms: base.images.iter().map(|image| image.platform.clone()).collect(),
            runner: needs_runner.then(|| self.runner.title()).flatten(),
        });
        let mut results = Vec::new();
        for image in &base.images {
            let failure = || format!("cannot test {} for {}", self.name, image.platform);
            let tested =
                TestedImage::read(&source, image, self.tests().map(|(_, test)| test)).wrap_err_with(failure)?;
            let mut runner = PlatformRunner::new(self.runner, &source, image, self.context);
            for (suite, test) in self.tests() {
                crate::interrupt::check().map_err(|error| miette!("{error}"))?;
                let begin = Instant::now();
                let (verdict, reasons) = self.test(test, &tested, &mut runner).wrap_err_with(failure)?;
                results.push(TestResult {
                    suite: suite.to_owned(),
                    name: test.title(),
                    platform: image.platform.clone(),
                    verdict,
                    reasons,
                    seconds: begin.elapsed().as_secs_f64(),
                });
            }
        }
        Ok(ImageVerdicts { image: self.name.clone(), digest: self.root.digest().clone(), results })
    }

    fn tests(&self) -> impl Iterator<Item = (&str, &Test)> {
        self.suites.iter().flat_map(|suite| suite.tests.iter().map(|test| (suite.name.as_str(), test)))
    }

    fn test(&self, test: &Test, image: &TestedImage, runner: &mut PlatformRunner) -> Result<(Verdict, Vec<String>)> {
        let limit = test.limit.unwrap_or(self.limit);
        let outcome = match &test.kind {
            TestKind::Metadata(expected) => Ok(metadata::differences(expected, image)),
            TestKind::Existence(expected) => Ok(files::existence(expected, image)),
            TestKind::Content(expected) => Ok(files::content(expected, image)),
            TestKind::Command(expected) => command::run(expected, image, runner, limit),
            TestKind::Http(expected) => http::run(expected, image, runner, limit),
        };
        Ok(match outcome {
            Ok(reasons) if reasons.is_empty() => (Verdict::Passed, reasons),
            Ok(reasons) => (Verdict::Failed, reasons),
            Err(CannotRun::Here(why)) => (Verdict::NotRun, vec![why]),
            Err(CannotRun::Wrong(why)) => (Verdict::Failed, vec![why]),
            Err(CannotRun::AtAll(error)) => return Err(error),
        })
    }
}
