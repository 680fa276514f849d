//! Programs that a build script starts by their usual names. They are those of the target if cargo runs the script for it, and
//! those of this machine else: also for rustc, which links build scripts with `cc`.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::str::FromStr;

use miette::{IntoDiagnostic, miette};

use super::become_program::become_program;
use super::glibc;
use super::tool::{Invocation, ON_PATH, Tool, real, tool, variable_of};
use super::{meson, pkg_config};
use crate::environment::Environment;
use crate::error::Result;
use crate::platform::Target;

/// Becomes the program of this name.
pub(super) fn run(program: &Path, name: &str, args: Vec<OsString>) -> Result<ExitCode> {
    let environment = Environment::of_this_process();
    let target = target_of_script(&environment).filter(|_| !is_of_rustc(&args));
    if let (Some(target), Some(tool)) = (target, tool_of(target, name, &environment)) {
        return match tool {
            Tool::C => of_target("CC", target, &args, &environment, program),
            Tool::Cxx => of_target("CXX", target, &args, &environment, program),
            Tool::Meson => meson::run(&Invocation::new(tool, target, args)),
            _ => pkg_config::run(&Invocation::new(tool, target, args)),
        };
    }
    // A script that reads CC and CXX gets this program by its path, in place of the user's.
    let variable = if name.contains("++") { "HOST_CXX" } else { "HOST_CC" };
    let is_compiler = matches!(tool(&ON_PATH, name), Some(Tool::C | Tool::Cxx));
    let own = environment.get(variable).filter(|_| is_compiler && program.is_absolute());
    let mut command = match own {
        Some(own) => program_of(own),
        None => Command::new(real(name, &environment)?),
    };
    become_program(command.args(args))
}

/// Returns the tool of this name. All that is for this machine but its compiler is right for programs that it can run.
fn tool_of(target: Option<Target>, name: &str, environment: &Environment) -> Option<Tool> {
    let is_host = target.is_some_and(|target| environment.get("HOST").is_some_and(|host| host == target.triple));
    tool(&ON_PATH, name).filter(|tool| !is_host || matches!(tool, Tool::C | Tool::Cxx))
}

/// Returns the target that cargo runs a build script for, if it is not this machine with its own C library.
fn target_of_script(environment: &Environment) -> Option<Target> {
    // Only build scripts have all of these.
    environment.get("NUM_JOBS").and(environment.get("OUT_DIR")).and(environment.get("OPT_LEVEL"))?;
    let is_other = |target: &OsStr| environment.get("HOST").is_some_and(|host| host != target);
    let is_fitted = glibc::of_script(environment).is_some();
    let triple = environment.get("TARGET").filter(|target| is_fitted || is_other(target))?;
    let target = Target::from_str(triple.to_str()?).ok()?;
    // Where cargo-oci has set no compiler, the user's own is right.
    variable_of("CC", target, environment).map(|_| target)
}

/// Returns whether rustc links with these arguments: a script may run cargo again.
pub(super) fn is_of_rustc(args: &[OsString]) -> bool {
    args.iter().any(|arg| {
        let arg = arg.to_string_lossy();
        arg.ends_with(".rcgu.o")
            || arg.ends_with("symbols.o")
            || arg.starts_with('@') && arg.ends_with("linker-arguments")
    })
}

/// Becomes the compiler of this machine.
pub(super) fn of_this_machine(tool: Tool, args: Vec<OsString>) -> Result<ExitCode> {
    let name = if tool == Tool::Cxx { "c++" } else { "cc" };
    // Rustc starts `cc` by its name, build scripts start what a variable says.
    let program = if is_of_rustc(&args) { PathBuf::from(name) } else { std::env::current_exe().into_diagnostic()? };
    run(&program, name, args)
}

fn of_target(
    variable: &str,
    target: Target,
    args: &[OsString],
    environment: &Environment,
    program: &Path,
) -> Result<ExitCode> {
    let Some(compiler) = variable_of(variable, target, environment) else {
        return Err(miette!("{variable}_{} is not set: cannot become {}", target.env_key(), program.display()));
    };
    become_program(program_of(compiler).args(args))
}

/// Returns the command of a variable such as CC: a path, or a program with arguments.
pub(crate) fn program_of(value: &OsStr) -> Command {
    let text = value.to_string_lossy();
    let mut words = text.split_whitespace();
    match words.next() {
        Some(first) if !Path::new(value).is_file() => {
            let mut command = Command::new(first);
            command.args(words);
            command
        }
        _ => Command::new(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn script(target: &str) -> Environment {
        let fixed = [("NUM_JOBS", "1"), ("OUT_DIR", "/out"), ("OPT_LEVEL", "3"), ("HOST", "x86_64-unknown-linux-gnu")];
        let cc = ("CC_aarch64_unknown_linux_musl", "/tools/cc");
        fixed.into_iter().chain([("TARGET", target), cc]).collect()
    }

    #[test]
    fn target_is_that_of_a_build_script() {
        let found = target_of_script(&script("aarch64-unknown-linux-musl")).map(|target| target.triple);
        assert_eq!(found, Some("aarch64-unknown-linux-musl"));
        assert_eq!(target_of_script(&script("x86_64-unknown-linux-gnu")), None, "a script for this machine");
        let exported = [("TARGET", "aarch64-unknown-linux-musl"), ("HOST", "x")].into_iter().collect();
        assert_eq!(target_of_script(&exported), None, "variables of a shell");
        assert_eq!(target_of_script(&script("x86_64-unknown-linux-musl")), None, "no compiler of ours");
    }

    #[test]
    fn linking_by_rustc_is_told_by_its_arguments() {
        assert!(is_of_rustc(&["-m64".into(), "/tmp/rustcX/symbols.o".into()]));
        assert!(is_of_rustc(&["@/tmp/rustcX/linker-arguments".into()]));
        assert!(!is_of_rustc(&["-c".into(), "hello.c".into()]));
    }
}
