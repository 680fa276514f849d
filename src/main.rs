//! Parse, run, print the error, give the exit status.

use std::process::ExitCode;

use cargo_oci::cli::{CacheAction, Cli, Command, MessageFormat, TalkArgs, arguments};
use cargo_oci::commands;
use cargo_oci::compile::linker::as_compiler;
use cargo_oci::event::Question;
use cargo_oci::image::Digest;
use cargo_oci::inspect::Inspected;
use cargo_oci::inspect::attached::Attachments;
use cargo_oci::interrupt;
use cargo_oci::report::{Reporter, status_code};
use cargo_oci::store::cache::tidy::Blob;
use cargo_oci::store::validate::Validated;
use clap::Parser;

fn main() -> ExitCode {
    let typed: Vec<_> = std::env::args_os().collect();
    if let Some(result) = as_compiler(&typed) {
        let reporter = Reporter::new(&TalkArgs::default(), MessageFormat::Human);
        return result.map_or_else(|error| reporter.error(&error), |()| ExitCode::SUCCESS);
    }
    interrupt::listen();
    let command = Cli::parse_from(arguments(typed.into_iter())).command;
    let (talk, format) = match &command {
        Command::Build(told) => (&told.args.cargo.talk, told.message_format),
        Command::Push(told) => (&told.args.build.cargo.talk, told.message_format),
        Command::Load(told) => (&told.args.build.cargo.talk, told.message_format),
        Command::Bundle(told) => (&told.args.cargo.talk, told.message_format),
        // Its standard output is the program's.
        Command::Run(args) => (&args.load.build.cargo.talk, MessageFormat::Human),
        Command::Inspect(args) => (&args.talk, MessageFormat::Human),
        Command::Sbom(args) => (&args.cargo.talk, MessageFormat::Human),
        Command::Validate(args) => (&args.talk, MessageFormat::Human),
        Command::Login(args) => (&args.talk, MessageFormat::Human),
        Command::Logout(args) => (&args.talk, MessageFormat::Human),
        Command::GenerateKey(args) => (&args.talk, MessageFormat::Human),
        Command::Sign(args) => (&args.talk, MessageFormat::Human),
        Command::Verify(args) => (&args.talk, MessageFormat::Human),
        Command::Attach(args) => (&args.talk, MessageFormat::Human),
        Command::Referrers(args) => (&args.talk, MessageFormat::Human),
        Command::Cache(args) => (args.action.talk(), MessageFormat::Human),
        Command::Schema | Command::Completions(_) | Command::Man(_) => (&TalkArgs::default(), MessageFormat::Human),
    };
    let reporter = Reporter::new(talk, format);
    let listener = |event| reporter.event(&event);
    let asked = |question: Question| reporter.ask(question);
    let done = match &command {
        Command::Build(told) => commands::build::build(&told.args, &listener)
            .map(|images| Done::Results(images.into_iter().map(|image| image.reference).collect())),
        Command::Push(told) => commands::push::push(&told.args, &asked, &listener).map(Done::Results),
        Command::Load(told) => commands::load::load(&told.args, &listener).map(Done::Results),
        Command::Run(args) => commands::run::run(args, &listener).map(Done::Status),
        Command::Bundle(told) => commands::bundle::bundle(&told.args, &listener).map(Done::Results),
        Command::Inspect(args) => {
            commands::inspect::inspect(args, &listener).map(|found| Done::Inspected(found, args.json))
        }
        Command::Validate(args) => {
            commands::validate::validate(args, &listener).map(|found| Done::Validated(found, args.json))
        }
        Command::GenerateKey(args) => commands::generate_key::generate_key(args, &asked, &listener).map(Done::Results),
        Command::Sign(args) => commands::sign::sign(args, &asked, &listener).map(Done::Results),
        Command::Verify(args) => commands::verify::verify(args, &listener).map(Done::Results),
        Command::Attach(args) => commands::attach::attach(args, &listener).map(Done::Results),
        Command::Referrers(args) => {
            commands::referrers::referrers(args, &listener).map(|found| Done::Attachments(found, args.json))
        }
        Command::Login(args) => commands::login::login(args, &asked, &listener).map(|()| Done::Results(Vec::new())),
        Command::Logout(args) => commands::logout::logout(args, &listener).map(|()| Done::Results(Vec::new())),
        Command::Cache(args) => match &args.action {
            CacheAction::Path(_) => commands::cache::path().map(|path| Done::Results(vec![path])),
            CacheAction::List(_) => commands::cache::list().map(Done::Blobs),
            CacheAction::Verify(_) => commands::cache::verify().map(Done::Wrong),
            CacheAction::Prune(args) => commands::cache::prune(args, &listener).map(|()| Done::Results(Vec::new())),
        },
        Command::Sbom(args) => commands::sbom::sbom(args, &listener).map(Done::Text),
        Command::Schema => Ok(Done::Text(commands::schema::schema())),
        Command::Completions(args) => Ok(Done::Text(commands::completions::completions(args))),
        Command::Man(args) => commands::man::man(args).map(Done::Results),
    };
    match done {
        _ if interrupt::is_signalled() => ExitCode::from(interrupt::status()),
        Ok(Done::Results(lines)) => reporter.results(&lines),
        Ok(Done::Text(text)) => reporter.text(&text),
        Ok(Done::Inspected(found, json)) => reporter.inspected(&found, json),
        Ok(Done::Attachments(found, json)) => reporter.attachments(&found, json),
        Ok(Done::Validated(found, json)) => reporter.validated(&found, json),
        Ok(Done::Blobs(blobs)) => reporter.blobs(&blobs),
        Ok(Done::Wrong(wrong)) => reporter.wrong(&wrong),
        Ok(Done::Status(status)) => status_code(status),
        Err(error) => reporter.error(&error),
    }
}

/// What a command leaves behind when nothing went wrong.
enum Done {
    /// Lines for stdout.
    Results(Vec<String>),
    /// Text for stdout.
    Text(String),
    /// What an image holds, and whether that is wanted as JSON.
    Inspected(Inspected, bool),
    /// What is attached to an image, and whether that is wanted as JSON.
    Attachments(Attachments, bool),
    /// What is wrong with an image, and whether that is wanted as JSON.
    Validated(Validated, bool),
    /// What is in the cache.
    Blobs(Vec<Blob>),
    /// What was wrong there.
    Wrong(Vec<(Digest, String)>),
    /// The exit status of a program that it ran.
    Status(i32),
}
