//! Meson for a target: with a file that says so, unless the build script names one.

use std::ffi::OsString;
use std::path::Path;
use std::process::{Command, ExitCode};

use super::become_program::become_program;
use super::files::MESON_FILE;
use super::tool::{Invocation, real, variable_of};
use crate::error::Result;

/// Becomes Meson, which compiles for this machine unless a file says otherwise.
pub(super) fn run(invocation: &Invocation) -> Result<ExitCode> {
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
