//! The allocator of the key `allocator`: a static library for each target, which rustc links into programs.
//!
//! Its objects define `malloc` and all that belongs to it, and stand before the C library, which is then not asked for these: so
//! Rust's allocator and C code use it, without a line in the crate. rustc gets it from a link to this program that cargo runs in
//! place of rustc for the packages of the workspace (`RUSTC_WORKSPACE_WRAPPER`, [`tools`]). Cargo keeps what was built by
//! wrappers of two names apart: another allocator means that only the packages of the workspace are compiled again, and
//! dependencies never are. The name has no path, so that two users get the same program.
//!
//! | file | what it does |
//! | --- | --- |
//! | `source` | the sources, from the archive of a crate |
//! | `library` | a library for each target, made again if its sources or its compiler change |
//! | `programs` | the C compiler and what else compiles it |
//! | `recipe` | how the sources of an allocator are compiled |

mod library;
mod programs;
mod recipe;
mod source;

use std::ffi::OsString;

use miette::IntoDiagnostic;

use super::linker::Linkers;
use super::target::Toolchain;
use super::tools::{ALLOCATOR, NEXT_WRAPPER, RUN_FOLDER, ToolLinks, allocator_wrapper};
use crate::error::Result;
use crate::event::Listener;
use crate::plan::allocator::AllocatorCrate;
use crate::plan::{CargoRun, CompilePlan};
use crate::platform::Target;
use library::Libraries;
use programs::Programs;

/// The name of the variable of cargo for a program that runs rustc.
const WRAPPER: &str = "RUSTC_WORKSPACE_WRAPPER";

/// Makes the libraries of the allocator of a run, if it has one, and has cargo link them.
///
/// # Errors
/// Returns an error if the sources cannot be had, or cannot be compiled for a target.
pub(super) fn set(
    linkers: &mut Linkers,
    run: &CargoRun,
    plan: &CompilePlan,
    toolchain: &Toolchain,
    targets: &[Target],
    listener: Listener,
) -> Result<()> {
    let Some(source) = AllocatorCrate::of(run.allocator) else { return Ok(()) };
    let folder = plan.target_dir.join("oci-allocator").join(run.allocator.name());
    let programs = Programs { allocator: run.allocator, source, plan, toolchain, linkers };
    Libraries { programs, folder: &folder }.make(targets, listener)?;
    let environment = &plan.environment;
    let links = ToolLinks::new(environment, linkers.run_folder().path())?;
    let wrapper = allocator_wrapper(run.allocator.name(), source.version);
    let on_path = links.named(&wrapper)?;
    let path = linkers.variable("PATH").or(environment.get("PATH")).map(OsString::from).unwrap_or_default();
    let path = std::env::join_paths([on_path].into_iter().chain(std::env::split_paths(&path))).into_diagnostic()?;
    linkers.set("PATH", path);
    linkers.set(RUN_FOLDER, linkers.run_folder().path().to_owned());
    linkers.set(ALLOCATOR, std::path::absolute(&folder).into_diagnostic()?);
    if let Some(next) = toolchain.config.workspace_wrapper() {
        linkers.set(NEXT_WRAPPER, next);
    }
    linkers.set(WRAPPER, wrapper);
    Ok(())
}
