//! What runs the programs of an image: a container engine, or else a runtime.

use std::time::Duration;

use miette::IntoDiagnostic;

use super::container::{EngineContainer, TemporaryImage};
use super::container_command::{CannotRun, ContainerCommand, wrong_format};
use super::process::{Countdown, RunningProgram};
use super::runtime::{Runtime, RuntimeContainer};
use super::suite::Suite;
use super::text::ComparedText;
use crate::base::BaseImage;
use crate::context::GlobalContext;
use crate::engine::Engine;
use crate::environment::Environment;
use crate::error::Result;
use crate::platform::Platform;
use crate::reference::EngineReference;
use crate::store::Source;

/// What runs programs.
pub(crate) enum Runner {
    /// An engine.
    Engine(Engine),
    /// A runtime.
    Runtime(Runtime),
    /// Nothing, and why.
    None(String),
}

/// A program that was run.
pub(super) struct Finished {
    /// Its exit status, or why it could not be started.
    pub status: Result<i32, String>,
    /// What it printed to stdout.
    pub stdout: ComparedText,
    /// What it printed to stderr.
    pub stderr: ComparedText,
}

/// Whether a program ended.
pub(super) enum Ended {
    /// It did.
    InTime(Finished),
    /// It had not ended after this time.
    Not(Countdown),
}

impl Runner {
    /// Finds the selected engine, or else the engine that `cargo oci run` uses, or else a runtime.
    ///
    /// # Errors
    /// Returns an error if the selected engine is not available, or does not run containers.
    fn find(selected: Option<&EngineReference>, environment: &Environment) -> Result<Runner> {
        if selected.is_some() {
            let engine = Engine::find(selected, environment)?;
            return engine.check_run(&[]).map(|()| Runner::Engine(engine));
        }
        Ok(match Engine::first(environment)? {
            Ok(engine) => Runner::Engine(engine),
            Err(_) => match Runtime::find(environment) {
                Some(runtime) => Runner::Runtime(runtime),
                None => Runner::None("no container engine answers, and neither runc nor crun is installed".to_owned()),
            },
        })
    }

    /// Finds what runs the programs of these tests. None is looked for if nothing is run.
    ///
    /// # Errors
    /// Returns an error if the selected engine is not available, or does not run containers.
    pub(crate) fn for_suites<'s>(
        suites: impl IntoIterator<Item = &'s Suite>,
        selected: Option<&EngineReference>,
        environment: &Environment,
    ) -> Result<Runner> {
        if suites.into_iter().flat_map(|suite| &suite.tests).any(|test| test.kind.is_run()) {
            return Runner::find(selected, environment);
        }
        Ok(Runner::None(String::new()))
    }

    /// Returns its name, such as `Docker 28.5.2`.
    pub(crate) fn title(&self) -> Option<String> {
        match self {
            Runner::Engine(engine) => Some(engine.title().to_owned()),
            Runner::Runtime(runtime) => Some(runtime.title().to_owned()),
            Runner::None(_) => None,
        }
    }
}

/// Runs the programs of the image for one platform.
pub(super) struct PlatformRunner<'a> {
    runner: &'a Runner,
    source: &'a dyn Source,
    image: &'a BaseImage,
    context: &'a GlobalContext<'a>,
    /// The image in the engine, loaded with the first command.
    loaded: Option<TemporaryImage<'a>>,
    /// Why it runs nothing.
    cannot: Option<String>,
}

/// A container that was started.
pub(super) struct Container<'a> {
    process: RunningProgram,
    place: Place<'a>,
    platform: &'a Platform,
    /// The time that it may take, which began before `setup`.
    pub limit: Countdown,
}

enum Place<'a> {
    Engine(EngineContainer<'a>),
    Runtime(RuntimeContainer),
}

impl<'a> PlatformRunner<'a> {
    /// Creates a runner of an image. Nothing is loaded yet.
    pub(super) fn new(
        runner: &'a Runner,
        source: &'a dyn Source,
        image: &'a BaseImage,
        context: &'a GlobalContext<'a>,
    ) -> PlatformRunner<'a> {
        PlatformRunner { runner, source, image, context, loaded: None, cannot: None }
    }

    /// Returns what runs its programs.
    pub(super) fn runner(&self) -> &Runner {
        self.runner
    }

    /// Runs a program to its end, or for as long as it may take.
    ///
    /// # Errors
    /// Returns an error if it cannot be run here, or the image cannot be read.
    pub(super) fn run(&mut self, command: &ContainerCommand, limit: Duration) -> Result<Ended, CannotRun> {
        let mut container = self.start(command, limit)?;
        let Some(finished) = container.finish(container.limit.left())? else {
            return Ok(Ended::Not(container.limit));
        };
        if let Some(why) = container.wrong_format(&finished) {
            drop(container);
            self.cannot = Some(why.clone());
            return Err(CannotRun::Here(why));
        }
        Ok(Ended::InTime(finished))
    }

    /// Starts a program. Its time begins once the image is there.
    ///
    /// # Errors
    /// Returns an error if it cannot be run here, or the image cannot be read.
    pub(super) fn start(&mut self, command: &ContainerCommand, limit: Duration) -> Result<Container<'a>, CannotRun> {
        if let Some(why) = &self.cannot {
            return Err(CannotRun::Here(why.clone()));
        }
        let platform = &self.image.platform;
        let (process, place, limit) = match self.runner {
            Runner::None(why) => return Err(CannotRun::Here(why.clone())),
            Runner::Engine(engine) => {
                let loaded = match &mut self.loaded {
                    Some(loaded) => loaded,
                    none => none.insert(TemporaryImage::load(engine, self.source, self.image, self.context)?),
                };
                let limit = Countdown::begin(limit);
                let (process, container) = loaded.start(command, platform, limit)?;
                (process, Place::Engine(container), limit)
            }
            Runner::Runtime(runtime) => {
                let bundle = runtime.unpack(command, self.source, self.image)?;
                let limit = Countdown::begin(limit);
                let (process, container) = runtime.start(command, bundle, platform, limit)?;
                (process, Place::Runtime(container), limit)
            }
        };
        Ok(Container { process, place, platform, limit })
    }
}

impl Container<'_> {
    /// Waits for its end. Returns `None` after `limit`.
    ///
    /// # Errors
    /// Returns an error if the user interrupts.
    pub(super) fn finish(&mut self, limit: Duration) -> Result<Option<Finished>> {
        let Some(status) = self.process.wait(limit).into_diagnostic()? else { return Ok(None) };
        let failure = match &self.place {
            Place::Engine(container) => container.start_failure(status, &self.process.stderr().text),
            Place::Runtime(container) => container.start_failure(),
        };
        let status = failure.map_or(Ok(status), Err);
        Ok(Some(Finished { status, stdout: self.process.stdout(), stderr: self.process.stderr() }))
    }

    /// Returns what it has printed so far, to stdout and then stderr.
    pub(super) fn output(&self) -> String {
        self.process.stdout().text + &self.process.stderr().text
    }

    /// Returns the address and port here that lead to a port of the container, or `None` if it is not known yet.
    pub(super) fn address(&self, port: u16) -> Option<String> {
        match &self.place {
            Place::Engine(container) => container.address(port),
            Place::Runtime(_) => Some(format!("127.0.0.1:{port}")),
        }
    }

    /// Returns why nothing of this platform can be run, if the kernel does not know the format of its programs.
    pub(super) fn wrong_format(&self, finished: &Finished) -> Option<String> {
        let failure = finished.status.as_ref().err().map(String::as_str).unwrap_or_default();
        wrong_format(self.platform, [failure, &finished.stderr.text]).filter(|_| finished.status != Ok(0))
    }
}
