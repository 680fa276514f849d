//! The compilers, the linker and `pkg-config` of a target, as links to this program.
//!
//! Cargo, rustc and build scripts get the paths of links in the cache folder. When one of them starts such a link, this program
//! looks for a compiler of the target and becomes it. A build without C code looks for none.
//!
//! | link | what it becomes |
//! | --- | --- |
//! | `TRIPLE/cc`, `c++`, `ar`, `ranlib`, `gcc` | GCC for the target, or zig ([`compiler`]) |
//! | `TRIPLE/rust-lld` | LLVM's linker, which also takes what only compilers know ([`link`]) |
//! | `TRIPLE/pkg-config` | `pkg-config` without the libraries of this machine ([`pkg_config`]) |
//! | `path/TRIPLE/PREFIX-gcc`, `-g++`, `-ar`, `-ranlib`, `-pkg-config` | on PATH: the same, by GNU's names for a target |
//! | `path/NAME/NAME` | on PATH: the program of this name, or the one of the target in its build scripts ([`by_name`]) |

mod become_program;
mod by_name;
mod compiler;
mod driver_args;
mod files;
mod headers;
mod link;
mod link_args;
mod links;
mod pkg_config;
mod run_folder;

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::str::FromStr;

use cargo_zigbuild::zig::Zig;
use miette::miette;

use crate::environment::Environment;
use crate::error::Result;
use crate::platform::Target;

pub(crate) use files::{cmake_file, meson_file};
pub(crate) use headers::bindgen_args;
pub(crate) use links::ToolLinks;
pub(crate) use run_folder::{LLD, RUN_FOLDER, RunFolder};

/// A program that a link stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tool {
    C,
    Cxx,
    Ar,
    Ranlib,
    Linker,
    PkgConfig,
    Meson,
}

/// The links of each target. rustc infers from a linker's name what arguments it takes: `gcc` those of a compiler, `rust-lld`
/// those of a linker.
const OF_TARGET: [(&str, Tool); 7] = [
    ("cc", Tool::C),
    ("c++", Tool::Cxx),
    ("ar", Tool::Ar),
    ("ranlib", Tool::Ranlib),
    ("gcc", Tool::C),
    ("rust-lld", Tool::Linker),
    ("pkg-config", Tool::PkgConfig),
];

/// The links on PATH.
const ON_PATH: [(&str, Tool); 7] = [
    ("cc", Tool::C),
    ("gcc", Tool::C),
    ("c++", Tool::Cxx),
    ("g++", Tool::Cxx),
    ("pkg-config", Tool::PkgConfig),
    ("pkgconf", Tool::PkgConfig),
    ("meson", Tool::Meson),
];

/// The links of each target on PATH, by the ends of their names. They begin as configure scripts, and much else, expect: with
/// what GNU calls the target.
const WITH_PREFIX: [(&str, Tool); 5] = [
    ("-gcc", Tool::C),
    ("-g++", Tool::Cxx),
    ("-ar", Tool::Ar),
    ("-ranlib", Tool::Ranlib),
    ("-pkg-config", Tool::PkgConfig),
];

/// One start of this program as a tool of a target.
struct Invocation {
    tool: Tool,
    target: Target,
    args: Vec<OsString>,
    environment: Environment,
    run_folder: Option<RunFolder>,
}

/// Runs a tool if this program was started as one: by a link, or as `cargo-oci zig cc …`, as zig's wrappers do. Returns
/// `None` otherwise.
pub fn as_tool(typed: &[OsString]) -> Option<Result<ExitCode>> {
    let (program, args) = typed.split_first()?;
    let program = Path::new(program);
    let name = file_name(program)?;
    if let Some((target, tool)) = with_prefix(name) {
        return Some(Invocation::new(tool, target, args.to_vec()).run());
    }
    if tool(&OF_TARGET, name).or_else(|| tool(&ON_PATH, name)).is_some() {
        return Some(by_link(program, name, args.to_vec()));
    }
    if args.first().is_some_and(|first| first == "zig") {
        let zig = <ZigCommand as clap::Parser>::parse_from(args).zig;
        return Some(zig.execute().map(|()| ExitCode::SUCCESS).map_err(|error| miette!("{error:#}")));
    }
    None
}

fn by_link(program: &Path, name: &str, args: Vec<OsString>) -> Result<ExitCode> {
    let folder = program.parent().and_then(Path::file_name).and_then(OsStr::to_str).unwrap_or_default();
    match (Target::from_str(folder), tool(&OF_TARGET, name)) {
        (Ok(target), Some(tool)) => Invocation::new(tool, target, args).run(),
        _ => by_name::run(program, name, args),
    }
}

impl Invocation {
    fn new(tool: Tool, target: Target, args: Vec<OsString>) -> Invocation {
        let environment = Environment::of_this_process();
        let run_folder = RunFolder::of(&environment);
        Invocation { tool, target, args, environment, run_folder }
    }

    fn run(self) -> Result<ExitCode> {
        match self.tool {
            Tool::C | Tool::Cxx | Tool::Ar | Tool::Ranlib => compiler::run(&self),
            Tool::Linker => link::run(&self),
            Tool::PkgConfig => pkg_config::run(&self),
            Tool::Meson => by_name::meson(&self),
        }
    }

    /// Returns name and version of the package that is being built.
    fn package(&self) -> Option<String> {
        let name = self.environment.get("CARGO_PKG_NAME")?.to_str()?;
        let version = self.environment.get("CARGO_PKG_VERSION")?.to_str()?;
        Some(format!("{name} v{version}"))
    }
}

fn file_name(program: &Path) -> Option<&str> {
    let name = program.file_name()?.to_str()?;
    Some(name.strip_suffix(std::env::consts::EXE_SUFFIX).unwrap_or(name))
}

/// Returns target and tool of a name such as `aarch64-linux-musl-gcc`.
fn with_prefix(name: &str) -> Option<(Target, Tool)> {
    WITH_PREFIX.iter().find_map(|(end, tool)| {
        let (architecture, system) = name.strip_suffix(end)?.split_once("-linux-")?;
        let architecture = if architecture == "riscv64" { "riscv64gc" } else { architecture };
        Some((Target::from_str(&format!("{architecture}-unknown-linux-{system}")).ok()?, *tool))
    })
}

/// Returns how GNU calls a target.
pub(crate) fn gnu_name(target: Target) -> String {
    target.triple.replacen("-unknown-", "-", 1).replacen("riscv64gc", "riscv64", 1)
}

/// Returns the first of the programs on PATH that is not this one.
fn other_program(names: &[String], environment: &Environment) -> Option<PathBuf> {
    let this = std::env::current_exe().ok().and_then(|path| path.canonicalize().ok());
    let path = environment.get("PATH")?;
    names.iter().find_map(|name| {
        let name = format!("{name}{}", std::env::consts::EXE_SUFFIX);
        let mut paths = std::env::split_paths(path).map(|folder| folder.join(&name));
        paths.find(|path| path.is_file() && path.canonicalize().ok() != this)
    })
}

fn tool(of: &[(&str, Tool)], name: &str) -> Option<Tool> {
    of.iter().find(|(known, _)| *known == name).map(|(_, tool)| *tool)
}

#[derive(clap::Parser)]
struct ZigCommand {
    #[command(subcommand)]
    zig: Zig,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::TARGETS;

    #[test]
    fn prefix_names_every_target() {
        for target in TARGETS {
            let name = format!("{}-g++", gnu_name(target));
            assert_eq!(with_prefix(&name), Some((target, Tool::Cxx)), "{name}");
        }
        assert_eq!(with_prefix("cargo-oci"), None);
        assert_eq!(with_prefix("x86_64-linux-musl-ld"), None);
    }
}
