//! Events, results and errors → words. The only place that prints.
//!
//! stdout is data: one line an image. stderr is talk, in cargo's own look.
//!
//! | file | what it does |
//! | --- | --- |
//! | [`lines`] | events → lines |
//! | [`live`] | transfers that run → bars, ten times a second |
//! | `bars`, `screen` | what bars look like, and how a terminal shows them |
//! | `error` | errors → words |
//! | `ask` | questions → answers |

#![allow(clippy::print_stdout, clippy::print_stderr)]

mod ask;
mod bars;
mod error;
pub mod lines;
pub mod live;
mod screen;

use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Instant;

use anstream::AutoStream;
use miette::Report;

use crate::cli::TalkArgs;
use crate::error::{CargoFailed, NoCCompiler};
use crate::event::{Event, Question};
use lines::ERROR;
use live::{Live, are_bars_wanted};

/// Tells the user what happens.
#[derive(Debug)]
pub struct Reporter {
    quiet: bool,
    verbose: bool,
    color: anstream::ColorChoice,
    start: Instant,
    live: Live,
}

impl Reporter {
    /// One that says as much as is wanted.
    pub fn new(talk: &TalkArgs) -> Reporter {
        let color = match talk.color {
            Some(clap::ColorChoice::Always) => anstream::ColorChoice::Always,
            Some(clap::ColorChoice::Never) => anstream::ColorChoice::Never,
            Some(clap::ColorChoice::Auto) | None => AutoStream::choice(&io::stderr()),
        };
        let quiet = talk.quiet;
        let live = Live::new(!quiet && are_bars_wanted(), color);
        Reporter { quiet, verbose: talk.verbose > 0, color, start: Instant::now(), live }
    }

    /// Tells of an event.
    pub fn event(&self, event: &Event) {
        match event {
            Event::Request { .. } if !self.verbose => return,
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

    /// Prints the result: one line an image on stdout.
    pub fn results(&self, lines: &[String]) -> ExitCode {
        let mut stdout = io::stdout().lock();
        let written = lines.iter().try_for_each(|line| writeln!(stdout, "{line}"));
        match written.and_then(|()| stdout.flush()) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                self.line(&format!("{ERROR}error{ERROR:#}: cannot write the result to stdout: {error}"));
                ExitCode::FAILURE
            }
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
