//! This process becomes another program.

use std::process::{Command, ExitCode};

use miette::{Context, IntoDiagnostic};

use crate::error::Result;

/// Variables by which a user's shell, or an environment of conda, adds headers and libraries of this machine to every
/// compilation.
const OF_THIS_MACHINE: [&str; 8] = [
    "CPATH",
    "C_INCLUDE_PATH",
    "CPLUS_INCLUDE_PATH",
    "OBJC_INCLUDE_PATH",
    "LIBRARY_PATH",
    "COMPILER_PATH",
    "GCC_EXEC_PREFIX",
    "LD_RUN_PATH",
];

/// Keeps the headers and libraries of this machine from a compiler for another one.
pub(super) fn without_paths_of_this_machine(command: &mut Command) -> &mut Command {
    for variable in OF_THIS_MACHINE {
        command.env_remove(variable);
    }
    command
}

/// Runs the program in place of this one, and returns its exit status where the system cannot replace a process.
///
/// # Errors
/// Returns an error if it cannot be started.
pub(super) fn become_program(command: &mut Command) -> Result<ExitCode> {
    let program = command.get_program().display().to_string();
    #[cfg(unix)]
    let status = Err(std::os::unix::process::CommandExt::exec(command));
    #[cfg(not(unix))]
    let status = command.status();
    status.into_diagnostic().wrap_err_with(|| format!("cannot run {program}")).map(exit_code)
}

/// Returns the exit status of another program as ours.
pub(super) fn exit_code(status: std::process::ExitStatus) -> ExitCode {
    let status = status.code().and_then(|code| u8::try_from(code).ok());
    status.map_or(ExitCode::FAILURE, ExitCode::from)
}
