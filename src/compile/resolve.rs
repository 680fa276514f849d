//! What cargo resolves for one target. Only an SBOM needs it, so it is asked when one is written.

use std::process::Stdio;

use cargo_metadata::{Metadata, MetadataCommand};
use miette::{Context, IntoDiagnostic, miette};

use crate::environment::Environment;
use crate::error::Result;
use crate::interrupt::{blocking, inherit};
use crate::plan::Resolve;
use crate::platform::Target;

/// What cargo resolved.
#[derive(Debug)]
pub(crate) struct Resolved {
    /// The output of `cargo tree`: the packages that the binaries are built from.
    pub tree: String,
    /// The output of `cargo metadata`: what these packages are.
    pub metadata: Metadata,
}

/// Returns what is linked into the binaries for `target`, and the procedural macros that they are written with.
///
/// # Errors
/// Returns an error if cargo cannot be run or its output cannot be read, with cargo's own message.
pub(crate) fn resolve(request: &Resolve, environment: &Environment, target: Target) -> Result<Resolved> {
    let mut tree = vec!["tree", "--edges", "normal", "--prefix", "depth", "--format", " {p}", "--charset", "ascii"];
    tree.extend(request.packages.iter().flat_map(|package| ["--package", package]));
    tree.extend(["--target", target.triple]);
    let metadata = ["metadata", "--format-version", "1", "--filter-platform", target.triple];
    let (tree, metadata) = std::thread::scope(|scope| {
        let tree = scope.spawn(inherit(|| run(request, environment, &tree)));
        let metadata = run(request, environment, &metadata);
        (tree.join().unwrap_or_else(|_| Err(miette!("a thread panicked"))), metadata)
    });
    let metadata = MetadataCommand::parse(metadata?).into_diagnostic();
    Ok(Resolved { tree: tree?, metadata: metadata.wrap_err("cannot read the output of `cargo metadata`")? })
}

fn run(request: &Resolve, environment: &Environment, command_line: &[&str]) -> Result<String> {
    let cargo = environment.cargo();
    let mut command = environment.command(cargo);
    // If it waits for cargo's lock, the cargo that compiles holds it and reports that.
    command.args(command_line).args(&request.args).args(["--color", "never"]);
    let output = blocking::output(command.stdin(Stdio::null()).stderr(Stdio::piped()));
    let output = output.into_diagnostic().wrap_err_with(|| format!("cannot run {}", cargo.display()))?;
    if output.status.success() {
        return String::from_utf8(output.stdout).into_diagnostic();
    }
    Err(miette!(
        help = "build without an SBOM: `--sbom false`",
        "cannot list the packages that the binaries are built from: `cargo {}` failed: {}",
        command_line[0],
        String::from_utf8_lossy(&output.stderr).trim()
    ))
}
