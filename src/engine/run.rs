//! Runs a container in the foreground.

use std::ffi::OsString;
use std::process::{Command, Stdio};

use miette::{Context, IntoDiagnostic};

use crate::error::Result;
use crate::interrupt;
use crate::platform::Platform;

/// The options of a container.
#[derive(Clone, Debug)]
pub(crate) struct RunOptions<'a> {
    /// The image, as `NAME:TAG`.
    pub image: &'a str,
    /// The platform of the image.
    pub platform: &'a Platform,
    /// The entrypoint of the image, for engines that require it before arguments.
    pub entrypoint: &'a [String],
    /// The program and its first arguments, instead of the entrypoint and the `cmd` of the image.
    pub program: &'a [String],
    /// The arguments; without any, the `cmd` of the image applies.
    pub args: &'a [OsString],
    /// The published ports, in the engine's syntax.
    pub publish: &'a [String],
    /// The environment variables.
    pub variables: &'a [RunVariable],
    /// The volumes, in the engine's syntax.
    pub volumes: &'a [String],
    /// The user, instead of the image's.
    pub user: Option<&'a str>,
    /// The working directory, instead of the image's.
    pub workdir: Option<&'a str>,
    /// The name of the container.
    pub name: Option<&'a str>,
    /// The network.
    pub network: Option<&'a str>,
    /// Whether it runs in the background.
    pub is_detached: bool,
    /// Whether it has no init, is kept when it ends, and is killed when it is removed.
    pub is_bare: bool,
    /// Further arguments for the engine.
    pub engine_args: &'a [String],
    /// Whether to allocate a terminal.
    pub terminal: bool,
}

/// An environment variable of a container.
#[derive(Clone, Debug)]
pub(crate) struct RunVariable {
    /// The name.
    pub name: String,
    /// The value.
    pub value: OsString,
    /// Whether it is a variable of this process, whose value must not show in lists of processes.
    pub is_passed_on: bool,
}

impl RunVariable {
    /// Returns `NAME=VALUE`.
    pub(super) fn pair(&self) -> OsString {
        let mut pair = OsString::from(format!("{}=", self.name));
        pair.push(&self.value);
        pair
    }
}

impl RunOptions<'_> {
    /// Adds the options that all engines with Docker's interface support.
    pub(super) fn add_to(&self, mut command: Command) -> Command {
        command.args(self.terminal.then_some("--tty")).args(self.is_detached.then_some("--detach"));
        for (flag, values) in [("--publish", self.publish), ("--volume", self.volumes)] {
            for value in values {
                command.args([flag, value]);
            }
        }
        for variable in self.variables {
            if variable.is_passed_on {
                command.args(["--env", &variable.name]).env(&variable.name, &variable.value);
            } else {
                command.arg("--env").arg(variable.pair());
            }
        }
        for (flag, value) in [
            ("--user", self.user),
            ("--workdir", self.workdir),
            ("--name", self.name),
            ("--network", self.network),
            ("--entrypoint", self.program.first().map(String::as_str)),
        ] {
            if let Some(value) = value {
                command.args([flag, value]);
            }
        }
        command.args(self.engine_args).arg(self.image).args(self.program.iter().skip(1)).args(self.args);
        command
    }
}

/// Runs a command with this process's terminal, standard streams and signals. Returns its exit status, or 128 plus the number
/// of the signal that ended it.
///
/// # Errors
/// Returns an error if the command cannot be started.
pub(crate) fn run_in_foreground(mut command: Command) -> Result<i32> {
    let program = command.get_program().display().to_string();
    let child = command.stdin(Stdio::inherit()).spawn();
    let mut child = child.into_diagnostic().wrap_err_with(|| format!("cannot run {program}"))?;
    let _relay = interrupt::in_our_place(child.id());
    let status = child.wait().into_diagnostic().wrap_err_with(|| format!("cannot wait for {program}"))?;
    #[cfg(unix)]
    let signal = std::os::unix::process::ExitStatusExt::signal(&status).map(|signal| 128 + signal);
    #[cfg(not(unix))]
    let signal = None;
    Ok(status.code().or(signal).unwrap_or(1))
}
