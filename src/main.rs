//! Parse, run, print the error, give the exit status.

use std::process::ExitCode;

use cargo_oci::cli::{Cli, Command, arguments};
use cargo_oci::commands;
use cargo_oci::compile::linker::as_compiler;
use cargo_oci::interrupt;
use cargo_oci::report::Reporter;
use clap::Parser;

fn main() -> ExitCode {
    let typed: Vec<_> = std::env::args_os().collect();
    if let Some(result) = as_compiler(&typed) {
        let reporter = Reporter::new(false, None);
        return result.map_or_else(|error| reporter.error(&error), |()| ExitCode::SUCCESS);
    }
    interrupt::listen();
    let command = Cli::parse_from(arguments(typed.into_iter())).command;
    let talk = match &command {
        Command::Build(args) => &args.cargo.talk,
        Command::Push(args) => &args.build.cargo.talk,
        Command::Bundle(args) => &args.cargo.talk,
        Command::Login(args) => &args.talk,
        Command::Logout(args) => &args.talk,
    };
    let reporter = Reporter::new(talk.quiet, talk.color);
    let listener = |event| reporter.event(event);
    let results = match &command {
        Command::Build(args) => commands::build::build(args, &listener)
            .map(|images| images.into_iter().map(|image| image.reference).collect::<Vec<_>>()),
        Command::Push(args) => commands::push::push(args, &listener),
        Command::Bundle(args) => commands::bundle::bundle(args, &listener),
        Command::Login(args) => {
            commands::login::login(args, &|question| reporter.ask(question), &listener).map(|()| Vec::new())
        }
        Command::Logout(args) => commands::logout::logout(args, &listener).map(|()| Vec::new()),
    };
    match results {
        Ok(lines) => reporter.results(&lines),
        Err(_) if interrupt::is_set() => ExitCode::from(interrupt::STATUS),
        Err(error) => reporter.error(&error),
    }
}
