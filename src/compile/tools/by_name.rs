//! Programs that a build script starts by their usual names. They are those of the target if cargo runs the script for it, and
//! those of this machine else: also for rustc, which links build scripts with `cc`.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::str::FromStr;

use miette::miette;

use super::become_program::become_program;
use super::files::MESON_FILE;
use super::{Invocation, ON_PATH, Tool, other_program, tool};
use crate::environment::Environment;
use crate::error::Result;
use crate::platform::Target;

/// Becomes the program of this name.
pub(super) fn run(program: &Path, name: &str, args: Vec<OsString>) -> Result<ExitCode> {
    let environment = Environment::of_this_process();
    let target = target_of_script(&environment).filter(|_| !is_of_rustc(&args));
    if let (Some(target), Some(tool)) = (target, tool(&ON_PATH, name)) {
        return match tool {
            Tool::C => of_target("CC", target, &args, &environment, program),
            Tool::Cxx => of_target("CXX", target, &args, &environment, program),
            tool => Invocation::new(tool, target, args).run(),
        };
    }
    // A script that reads CC and CXX gets this program by its path, in place of the user's.
    let variable = if name.contains("++") { "HOST_CXX" } else { "HOST_CC" };
    let is_compiler = matches!(tool(&ON_PATH, name), Some(Tool::C | Tool::Cxx));
    let own = environment.get(variable).filter(|_| is_compiler && program.is_absolute());
    let mut command = match own {
        Some(own) => words(own),
        None => Command::new(real(name, &environment)?),
    };
    become_program(command.args(args))
}

/// Returns the target that cargo runs a build script for, if it is not this machine.
fn target_of_script(environment: &Environment) -> Option<Target> {
    // Only build scripts have all of these.
    environment.get("NUM_JOBS").and(environment.get("OUT_DIR")).and(environment.get("OPT_LEVEL"))?;
    let triple =
        environment.get("TARGET").filter(|target| environment.get("HOST").is_some_and(|host| host != *target))?;
    let target = Target::from_str(triple.to_str()?).ok()?;
    // Where cargo-oci has set no compiler, the user's own is right.
    variable_of("CC", target, environment).map(|_| target)
}

/// Returns whether rustc links with these arguments: a script may run cargo again.
fn is_of_rustc(args: &[OsString]) -> bool {
    args.iter().any(|arg| {
        let arg = arg.to_string_lossy();
        arg.ends_with(".rcgu.o")
            || arg.ends_with("symbols.o")
            || arg.starts_with('@') && arg.ends_with("linker-arguments")
    })
}

/// Returns the value of a variable as the `cc` crate reads it for a target.
fn variable_of<'a>(name: &str, target: Target, environment: &'a Environment) -> Option<&'a OsStr> {
    let keys = [format!("{name}_{}", target.triple), format!("{name}_{}", target.env_key()), format!("TARGET_{name}")];
    keys.iter().find_map(|key| environment.get(key))
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
    become_program(words(compiler).args(args))
}

/// Returns the command of a variable such as CC: a path, or a program with arguments.
fn words(value: &OsStr) -> Command {
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

/// Returns the program of this name on PATH that is not this one.
///
/// # Errors
/// Returns an error if there is none.
pub(super) fn real(name: &str, environment: &Environment) -> Result<PathBuf> {
    other_program(&[name.to_owned()], environment).ok_or_else(|| miette!("cannot find {name} on PATH"))
}

/// Becomes Meson, which compiles for this machine unless a file says otherwise.
pub(super) fn meson(invocation: &Invocation) -> Result<ExitCode> {
    let Invocation { target, args, environment, .. } = invocation;
    let mut command = Command::new(real("meson", environment)?);
    let beside = variable_of("PKG_CONFIG", *target, environment).map(|path| Path::new(path).with_file_name(MESON_FILE));
    let is_setup = is_setup(args);
    let chosen = args.iter().any(|arg| arg.to_string_lossy().starts_with("--cross-file"));
    if let Some(file) = beside.filter(|file| file.is_file() && is_setup && !chosen) {
        // `meson DIRECTORY` is `meson setup DIRECTORY`.
        let (setup, rest) = match args.split_first() {
            Some((first, rest)) if first == "setup" => (first.clone(), rest),
            _ => ("setup".into(), &args[..]),
        };
        command.arg(setup).arg("--cross-file").arg(file);
        return become_program(command.args(rest));
    }
    become_program(command.args(args))
}

/// Returns whether Meson sets up a folder with these arguments.
fn is_setup(args: &[OsString]) -> bool {
    const OTHERS: [&str; 17] = [
        "configure",
        "dist",
        "install",
        "introspect",
        "init",
        "test",
        "wrap",
        "subprojects",
        "rewrite",
        "compile",
        "devenv",
        "env2mfile",
        "format",
        "help",
        "--version",
        "--help",
        "--internal",
    ];
    args.first().and_then(|first| first.to_str()).is_some_and(|first| !OTHERS.contains(&first))
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

    #[test]
    fn meson_sets_up_without_a_command_too() {
        for (args, expected) in
            [("setup build", true), ("build --prefix=/x", true), ("compile -C build", false), ("", false)]
        {
            let args: Vec<_> = args.split_whitespace().map(OsString::from).collect();
            assert_eq!(is_setup(&args), expected, "{args:?}");
        }
    }
}
