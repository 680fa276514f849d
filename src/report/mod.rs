//! Events, results and errors → words. The only place that prints.
//!
//! stdout is data: one line an image, or JSON. stderr is talk, in cargo's own look.
//!
//! | file | what it does |
//! | --- | --- |
//! | [`lines`] | events → lines |
//! | [`json`] | events and results → JSON |
//! | [`live`] | transfers that run → bars, ten times a second |
//! | `bars`, `screen` | what bars look like, and how a terminal shows them |
//! | `image`, `tree` | what an image holds, and what is wrong with it → a tree, JSON, lines |
//! | `cache` | what is in the cache → lines |
//! | `error` | errors → words |
//! | `ask` | questions → answers |

#![allow(clippy::print_stdout, clippy::print_stderr)]

mod ask;
mod bars;
mod cache;
mod error;
mod image;
pub mod json;
pub mod lines;
pub mod live;
mod screen;
mod tree;

use std::io::{self, Write};
use std::process::ExitCode;
use std::time::{Instant, SystemTime};

use anstream::AutoStream;
use miette::Report;

use crate::cli::{MessageFormat, TalkArgs};
use crate::error::{CargoFailed, NoCCompiler};
use crate::event::{Event, Question};
use crate::image::Digest;
use crate::inspect::Inspected;
use crate::inspect::attached::Attachments;
use crate::store::cache::prune::CachedBlob;
use crate::store::validate::Validated;
use lines::{ERROR, plural};
use live::{Live, are_bars_wanted};

/// Tells the user what happens.
#[derive(Debug)]
pub struct Reporter {
    quiet: bool,
    verbose: bool,
    color: anstream::ColorChoice,
    /// For stdout, which may be a pipe where stderr is a terminal.
    result_color: anstream::ColorChoice,
    is_json: bool,
    start: Instant,
    live: Live,
}

impl Reporter {
    /// One that says as much as is wanted, in the form that is wanted.
    pub fn new(talk: &TalkArgs, format: MessageFormat) -> Reporter {
        let on = |auto| match talk.color {
            Some(clap::ColorChoice::Always) => anstream::ColorChoice::Always,
            Some(clap::ColorChoice::Never) => anstream::ColorChoice::Never,
            Some(clap::ColorChoice::Auto) | None => auto,
        };
        let (color, result_color) = (on(AutoStream::choice(&io::stderr())), on(AutoStream::choice(&io::stdout())));
        let (quiet, is_json) = (talk.quiet, format == MessageFormat::Json);
        let live = Live::new(!quiet && are_bars_wanted(), is_json, color);
        Reporter { quiet, verbose: talk.verbose > 0, color, result_color, is_json, start: Instant::now(), live }
    }

    /// Tells of an event.
    pub fn event(&self, event: &Event) {
        if matches!(event, Event::Request { .. }) && !self.verbose {
            return;
        }
        match event {
            Event::TransferEnded { transfer } => self.live.end(transfer),
            Event::CargoBegun => self.live.give_way(true),
            Event::CargoEnded => self.live.give_way(false),
            _ => {}
        }
        if self.is_json {
            // Who does not listen any more is told with the result.
            let _ = self.live.aside(|| to_stdout(&json::event(event, self.start.elapsed())));
        }
        if let Event::TransferBegun { transfer } = event {
            self.live.begin(transfer);
        }
        if let (false, Some(line)) = (self.quiet, lines::line(event, self.start.elapsed())) {
            self.line(&line);
        }
    }

    fn line(&self, text: &str) {
        // There is nobody left to tell that stderr is gone.
        let _ = self.live.aside(|| writeln!(AutoStream::new(io::stderr(), self.color), "{text}"));
    }

    /// Asks the user at the terminal.
    ///
    /// # Errors
    /// When there is no terminal, nothing more comes from it, or Ctrl-C.
    pub fn ask(&self, question: Question) -> io::Result<String> {
        ask::ask(question, self.color)
    }

    /// Prints what an image holds: as a tree for a person, or as JSON.
    pub fn inspected(&self, found: &Inspected, json: bool) -> ExitCode {
        let width = terminal_size::terminal_size_of(io::stdout()).map(|(width, _)| usize::from(width.0));
        let text = if json { image::json(found) } else { tree::draw(&image::trees(found), width) };
        self.text(&text)
    }

    /// Prints what is attached to an image: as a tree for a person, or as JSON.
    pub fn attachments(&self, found: &Attachments, json: bool) -> ExitCode {
        let width = terminal_size::terminal_size_of(io::stdout()).map(|(width, _)| usize::from(width.0));
        let text = if json { image::json(found) } else { tree::draw(&image::attachments(found), width) };
        self.text(&text)
    }

    /// Prints text as it is, but for colours where none are wanted.
    pub fn text(&self, text: &str) -> ExitCode {
        let mut stdout = AutoStream::new(io::stdout(), self.result_color).lock();
        match write!(stdout, "{text}").and_then(|()| stdout.flush()) {
            // Who has seen enough goes.
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => self.unwritten(&error),
            _ => ExitCode::SUCCESS,
        }
    }

    fn unwritten(&self, error: &io::Error) -> ExitCode {
        self.line(&format!("{ERROR}error{ERROR:#}: cannot write the result to stdout: {error}"));
        ExitCode::FAILURE
    }

    /// Prints what is wrong with an image, as JSON or one line a problem; the exit status is that of an error then.
    pub fn validated(&self, found: &Validated, json: bool) -> ExitCode {
        let problems = &found.problems;
        let printed = match json {
            true => self.text(&image::json(found)),
            false => self.results(&problems.iter().map(image::problem).collect::<Vec<_>>()),
        };
        self.counted(printed, problems.len())
    }

    /// Prints what is in the cache, one line a blob.
    pub fn blobs(&self, blobs: &[CachedBlob]) -> ExitCode {
        let now = SystemTime::now();
        let lines = blobs.iter().map(|blob| cache::blob(blob, now) + "\n");
        let printed = self.text(&lines.collect::<String>());
        if !self.quiet {
            self.line(&cache::total(blobs));
        }
        printed
    }

    /// Prints what was wrong in the cache, one line a blob; the exit status is that of an error then.
    pub fn wrong(&self, wrong: &[(Digest, String)]) -> ExitCode {
        let printed = self.results(&wrong.iter().map(cache::wrong).collect::<Vec<_>>());
        self.counted(printed, wrong.len())
    }

    /// The exit status where so many problems were told.
    fn counted(&self, printed: ExitCode, count: usize) -> ExitCode {
        if count == 0 {
            return printed;
        }
        self.line(&format!("{ERROR}error{ERROR:#}: found {count} {}", plural(count, "problem")));
        ExitCode::FAILURE
    }

    /// Prints the result: one line an image on stdout.
    pub fn results(&self, lines: &[String]) -> ExitCode {
        let written = lines.iter().try_for_each(|line| match self.is_json {
            true => to_stdout(&json::result(line)),
            false => to_stdout(line),
        });
        match written {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => self.unwritten(&error),
        }
    }

    /// Tells of an error, and gives the exit status it stands for.
    pub fn error(&self, error: &Report) -> ExitCode {
        // Cargo has said why already.
        if let Some(CargoFailed { status }) = error.downcast_ref() {
            return status_code(*status);
        }
        self.line(&error::rendered(error, self.color));
        match error.downcast_ref::<NoCCompiler>() {
            Some(error) => status_code(error.status),
            None => ExitCode::FAILURE,
        }
    }
}

/// Prints a line that is data.
fn to_stdout(line: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "{line}")?;
    stdout.flush()
}

/// The exit status of another program as ours.
pub fn status_code(status: i32) -> ExitCode {
    u8::try_from(status).map_or(ExitCode::FAILURE, ExitCode::from)
}
