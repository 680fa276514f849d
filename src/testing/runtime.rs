//! Containers without an engine: a bundle for each, run by runc or crun.

use std::path::{Path, PathBuf};
use std::process::Command;

use miette::{Context, IntoDiagnostic};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::container_command::{CannotRun, ContainerCommand, cannot_start};
use super::process::{Countdown, RunningProgram};
use super::setup;
use crate::base::BaseImage;
use crate::bundle::{self, BundleFormat, BundleImage, BundleOutput, MissingUser};
use crate::environment::Environment;
use crate::error::{Result, cannot_read, on_path};
use crate::image::config::{Object, object_in};
use crate::image::strings;
use crate::interrupt;
use crate::platform::Platform;
use crate::store::Source;
use crate::store::layer::layers_of;

/// The runtimes, in the order in which they are tried. All have the same interface.
const NAMES: [&str; 2] = ["runc", "crun"];

/// A runtime.
pub(crate) struct Runtime {
    program: PathBuf,
    title: String,
    environment: Environment,
}

/// A container of a runtime. It is removed on drop.
pub(super) struct RuntimeContainer {
    program: PathBuf,
    environment: Environment,
    id: String,
    log: PathBuf,
    /// The bundle, if nothing runs in it afterwards.
    folder: Option<TempDir>,
}

impl Runtime {
    /// Finds a runtime on PATH.
    pub(super) fn find(environment: &Environment) -> Option<Runtime> {
        let found = NAMES.iter().filter(|_| cfg!(target_os = "linux"));
        let mut found = found.filter_map(|name| Some(((*name).to_owned(), environment.find_program(&[name])?)));
        found.next().map(|(title, program)| Runtime { program, title, environment: environment.clone() })
    }

    /// Returns its name.
    pub(super) fn title(&self) -> &str {
        &self.title
    }

    /// Unpacks the image into a folder, for a program.
    ///
    /// # Errors
    /// Returns an error if only an engine can run it, or if the image cannot be unpacked.
    pub(super) fn unpack(
        &self,
        command: &ContainerCommand,
        source: &dyn Source,
        image: &BaseImage,
    ) -> Result<TempDir, CannotRun> {
        let options = command.options;
        if options.is_privileged || !options.capabilities.is_empty() || !options.mounts.is_empty() {
            return Err(CannotRun::Here(format!(
                "privileges, capabilities and mounts need a container engine, and here is only {}",
                self.title
            )));
        }
        let folder = tempfile::tempdir().map_err(|error| on_path("create", &std::env::temp_dir(), error))?;
        let config = with_command(&image.config, command);
        let unpacked =
            BundleImage { source, name: "test", config: &config, layers: layers_of(&image.config, &image.layers)? };
        let output = BundleOutput { path: bundle_in(&folder), format: BundleFormat::Directory, rootless: !is_root() };
        // What it warns of is about the runtime, not about the image.
        bundle::write(&unpacked, &output, &|_| {}).map_err(|error| match error.downcast_ref::<MissingUser>() {
            Some(missing) => CannotRun::Wrong(format!("{} cannot be started: {missing}", command.args[0])),
            None => CannotRun::AtAll(error),
        })?;
        Ok(folder)
    }

    /// Starts a program in a new container, in the folder that was unpacked for it.
    ///
    /// # Errors
    /// Returns an error if the runtime does not start.
    pub(super) fn start(
        &self,
        command: &ContainerCommand,
        folder: TempDir,
        platform: &Platform,
        limit: Countdown,
    ) -> Result<(RunningProgram, RuntimeContainer), CannotRun> {
        let bundle = bundle_in(&folder);
        let document = bundle.join("config.json");
        for args in command.setup {
            edit(&document, |config| config["process"]["args"] = json!(args))?;
            let (mut process, container) = self.run(&bundle, &folder)?;
            setup::finish(args, &mut process, limit, platform, |_, _| container.start_failure())?;
        }
        edit(&document, |config| {
            config["process"]["args"] = json!(command.args);
            if let (Some(namespaces), true) = (config["linux"]["namespaces"].as_array_mut(), command.port.is_some()) {
                // The port is then one of this machine.
                namespaces.retain(|namespace| namespace["type"] != "network");
            }
        })?;
        let (process, mut container) = self.run(&bundle, &folder)?;
        container.folder = Some(folder);
        Ok((process, container))
    }

    fn run(&self, bundle: &Path, folder: &TempDir) -> Result<(RunningProgram, RuntimeContainer), CannotRun> {
        let id = format!("cargo-oci-test-{:016x}", fastrand::u64(..));
        let log = folder.path().join(format!("{id}.log"));
        let mut command = self.environment.command(&self.program);
        command.arg("--log").arg(&log).args(["--log-format", "json", "run", "--bundle"]).arg(bundle).arg(&id);
        let process = RunningProgram::start(command).map_err(|error| cannot_start(&self.title, &error))?;
        let (program, environment) = (self.program.clone(), self.environment.clone());
        Ok((process, RuntimeContainer { program, environment, id, log, folder: None }))
    }
}

impl RuntimeContainer {
    /// Returns why the program was not started, if the runtime has logged an error.
    pub(super) fn start_failure(&self) -> Option<String> {
        let log = std::fs::read_to_string(&self.log).ok()?;
        let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let mut errors = lines.filter(|line| line["level"] == "error");
        errors.find_map(|line| line["msg"].as_str().map(str::to_owned))
    }
}

impl Drop for RuntimeContainer {
    fn drop(&mut self) {
        // Until the folder is gone too.
        let _cleanup = interrupt::clean_up();
        delete(self.environment.command(&self.program), &self.id);
        // Not before the container that runs in it.
        drop(self.folder.take());
    }
}

fn bundle_in(folder: &TempDir) -> PathBuf {
    folder.path().join("bundle")
}

/// Kills and removes a container. One that has ended is gone already.
fn delete(mut command: Command, id: &str) {
    let _cleanup = interrupt::clean_up();
    command.args(["delete", "--force", id]);
    interrupt::keep_from_terminal(&mut command);
    if let Ok(mut process) = RunningProgram::start(command) {
        let _ = process.wait(std::time::Duration::from_secs(10));
    }
}

/// Returns the config of an image that starts this command.
fn with_command(config: &Object, command: &ContainerCommand) -> Object {
    let mut config = config.clone();
    let run = object_in(&mut config, "config");
    run.insert("Entrypoint".to_owned(), json!(command.args));
    run.remove("Cmd");
    let mut env = strings(run.get("Env"));
    for (name, value) in command.options.env.iter().chain(&command.options.passed_on) {
        env.retain(|pair| pair.split('=').next() != Some(name));
        env.push(format!("{name}={value}"));
    }
    run.insert("Env".to_owned(), json!(env));
    if let Some(user) = &command.options.user {
        run.insert("User".to_owned(), json!(user));
    }
    config
}

fn edit(path: &Path, change: impl FnOnce(&mut Value)) -> Result<()> {
    let bytes = std::fs::read(path).map_err(|error| cannot_read(path, error))?;
    let mut config: Value = serde_json::from_slice(&bytes).into_diagnostic().wrap_err("cannot read config.json")?;
    change(&mut config);
    std::fs::write(path, config.to_string()).map_err(|error| on_path("write", path, error))
}

#[cfg(unix)]
fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

#[cfg(not(unix))]
fn is_root() -> bool {
    false
}
