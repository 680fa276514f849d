//! Containers in an engine, for tests: each has an image and a name that nothing else has.

use std::ffi::OsString;

use miette::{Context, miette};

use super::container_command::{CannotRun, ContainerCommand, cannot_start};
use super::process::{Countdown, RunningProgram};
use super::setup;
use super::suite::ContainerOptions;
use crate::base::BaseImage;
use crate::context::GlobalContext;
use crate::engine::Engine;
use crate::engine::run::{RunOptions, RunVariable};
use crate::error::Result;
use crate::event::counter::Activity;
use crate::event::transfer::Transfer;
use crate::platform::Platform;
use crate::store::Source;
use crate::store::archive::{ArchiveContents, DockerImage};

/// An image that was loaded under a name of its own. It is removed on drop.
pub(super) struct TemporaryImage<'a> {
    engine: &'a Engine,
    name: String,
}

/// A container. It is removed on drop.
pub(super) struct EngineContainer<'a> {
    engine: &'a Engine,
    name: String,
    /// An image that was made for it.
    image: Option<TemporaryImage<'a>>,
}

impl<'a> TemporaryImage<'a> {
    /// Loads the image for one platform.
    ///
    /// # Errors
    /// Returns an error if it cannot be read, or the engine rejects it.
    pub(super) fn load(
        engine: &'a Engine,
        source: &dyn Source,
        image: &BaseImage,
        context: &GlobalContext,
    ) -> Result<TemporaryImage<'a>> {
        // From here on, a failure removes it.
        let loaded = TemporaryImage { engine, name: unused_image() };
        let Some(manifest) = &image.manifest else { return Err(miette!("`scratch` has no program")) };
        let docker = DockerImage { manifest, names: vec![loaded.name.clone()] };
        let contents = ArchiveContents::of_docker_image(source, &docker, false)?;
        let transfer = Transfer::begin(Some(context.listener), Activity::Loading, &loaded.name, contents.size());
        let done = engine.load_temporary(&contents, &transfer, &image.platform);
        done.wrap_err_with(|| format!("cannot load the image for {} into {}", image.platform, engine.title()))?;
        Ok(loaded)
    }

    /// Starts a program in a new container.
    ///
    /// # Errors
    /// Returns an error if the engine cannot do what the options ask for, or does not start.
    pub(super) fn start(
        &self,
        command: &ContainerCommand,
        platform: &Platform,
        limit: Countdown,
    ) -> Result<(RunningProgram, EngineContainer<'a>), CannotRun> {
        let mut image = None;
        for args in command.setup {
            let from = image.as_ref().map_or(self.name.as_str(), |image: &TemporaryImage| image.name.as_str());
            let (mut process, container) = self.start_one(from, args, command.options, None, platform)?;
            let failure = |status, stderr: &str| container.start_failure(status, stderr);
            setup::finish(args, &mut process, limit, platform, failure)?;
            let made = TemporaryImage { engine: self.engine, name: unused_image() };
            self.engine.commit(&container.name, &made.name).map_err(|error| {
                CannotRun::Here(format!("{} cannot keep what `setup` changes: {error}", self.engine.title()))
            })?;
            image = Some(made);
        }
        let from = image.as_ref().map_or(self.name.as_str(), |image| image.name.as_str());
        let (process, mut container) = self.start_one(from, command.args, command.options, command.port, platform)?;
        container.image = image;
        Ok((process, container))
    }

    fn start_one(
        &self,
        image: &str,
        args: &[String],
        options: &ContainerOptions,
        port: Option<u16>,
        platform: &Platform,
    ) -> Result<(RunningProgram, EngineContainer<'a>), CannotRun> {
        let flags: &[&str] = if options.mounts.is_empty() { &[] } else { &["--volume"] };
        self.engine.check_run(flags).map_err(|error| CannotRun::Here(error.to_string()))?;
        let name = unused_name();
        let mut engine_args: Vec<_> = options.is_privileged.then(|| "--privileged".to_owned()).into_iter().collect();
        engine_args.extend(options.capabilities.iter().flat_map(|name| ["--cap-add".to_owned(), name.clone()]));
        let publish = port.map(|port| self.engine.publish_on_loopback(port));
        let (publish, host_network) = match publish {
            Some(Some(ports)) => (vec![ports], false),
            other => (Vec::new(), other.is_some()),
        };
        engine_args.extend(host_network.then(|| "--net-host".to_owned()));
        let variable = |(name, value): &(String, String), is_passed_on| RunVariable {
            name: name.clone(),
            value: OsString::from(value),
            is_passed_on,
        };
        let variables = options.env.iter().map(|pair| variable(pair, false));
        let variables = variables.chain(options.passed_on.iter().map(|pair| variable(pair, true)));
        let command = self.engine.run(&RunOptions {
            image: &self.engine.local_name(image),
            platform,
            entrypoint: &[],
            program: args,
            args: &[],
            publish: &publish,
            variables: &variables.collect::<Vec<_>>(),
            volumes: &options.mounts,
            user: options.user.as_deref(),
            workdir: None,
            name: Some(&name),
            network: None,
            is_detached: false,
            is_bare: true,
            engine_args: &engine_args,
            terminal: false,
        })?;
        let container = EngineContainer { engine: self.engine, name, image: None };
        let process = RunningProgram::start(command).map_err(|error| cannot_start(self.engine.title(), &error))?;
        Ok((process, container))
    }
}

impl EngineContainer<'_> {
    /// Returns why the program was not started, if it was not. Its status alone does not tell: a program may exit with 127.
    pub(super) fn start_failure(&self, status: i32, stderr: &str) -> Option<String> {
        let may_be = self.engine.may_be_start_failure(status);
        if !may_be || self.engine.has_started(&self.name) {
            return None;
        }
        let lines: Vec<_> = stderr.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        let line = lines.iter().rfind(|line| !line.starts_with("Run 'docker")).copied();
        Some(line.unwrap_or("the engine does not say why").to_owned())
    }

    /// Returns the address here that leads to a port, if it is published already.
    pub(super) fn address(&self, port: u16) -> Option<String> {
        self.engine.published(&self.name, port)
    }
}

impl Drop for TemporaryImage<'_> {
    fn drop(&mut self) {
        self.engine.remove_image(&self.name);
    }
}

impl Drop for EngineContainer<'_> {
    fn drop(&mut self) {
        self.engine.remove_container(&self.name);
        // Not before the container that uses it.
        drop(self.image.take());
    }
}

/// Returns a name with a tag that no image has.
fn unused_image() -> String {
    unused_name() + ":test"
}

/// Returns a name that no container has.
fn unused_name() -> String {
    format!("cargo-oci-test-{:016x}", fastrand::u64(..))
}
