//! The compilers, the linker and `pkg-config` of a target, as links to this program.
//!
//! Cargo, rustc and build scripts get the paths of links in the cache folder. When one of them starts such a link, this program
//! looks for a compiler of the target and becomes it. A build without C code looks for none.
//!
//! | link | what it becomes |
//! | --- | --- |
//! | `TRIPLE/cc`, `c++`, `ar`, `ranlib`, `gcc` | GCC for the target, or zig ([`compiler`]); for glibc zig first ([`glibc`](mod@glibc)) |
//! | `TRIPLE/rust-lld` | LLVM's linker, which also takes what only compilers know ([`link`]) |
//! | `TRIPLE/pkg-config` | `pkg-config` without the libraries of this machine ([`pkg_config`]) |
//! | `path/TRIPLE/PREFIX-gcc`, `-g++`, `-ar`, `-ranlib`, `-pkg-config` | on PATH: the same, by GNU's names for a target |
//! | `path/cargo-oci-with-ALLOCATOR-VERSION/…` | on PATH: rustc, which links an allocator into programs ([`allocator`]) |
//! | `path/NAME/NAME` | on PATH: the program of this name, or the one of the target in its build scripts ([`by_name`]) |

mod allocator;
mod become_program;
mod by_name;
mod compiler;
mod driver_args;
mod files;
mod glibc;
mod headers;
mod link;
mod link_args;
mod links;
mod meson;
mod missing_library;
mod pkg_config;
mod run_folder;
mod tool;

use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::process::ExitCode;
use std::str::FromStr;

use cargo_zigbuild::zig::Zig;
use miette::miette;

use crate::error::Result;
use crate::platform::Target;

pub(crate) use allocator::{ALLOCATOR, NEXT_WRAPPER, allocator_wrapper, library_file};
pub(crate) use by_name::program_of;
pub(crate) use compiler::has_zig;
pub(crate) use files::{cmake_file, meson_file};
pub(crate) use glibc::{glibc_arg, is_glibc_flag};
pub(crate) use headers::bindgen_args;
pub(crate) use links::ToolLinks;
pub(crate) use run_folder::{AllocatorOwner, LLD, MissingTool, RUN_FOLDER, RunFolder};
pub(crate) use tool::gnu_name;
use tool::{Invocation, OF_TARGET, ON_PATH, Tool, tool, with_prefix};

/// Runs a tool if this program was started as one: by a link, or as `cargo-oci zig cc …`, as zig's wrappers do. Returns
/// `None` otherwise.
pub fn as_tool(typed: &[OsString]) -> Option<Result<ExitCode>> {
    let (program, args) = typed.split_first()?;
    let program = Path::new(program);
    let name = file_name(program)?;
    if allocator::is_wrapper(name) {
        return Some(allocator::run(args));
    }
    if let Some((target, tool)) = with_prefix(name) {
        return Some(run(&Invocation::new(tool, target, args.to_vec())));
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
        (Ok(target), Some(tool)) => run(&Invocation::new(tool, target, args)),
        _ => by_name::run(program, name, args),
    }
}

fn run(invocation: &Invocation) -> Result<ExitCode> {
    match invocation.tool {
        Tool::C | Tool::Cxx if by_name::is_of_rustc(&invocation.args) => link::by_driver(invocation),
        Tool::C | Tool::Cxx | Tool::Ar | Tool::Ranlib => compiler::run(invocation),
        Tool::Linker => link::run(invocation),
        Tool::PkgConfig => pkg_config::run(invocation),
        Tool::Meson => meson::run(invocation),
    }
}

fn file_name(program: &Path) -> Option<&str> {
    let name = program.file_name()?.to_str()?;
    Some(name.strip_suffix(std::env::consts::EXE_SUFFIX).unwrap_or(name))
}

#[derive(clap::Parser)]
struct ZigCommand {
    #[command(subcommand)]
    zig: Zig,
}
