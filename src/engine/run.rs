//! A program in an engine: what is handed on, and what stands for it on this side.

use std::ffi::OsString;
use std::process::{Command, Stdio};

use miette::{Context, IntoDiagnostic};

use crate::error::Result;
use crate::interrupt;
use crate::platform::Platform;

/// What is run, and with what.
#[derive(Clone, Debug)]
pub struct Run<'a> {
    /// The image, as `NAME:TAG`.
    pub name: &'a str,
    /// What the image is for.
    pub platform: &'a Platform,
    /// The program of the image and its first arguments: for engines that take arguments only with the program.
    pub entrypoint: &'a [String],
    /// The arguments after those of the image's entrypoint; the image's own where there are none.
    pub args: &'a [OsString],
    /// Ports, as the engine writes them.
    pub publish: &'a [String],
    /// Variables, as `K=V`.
    pub env: &'a [String],
    /// Folders, as the engine writes them.
    pub volumes: &'a [String],
    /// More arguments of the engine.
    pub engine_args: &'a [String],
    /// Whether the program is to have this terminal.
    pub terminal: bool,
}

impl Run<'_> {
    /// Adds to a command what every engine that speaks like Docker understands.
    pub(super) fn finish(&self, mut command: Command) -> Command {
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

/// Runs the command in the place of this program: with its terminal, its signals and its inputs and outputs. Gives the
/// exit status, which is 128 and the signal's number where a signal ended it.
///
/// # Errors
/// When it cannot be started.
pub fn in_our_place(mut command: Command) -> Result<i32> {
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
