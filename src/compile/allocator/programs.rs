//! The programs that compile an allocator for a target, with the variables that build scripts get.

use std::ffi::{OsStr, OsString};
use std::process::{Command, Stdio};

use miette::{Context, IntoDiagnostic, miette};

use crate::compile::linker::Linkers;
use crate::compile::target::Toolchain;
use crate::compile::tools::program_of;
use crate::config::Allocator;
use crate::error::Result;
use crate::interrupt::blocking;
use crate::plan::CompilePlan;
use crate::plan::allocator::AllocatorCrate;
use crate::platform::Target;

/// Flags of this machine, which `configure` would read.
const OF_THIS_MACHINE: [&str; 7] =
    ["CFLAGS", "CXXFLAGS", "CPPFLAGS", "LDFLAGS", "LIBS", "MAKEFLAGS", "CARGO_MAKEFLAGS"];
/// How many lines of a failed program are shown: the first error is among them.
const MOST_LINES: usize = 12;

/// What is compiled, and with what.
pub(super) struct Programs<'a> {
    pub allocator: Allocator,
    pub source: &'static AllocatorCrate,
    pub plan: &'a CompilePlan,
    pub toolchain: &'a Toolchain,
    pub linkers: &'a Linkers,
}

impl Programs<'_> {
    /// Returns the command of a program for a target, as build scripts get it from `CC_…` and `AR_…`.
    pub(super) fn tool(&self, variable: &str, otherwise: &str, target: Target) -> Command {
        let of_config = self.toolchain.config.compiler_variables();
        let of_user = |key: &str| {
            let set = || of_config.iter().find(|(name, _)| *name == key).map(|(_, value)| value.clone());
            self.plan.environment.get(key).map(OsStr::to_owned).or_else(set)
        };
        let of_target = [
            format!("{variable}_{}", target.triple),
            format!("{variable}_{}", target.env_key()),
            format!("TARGET_{variable}"),
        ];
        let chosen = of_target.iter().find_map(|key| of_user(key));
        let chosen = chosen.or_else(|| self.linkers.variable(&of_target[1]).map(OsStr::to_owned));
        let chosen = chosen.or_else(|| of_user(variable)).unwrap_or_else(|| OsString::from(otherwise));
        let mut command = program_of(&chosen);
        self.prepare(&mut command);
        command
    }

    /// Gives a program the variables that build scripts get.
    pub(super) fn prepare(&self, command: &mut Command) {
        self.plan.environment.without_credentials(command);
        command.envs(self.toolchain.config.compiler_variables());
        command.envs(self.linkers.variables.iter().map(|(key, value)| (key, value)));
        for variable in OF_THIS_MACHINE.iter().chain(&self.linkers.removed) {
            command.env_remove(variable);
        }
        command.env("CARGO_PKG_NAME", self.source.name).env("CARGO_PKG_VERSION", self.source.version);
        command.env("LC_ALL", "C").stdin(Stdio::null()).stderr(Stdio::piped());
    }
}

/// Runs a program, and returns its output.
///
/// # Errors
/// Returns an error with its last lines if it cannot be started or fails.
pub(super) fn run(command: &mut Command) -> Result<String> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = blocking::output(command).into_diagnostic().wrap_err_with(|| format!("cannot run {program}"))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    let lines: Vec<_> = said.lines().filter(|line| !line.trim().is_empty()).collect();
    let first = lines.iter().position(|line| line.contains("error")).unwrap_or(lines.len().saturating_sub(MOST_LINES));
    let shown: Vec<_> = lines.iter().skip(first).take(MOST_LINES).copied().collect();
    Err(miette!("{program} failed:\n{}", shown.join("\n")))
}
