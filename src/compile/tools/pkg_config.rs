//! `pkg-config` for a target: without the libraries of this machine, which are for another libc.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::process::{Command, ExitCode};

use miette::{Context, IntoDiagnostic, miette};

use super::become_program::exit_code;
use super::run_folder::MissingTool;
use super::tool::{Invocation, real};
use crate::environment::Environment;
use crate::error::Result;
use crate::platform::Target;

/// The variables that say where `.pc` files are. The `pkg-config` crate also reads them with the target's name.
const PLACES: [&str; 3] = ["PKG_CONFIG_LIBDIR", "PKG_CONFIG_PATH", "PKG_CONFIG_SYSROOT_DIR"];

/// Runs `pkg-config` on the folders that are the target's, and says how to name one if it finds nothing.
pub(super) fn run(invocation: &Invocation) -> Result<ExitCode> {
    let Invocation { target, environment, .. } = invocation;
    let program = match environment.get("PKG_CONFIG") {
        Some(own) => own.into(),
        None => real("pkg-config", environment).or_else(|_| real("pkgconf", environment))?,
    };
    let mut command = Command::new(&program);
    for (variable, value) in places(*target, environment) {
        command.env(variable, value);
    }
    let status = command.args(&invocation.args).status().into_diagnostic();
    let status = status.wrap_err_with(|| format!("cannot run {}", program.display()))?;
    if !status.success() && is_search(invocation) {
        keep_missing(invocation);
        return Err(miette!(
            help = format!(
                "set PKG_CONFIG_LIBDIR_{} to the folder with the .pc files of libraries that are built for it, or use the \
                 feature of the crate that builds the library (often `vendored`, `bundled` or `static`)",
                target.env_key()
            ),
            "found no such library for {}: those of this machine are for another libc",
            target.triple
        ));
    }
    Ok(exit_code(status))
}

/// Keeps what was not found for the end of the run: the build script may bury this program's words in its own.
fn keep_missing(invocation: &Invocation) {
    let Invocation { target, environment, run_folder, .. } = invocation;
    let mut names = invocation.args.iter().filter(|arg| !arg.to_string_lossy().starts_with('-'));
    if let (Some(folder), Some(package)) = (run_folder, invocation.package()) {
        folder.keep_missing(&MissingTool {
            package,
            triple: target.triple.to_owned(),
            library: names.next_back().map(|name| name.to_string_lossy().into_owned()),
            out_dir: environment.get("OUT_DIR").map(PathBuf::from),
        });
    }
}

fn is_search(invocation: &Invocation) -> bool {
    invocation.args.iter().any(|arg| !arg.to_string_lossy().starts_with('-'))
}

/// Returns what is set for the target. What is set for no target in particular is of this machine.
fn places(target: Target, environment: &Environment) -> Vec<(&'static str, OsString)> {
    PLACES
        .into_iter()
        .map(|place| {
            let keys = [
                format!("{place}_{}", target.triple),
                format!("{place}_{}", target.env_key()),
                format!("TARGET_{place}"),
            ];
            let own = keys.iter().find_map(|key| environment.get(key)).map(OsStr::to_owned);
            (place, own.unwrap_or_else(|| built_for(target, environment.get(place).unwrap_or_default())))
        })
        .collect()
}

/// Returns those of the folders that are below the target's in cargo's: a build script built these libraries.
fn built_for(target: Target, folders: &OsStr) -> OsString {
    let mut folders = std::env::split_paths(folders).collect::<Vec<_>>();
    folders.retain(|folder| folder.iter().any(|part| part == target.triple));
    std::env::join_paths(folders).unwrap_or_default()
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use crate::platform::TARGETS;

    #[test]
    fn pkg_config_folders_of_this_machine_are_left_out() {
        let variables = [
            ("PKG_CONFIG_PATH", "/conda/pkgconfig:/p/target/aarch64-unknown-linux-musl/release/build/z/out"),
            ("PKG_CONFIG_LIBDIR_aarch64_unknown_linux_musl", "/musl/pkgconfig"),
            ("PKG_CONFIG_SYSROOT_DIR_x86_64-unknown-linux-musl", "/sysroot"),
        ];
        let environment = variables.into_iter().collect();
        let of = |target| places(target, &environment).into_iter().map(|(_, value)| value).collect::<Vec<_>>();
        let built = "/p/target/aarch64-unknown-linux-musl/release/build/z/out";
        assert_eq!(of(TARGETS[1]), ["/musl/pkgconfig", built, ""]);
        assert_eq!(of(TARGETS[0]), ["", "", "/sysroot"]);
    }
}
