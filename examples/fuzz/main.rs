//! Fuzzes the targets of `cargo_oci::fuzz` without nightly Rust. The same seed makes the same inputs.
//!
//! ```console
//! $ cargo run --release --example fuzz -- tar-reader --runs 1000000
//! $ cargo run --example fuzz -- all --runs 2000 --seed 7
//! $ cargo run --example fuzz -- tar-reader --input fuzz/artifacts/tar-reader/1-4711
//! ```
//!
//! Each target runs in a child process, which may die in any way: of a panic, of a stack that is too deep, of memory, or
//! because it takes too long. The input is then written to `fuzz/artifacts`. Once it is fixed, it belongs into `fuzz/corpus`.

mod inputs;
mod mutate;
mod run;

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use cargo_oci::fuzz::{FuzzTarget, TARGETS};
use clap::Parser;

/// What to fuzz.
#[derive(Parser)]
struct Args {
    /// A target, or `all`
    target: String,
    /// How many inputs to make, beside those of the corpus
    #[arg(long, default_value_t = 10_000)]
    runs: u64,
    /// Where chance begins
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Run this file only
    #[arg(long)]
    input: Option<PathBuf>,
    /// Be the child process that notes in this file which input it runs
    #[arg(long, hide = true)]
    notes: Option<PathBuf>,
}

fn main() -> io::Result<ExitCode> {
    let args = Args::parse();
    let targets: Vec<&FuzzTarget> =
        TARGETS.iter().filter(|target| args.target == "all" || target.name == args.target).collect();
    if targets.is_empty() {
        let names: Vec<_> = TARGETS.iter().map(|target| target.name).collect();
        return Err(io::Error::other(format!("the targets are all, {}", names.join(", "))));
    }
    let mut has_failed = false;
    for target in targets {
        if let Some(path) = &args.input {
            (target.run)(&std::fs::read(path)?);
            continue;
        }
        let inputs = inputs::Inputs::of(target, args.seed, args.runs)?;
        match &args.notes {
            Some(notes) => run::all(target, &inputs, notes)?,
            None => has_failed |= !run::in_child(target, &inputs)?,
        }
    }
    io::stdout().flush()?;
    Ok(if has_failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}
