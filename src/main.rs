//! Parse, run, print the error, give the exit status.

use std::process::ExitCode;

use cargo_oci::cli::{Cli, Command, arguments};
use cargo_oci::commands;
use cargo_oci::compile::linker::as_compiler;
use cargo_oci::report::Reporter;
use clap::Parser;

fn main() -> ExitCode {
    let typed: Vec<_> = std::env::args_os().collect();
    if let Some(result) = as_compiler(&typed) {
        let reporter = Reporter::new(false, None);
        return result.map_or_else(|error| reporter.error(&error), |()| ExitCode::SUCCESS);
    }
    let Command::Build(args) = Cli::parse_from(arguments(typed.into_iter())).command;
    let reporter = Reporter::new(args.cargo.quiet, args.cargo.color);
    match commands::build::build(&args, &|event| reporter.event(event)) {
        Ok(images) => reporter.results(&images),
        Err(error) => reporter.error(&error),
    }
}
