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
use std::path::Path;
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
    if let Some(name) = tool_name(program) {
        return Some(by_link(program, name, args.to_vec()));
    }
    if args.first().is_some_and(|first| first == "zig") {
        let zig = <ZigCommand as clap::Parser>::parse_from(args).zig;
        return Some(zig.execute().map(|()| ExitCode::SUCCESS).map_err(|error| miette!("{error:#}")));
    }
    None
}

fn by_link(program: &Path, name: &str, args: Vec<OsString>) -> Result<ExitCode> {
    let environment = Environment::of_this_process();
    let run_folder = RunFolder::of(&environment);
    let folder = program.parent().and_then(Path::file_name).and_then(OsStr::to_str).unwrap_or_default();
    match (Target::from_str(folder), tool(&OF_TARGET, name)) {
        (Ok(target), Some(tool)) => Invocation { tool, target, args, environment, run_folder }.run(),
        _ => by_name::run(program, name, args, environment, run_folder),
    }
}

impl Invocation {
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

/// Returns the name of the tool that this program was started as. Another name is that of this program itself.
fn tool_name(program: &Path) -> Option<&str> {
    let name = program.file_name()?.to_str()?;
    let name = name.strip_suffix(std::env::consts::EXE_SUFFIX).unwrap_or(name);
    (tool(&OF_TARGET, name).is_some() || tool(&ON_PATH, name).is_some()).then_some(name)
}

fn tool(of: &[(&str, Tool)], name: &str) -> Option<Tool> {
    of.iter().find(|(known, _)| *known == name).map(|(_, tool)| *tool)
}

#[derive(clap::Parser)]
struct ZigCommand {
    #[command(subcommand)]
    zig: Zig,
}
