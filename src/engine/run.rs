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
    pub name: &'a str,
    /// The platform of the image.
    pub platform: &'a Platform,
    /// The entrypoint of the image, for engines that require it before arguments.
    pub entrypoint: &'a [String],
    /// The arguments; without any, the `cmd` of the image applies.
    pub args: &'a [OsString],
    /// The published ports, in the engine's syntax.
    pub publish: &'a [String],
    /// The environment variables, as `KEY=VALUE`.
    pub env: &'a [String],
    /// The volumes, in the engine's syntax.
    pub volumes: &'a [String],
    /// Further arguments for the engine.
    pub engine_args: &'a [String],
    /// Whether to allocate a terminal.
    pub terminal: bool,
}

impl RunOptions<'_> {
    /// Adds the options that all engines with Docker's interface support.
    pub(super) fn add_to(&self, mut command: Command) -> Command {
        command.args(self.terminal.then_some("--tty"));
        for (flag, values) in [("--publish", self.publish), ("--env", self.env), ("--volume", self.volumes)] {
            for value in values {
                command.args([flag, value]);
            }
        }
        command.args(self.engine_args).arg(self.name).args(self.args);
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
