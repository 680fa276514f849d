//! Events, results and errors → words. The only place that prints.
//!
//! stdout is data: one line an image. stderr is talk, in cargo's own look.
//!
//! | file | what it does |
//! | --- | --- |
//! | [`lines`] | events → lines |
//! | [`live`] | transfers that run → bars, ten times a second |
//! | `bars`, `screen` | what bars look like, and how a terminal shows them |
//! | `image`, `tree` | what an image holds, and what is wrong with it → a tree, JSON, lines |
//! | `error` | errors → words |
//! | `ask` | questions → answers |

#![allow(clippy::print_stdout, clippy::print_stderr)]

mod ask;
mod bars;
mod error;
mod image;
pub mod lines;
pub mod live;
mod screen;
mod tree;

use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Instant;

use anstream::AutoStream;
use clap::ColorChoice;
use miette::Report;

use crate::error::{CargoFailed, NoCCompiler};
use crate::event::{Event, Question};
use crate::inspect::Inspected;
use crate::store::validate::Problem;
use lines::{ERROR, plural};
use live::{Live, are_bars_wanted};

/// Tells the user what happens.
#[derive(Debug)]
pub struct Reporter {
    quiet: bool,
    color: anstream::ColorChoice,
    /// For stdout, which may be a pipe where stderr is a terminal.
    result_color: anstream::ColorChoice,
    start: Instant,
    live: Live,
}

impl Reporter {
    /// One that says nothing but errors when `quiet`.
    pub fn new(quiet: bool, color: Option<ColorChoice>) -> Reporter {
        let on = |auto| match color {
            Some(ColorChoice::Always) => anstream::ColorChoice::Always,
            Some(ColorChoice::Never) => anstream::ColorChoice::Never,
            Some(ColorChoice::Auto) | None => auto,
        };
        let (color, result_color) = (on(AutoStream::choice(&io::stderr())), on(AutoStream::choice(&io::stdout())));
        let live = Live::new(!quiet && are_bars_wanted(), color);
        Reporter { quiet, color, result_color, start: Instant::now(), live }
    }

    /// Tells of an event.
    pub fn event(&self, event: &Event) {
        match event {
            Event::TransferBegun { transfer } => self.live.begin(transfer),
            Event::TransferEnded { transfer } => self.live.end(transfer),
            _ => {}
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

    /// Prints what is wrong with an image, one line a problem on stdout; the exit status is that of an error then.
    pub fn problems(&self, problems: &[Problem]) -> ExitCode {
        let lines: Vec<_> = problems.iter().map(image::problem).collect();
        let printed = self.results(&lines);
        if problems.is_empty() {
            return printed;
        }
        let count = problems.len();
        self.line(&format!("{ERROR}error{ERROR:#}: found {count} {}", plural(count, "problem")));
        ExitCode::FAILURE
    }

    /// Prints the result: one line an image on stdout.
    pub fn results(&self, lines: &[String]) -> ExitCode {
        let mut stdout = io::stdout().lock();
        let written = lines.iter().try_for_each(|line| writeln!(stdout, "{line}"));
        match written.and_then(|()| stdout.flush()) {
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

/// The exit status of another program as ours.
pub fn status_code(status: i32) -> ExitCode {
    u8::try_from(status).map_or(ExitCode::FAILURE, ExitCode::from)
}
