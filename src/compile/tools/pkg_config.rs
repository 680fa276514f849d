//! `pkg-config` for a target: without the libraries of this machine, which are for another libc.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
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
    let program = program(environment)?;
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

/// Returns the program to run: the user's, or the first on PATH. A configure script that this program was started by may have
/// set the variable to the name of a link: that would be this program again.
fn program(environment: &Environment) -> Result<PathBuf> {
    let this = std::env::current_exe().ok().and_then(|path| path.canonicalize().ok());
    match environment.get("PKG_CONFIG").map(Path::new) {
        Some(own) if own.components().count() == 1 => real(&own.to_string_lossy(), environment),
        Some(own) if this.is_none() || own.canonicalize().ok() != this => Ok(own.to_owned()),
        _ => real("pkg-config", environment).or_else(|_| real("pkgconf", environment)),
    }
}

/// Keeps what was not found for the end of the run: the build script may bury this program's words in its own.
fn keep_missing(invocation: &Invocation) {
    let Invocation { target, environment, run_folder, .. } = invocation;
    let mut names = invocation.args.iter().map(|arg| arg.to_string_lossy()).filter(|arg| !arg.starts_with('-'));
    if let (Some(folder), Some(package)) = (run_folder, invocation.package()) {
        folder.keep_missing(&MissingTool {
            package,
            triple: target.triple.to_owned(),
            // A version may follow: `openssl >= 1.1`.
            library: names.next().map(|name| name.split(' ').next().unwrap_or_default().to_owned()),
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
    fn pkg_config_is_not_this_program_again() {
        use std::os::unix::fs::symlink;
        let folder = tempfile::tempdir().expect("a folder");
        let path = |name: &str| folder.path().join(name);
        for name in ["links", "bin"] {
            std::fs::create_dir(path(name)).expect("a folder");
        }
        let this = std::env::current_exe().expect("this program");
        symlink(&this, path("links/pkg-config")).expect("a link");
        std::fs::write(path("bin/pkg-config"), "").expect("a file");
        std::fs::write(path("bin/own"), "").expect("a file");
        let on_path = std::env::join_paths([path("links"), path("bin")]).expect("a path");
        let found = |own: &Path| {
            let variables = [("PATH", on_path.as_os_str()), ("PKG_CONFIG", own.as_os_str())];
            program(&variables.into_iter().collect()).expect("a program")
        };
        for (own, expected) in [
            (Path::new(""), "bin/pkg-config"),
            (Path::new("pkg-config"), "bin/pkg-config"),
            (&path("links/pkg-config"), "bin/pkg-config"),
            (&path("bin/own"), "bin/own"),
            (Path::new("own"), "bin/own"),
        ] {
            assert_eq!(found(own), path(expected), "{}", own.display());
        }
    }

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
