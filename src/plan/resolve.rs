//! What cargo resolves for one target, as it says it itself: asked when an SBOM is written, and not before.

use std::ffi::OsString;
use std::process::{Command, Stdio};

use cargo_metadata::{Metadata, MetadataCommand};
use miette::{Context, IntoDiagnostic, miette};

use crate::environment::{Environment, without_credentials};
use crate::error::Result;
use crate::image::Digest;
use crate::platform::Target;

/// How cargo is asked of the packages of one of its runs.
#[derive(Clone, Debug)]
pub struct Resolve {
    /// The arguments that choose Cargo.toml, features and configuration.
    pub args: Vec<OsString>,
    /// Those of them that choose features.
    pub features: Vec<String>,
    /// The packages that the run is for, as cargo's arguments name them.
    pub packages: Vec<String>,
    /// Of all that `cargo metadata` said while the plan was made: while it says the same, so will the answers to this be.
    pub known: Digest,
}

/// What cargo answers.
#[derive(Debug)]
pub struct Resolved {
    /// `cargo tree`: which packages the programs are built from.
    pub tree: String,
    /// `cargo metadata`: what these packages are.
    pub metadata: Metadata,
}

impl Resolve {
    /// Asks for what is linked into programs for a target, and for the procedural macros that it is written with.
    ///
    /// # Errors
    /// When cargo cannot be run or understood, with what it says.
    pub fn ask(&self, environment: &Environment, target: Target) -> Result<Resolved> {
        let mut tree = vec!["tree", "--edges", "normal", "--prefix", "depth", "--format", " {p}", "--charset", "ascii"];
        tree.extend(self.packages.iter().flat_map(|package| ["--package", package]));
        tree.extend(["--target", target.triple]);
        let metadata = ["metadata", "--format-version", "1", "--filter-platform", target.triple];
        let (tree, metadata) = std::thread::scope(|scope| {
            let tree = scope.spawn(|| self.run(environment, &tree));
            let metadata = self.run(environment, &metadata);
            (tree.join().unwrap_or_else(|_| Err(miette!("a thread panicked"))), metadata)
        });
        let metadata = MetadataCommand::parse(metadata?).into_diagnostic();
        Ok(Resolved { tree: tree?, metadata: metadata.wrap_err("cannot read the answer of `cargo metadata`")? })
    }

    fn run(&self, environment: &Environment, asked: &[&str]) -> Result<String> {
        let cargo = environment.cargo();
        let mut command = Command::new(cargo);
        without_credentials(&mut command);
        // What it waits for, it waits for behind the cargo that compiles.
        let output = command.args(asked).args(&self.args).args(["--color", "never"]).stdin(Stdio::null()).output();
        let output = output.into_diagnostic().wrap_err_with(|| format!("cannot run {}", cargo.display()))?;
        match output.status.success() {
            true => String::from_utf8(output.stdout).into_diagnostic(),
            false => Err(miette!(
                help = "without an SBOM, it is not asked: `--sbom false`",
                "`cargo {}` does not say what the programs are built from: {}",
                asked[0],
                String::from_utf8_lossy(&output.stderr).trim()
            )),
        }
    }
}
