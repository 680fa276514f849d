//! Parse, run, print the outcome or the error, return the exit status.

use std::process::ExitCode;

use cargo_oci::cli::{MessageFormat, TalkArgs, arguments, explain};
use cargo_oci::commands::{self, Cli};
use cargo_oci::compile::tools::as_tool;
use cargo_oci::context::GlobalContext;
use cargo_oci::environment::{Environment, hide_this_process};
use cargo_oci::report::Reporter;
use clap::Parser;

fn main() -> ExitCode {
    let typed: Vec<_> = std::env::args_os().collect();
    // Build scripts and rustc start this program as the compiler and the linker that it told cargo to use.
    if let Some(result) = as_tool(&typed) {
        let reporter = Reporter::new(&TalkArgs::default(), MessageFormat::Human);
        return result.unwrap_or_else(|error| reporter.error(&error));
    }
    hide_this_process();
    let typed = arguments(typed.into_iter());
    let command = Cli::try_parse_from(&typed).unwrap_or_else(|error| explain(error, &typed).exit()).command;
    let reporter = Reporter::new(&command.talk(), command.message_format());
    let listener = |event| reporter.event(&event);
    let prompt = |question: cargo_oci::event::Question| reporter.ask(question);
    let mut context = GlobalContext::new(Environment::of_this_process(), &listener, &prompt);
    let registries = command.registries();
    context.insecure_registries = registries.insecure_registries;
    context.timeout = registries.timeout;
    context.cancellation.listen();
    let outcome = commands::run(&command, &context);
    match (context.cancellation.exit_status(), outcome) {
        (Some(status), _) => ExitCode::from(status),
        (None, Ok(outcome)) => outcome.print(&reporter),
        (None, Err(error)) => reporter.error(&error),
    }
}
