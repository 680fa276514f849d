//! Events, results and errors → text. Only this module prints.
//!
//! stdout is for data: one line per image, or JSON. stderr is for messages, in cargo's format.
//!
//! | file | what it does |
//! | --- | --- |
//! | [`lines`] | events → lines |
//! | [`json`] | events and results → JSON |
//! | [`live`] | redraws bars, ten times a second |
//! | `bars`, `retries`, `screen` | running transfers → bars, requests that wait → a line, both → escape sequences |
//! | `image`, `tree` | an inspected or validated image → a tree, JSON, lines |
//! | `compared` | what differs between two images → lines |
//! | `files` | the files of images → lines |
//! | `bases` | the bases of a workspace, and what has changed in them → lines |
//! | `registry` | what is used for a registry → lines, JSON |
//! | `tested`, [`junit`] | results of tests → lines, JUnit XML |
//! | `cache` | blobs of the cache → lines |
//! | `error`, `snippet` | errors → text, with the lines that they are about |
//! | `ask` | questions → answers |

#![allow(clippy::print_stdout, clippy::print_stderr)]

mod ask;
mod bars;
mod bases;
mod cache;
mod compared;
mod error;
mod files;
mod image;
pub mod json;
pub(crate) mod junit;
pub mod lines;
pub(crate) mod live;
mod planned;
mod registry;
mod retries;
mod screen;
mod snippet;
mod stdout;
mod tested;
mod tree;
mod verified;

use std::io::{self, Write};
use std::process::ExitCode;
use std::time::{Instant, SystemTime};

use anstream::AutoStream;
use miette::Report;

use crate::cli::{MessageFormat, TalkArgs};
use crate::compare::difference::ImageDifference;
use crate::error::{CargoFailed, NoCCompiler, NoLibrary, OwnAllocator};
use crate::event::{Event, ImageVerdicts, PlannedPush, PrunedRepository, Question, Verdict, VerifiedImage};
use crate::image::Digest;
use crate::inspect::base_pins::{CheckedBases, PinState};
use crate::inspect::packages::SbomPackage;
use crate::inspect::referrers::ImageReferrers;
use crate::inspect::registry::RegistryFacts;
use crate::inspect::{Inspected, ListedFiles};
use crate::store::cache::prune::CachedBlob;
use crate::store::validate::Validated;
use lines::{ERROR, plural};
use live::{Live, are_bars_enabled};
use stdout::to_stdout;

/// Prints events, results and errors.
#[derive(Debug)]
pub struct Reporter {
    quiet: bool,
    verbose: bool,
    color: anstream::ColorChoice,
    /// For stdout, which may be a pipe while stderr is a terminal.
    result_color: anstream::ColorChoice,
    is_json: bool,
    start: Instant,
    live: Live,
}

impl Reporter {
    /// Creates a reporter with the verbosity and the format that the user chose.
    pub fn new(talk: &TalkArgs, format: MessageFormat) -> Reporter {
        let color = color_choice(talk.color, AutoStream::choice(&io::stderr()));
        let result_color = color_choice(talk.color, AutoStream::choice(&io::stdout()));
        let (quiet, is_json) = (talk.quiet, format == MessageFormat::Json);
        let live = Live::new(!quiet && are_bars_enabled(), is_json, color);
        Reporter { quiet, verbose: talk.verbose > 0, color, result_color, is_json, start: Instant::now(), live }
    }

    /// Prints an event.
    pub fn event(&self, event: &Event) {
        if matches!(event, Event::Request { .. } | Event::Credentials { .. }) && !self.verbose {
            return;
        }
        match event {
            Event::TransferEnded { transfer } => self.live.end(transfer),
            Event::CargoBegun => self.live.pause(true),
            Event::CargoEnded => self.live.pause(false),
            _ => {}
        }
        if self.is_json {
            // A closed stdout is an error when the result is written.
            let _ = self.live.print(|| to_stdout(&json::event(event, self.start.elapsed())));
        }
        match event {
            Event::TransferBegun { transfer } => self.live.begin(transfer),
            Event::Retrying { id, error, pause, .. } if self.live.retry(*id, error, *pause) => return,
            Event::RetryBegun { id } => self.live.retried(*id),
            _ => {}
        }
        if let (false, Some(line)) = (self.quiet, lines::line(event, self.start.elapsed())) {
            self.line(&line);
        }
    }

    fn line(&self, text: &str) {
        // Nothing can be shown if stderr is closed.
        let _ = self.live.print(|| writeln!(AutoStream::new(io::stderr(), self.color), "{text}"));
    }

    /// Prompts the user at the terminal.
    ///
    /// # Errors
    /// Returns an error if there is no terminal, its input ends, or the user presses Ctrl-C.
    pub fn ask(&self, question: Question) -> io::Result<String> {
        ask::ask(question, self.color)
    }

    /// Prints an inspected image, as a tree or as JSON.
    pub fn inspected(&self, found: &Inspected, json: bool) -> ExitCode {
        let width = terminal_size::terminal_size_of(io::stdout()).map(|(width, _)| usize::from(width.0));
        let text = if json { image::json(found) } else { tree::draw(&image::trees(found), width) };
        self.text(&text)
    }

    /// Prints what differs between two images, as lines or as JSON. Returns failure if something does.
    pub fn compared(&self, found: &ImageDifference, json: bool) -> ExitCode {
        let printed = self.text(&if json { image::json(found) } else { compared::lines(found) });
        if !found.same {
            return ExitCode::FAILURE;
        }
        if !self.quiet {
            self.line(&format!("{} {}", lines::verb_column("Same"), compared::same(found)));
        }
        printed
    }

    /// Prints the files of images, as lines or as JSON.
    pub fn files(&self, found: &ListedFiles, json: bool) -> ExitCode {
        self.text(&if json { image::json(found) } else { files::lines(found) })
    }

    /// Prints the attachments of an image, as a tree or as JSON.
    pub fn attachments(&self, found: &ImageReferrers, json: bool) -> ExitCode {
        let width = terminal_size::terminal_size_of(io::stdout()).map(|(width, _)| usize::from(width.0));
        let text = if json { image::json(found) } else { tree::draw(&image::attachments(found), width) };
        self.text(&text)
    }

    /// Prints the packages of an SBOM, as JSON or as a table.
    pub fn packages(&self, found: &[SbomPackage], json: bool) -> ExitCode {
        self.text(&if json { image::json(&found) } else { image::packages(found) })
    }

    /// Prints text, without its colors if they are disabled.
    pub fn text(&self, text: &str) -> ExitCode {
        let mut stdout = AutoStream::new(io::stdout(), self.result_color).lock();
        self.written(write!(stdout, "{text}").and_then(|()| stdout.flush()))
    }

    /// Prints content as it is.
    pub fn content(&self, content: &[u8]) -> ExitCode {
        let mut stdout = io::stdout().lock();
        self.written(stdout.write_all(content).and_then(|()| stdout.flush()))
    }

    fn written(&self, written: io::Result<()>) -> ExitCode {
        match written {
            // A reader such as `head` may close the pipe early.
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => self.unwritten(&error),
            _ => ExitCode::SUCCESS,
        }
    }

    fn unwritten(&self, error: &io::Error) -> ExitCode {
        self.line(&format!("{ERROR}error{ERROR:#}: cannot write the result to stdout: {error}"));
        ExitCode::FAILURE
    }

    /// Prints the problems of an image, as JSON or as one line per problem. Returns failure if there are any.
    pub fn validated(&self, found: &Validated, json: bool) -> ExitCode {
        let problems = &found.problems;
        let printed = if json {
            self.text(&image::json(found))
        } else {
            self.results(&problems.iter().map(image::problem).collect::<Vec<_>>())
        };
        self.counted(printed, problems.len())
    }

    /// Prints what was verified of an image: its name, or JSON.
    pub fn verified(&self, found: &VerifiedImage, json: bool) -> ExitCode {
        if json { self.text(&image::json(&found.json())) } else { self.results(std::slice::from_ref(&found.image)) }
    }

    /// Prints what is used for a registry, as lines or as JSON. Returns failure if it has not answered.
    pub fn registry(&self, found: &RegistryFacts, json: bool) -> ExitCode {
        let printed = self.text(&if json { image::json(found) } else { registry::lines(found) });
        if found.reachable {
            return printed;
        }
        self.line(&format!("{ERROR}error{ERROR:#}: {} is not reachable: see above", found.registry));
        ExitCode::FAILURE
    }

    /// Prints the bases of a workspace, as lines or as JSON. Returns failure if one is behind.
    pub fn bases(&self, found: &CheckedBases, json: bool) -> ExitCode {
        let printed = self.text(&if json { image::json(found) } else { bases::lines(found) });
        let (behind, unknown) = (found.count(PinState::Behind), found.count(PinState::Unknown));
        let are = |count: usize| if count == 1 { "base is" } else { "bases are" };
        if unknown > 0 {
            self.line(&format!("{ERROR}error{ERROR:#}: {unknown} {} unknown: see `problem`", are(unknown)));
        }
        if behind > 0 {
            let are = are(behind);
            self.line(&format!("{ERROR}error{ERROR:#}: {behind} {are} behind: `cargo oci base update` updates pins"));
        }
        if behind + unknown == 0 { printed } else { ExitCode::FAILURE }
    }

    /// Prints the results of tests, as lines or as JSON. Returns failure if one failed, or was not run although that is
    /// required.
    pub fn tested(&self, verdicts: &[ImageVerdicts], require_all: bool, json: bool) -> ExitCode {
        let printed = self.text(&if json { image::json(&verdicts) } else { tested::lines(verdicts) });
        let has = |verdict| verdicts.iter().any(|image| image.count(verdict) > 0);
        let total = tested::total(verdicts);
        if has(Verdict::Failed) || require_all && has(Verdict::NotRun) {
            self.line(&format!("{ERROR}error{ERROR:#}: {total}"));
            return ExitCode::FAILURE;
        }
        if !self.quiet {
            self.line(&format!("{} {total}", lines::verb_column("Tested")));
        }
        printed
    }

    /// Prints what pushes would send, as lines or as JSON.
    pub fn planned(&self, pushes: &[PlannedPush]) -> ExitCode {
        if self.is_json {
            let written = pushes.iter().try_for_each(|push| to_stdout(&json::planned(push)));
            return written.map_or_else(|error| self.unwritten(&error), |()| ExitCode::SUCCESS);
        }
        self.text(&pushes.iter().map(planned::lines).collect::<String>())
    }

    /// Prints what nothing needs in a repository, one line each, or as JSON.
    pub fn pruned(&self, found: &PrunedRepository, json: bool) -> ExitCode {
        let printed = self.text(&if json { image::json(found) } else { cache::unneeded(found, SystemTime::now()) });
        if !self.quiet {
            self.line(&cache::unneeded_total(found));
        }
        printed
    }

    /// Prints the blobs of the cache, one line per blob.
    pub fn blobs(&self, blobs: &[CachedBlob]) -> ExitCode {
        let now = SystemTime::now();
        let lines = blobs.iter().map(|blob| cache::blob(blob, now) + "\n");
        let printed = self.text(&lines.collect::<String>());
        if !self.quiet {
            self.line(&cache::total(blobs));
        }
        printed
    }

    /// Prints the corrupt blobs of the cache, one line per blob. Returns failure if there are any.
    pub fn wrong(&self, wrong: &[(Digest, String)]) -> ExitCode {
        let lines: Vec<_> = wrong.iter().map(|(digest, problem)| cache::corrupt(digest, problem)).collect();
        let printed = self.results(&lines);
        self.counted(printed, wrong.len())
    }

    /// Prints the number of problems. Returns failure if there are any.
    fn counted(&self, printed: ExitCode, count: usize) -> ExitCode {
        if count == 0 {
            return printed;
        }
        self.line(&format!("{ERROR}error{ERROR:#}: found {count} {}", plural(count, "problem")));
        ExitCode::FAILURE
    }

    /// Prints the result to stdout, one line per image.
    pub fn results(&self, lines: &[String]) -> ExitCode {
        let written = lines
            .iter()
            .try_for_each(|line| if self.is_json { to_stdout(&json::result(line)) } else { to_stdout(line) });
        match written {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => self.unwritten(&error),
        }
    }

    /// Prints an error. Returns its exit status.
    pub fn error(&self, error: &Report) -> ExitCode {
        // Cargo has already printed the error.
        if let Some(CargoFailed { status }) = error.downcast_ref() {
            return status_code(*status);
        }
        self.line(&error::rendered(error));
        let status = error.downcast_ref::<NoCCompiler>().map(|error| error.status);
        let status = status.or_else(|| Some(error.downcast_ref::<NoLibrary>()?.status));
        let status = status.or_else(|| Some(error.downcast_ref::<OwnAllocator>()?.status));
        status.map_or(ExitCode::FAILURE, status_code)
    }
}

/// Returns the color choice of the user, or the default of the stream.
fn color_choice(chosen: Option<clap::ColorChoice>, auto: anstream::ColorChoice) -> anstream::ColorChoice {
    match chosen {
        Some(clap::ColorChoice::Always) => anstream::ColorChoice::Always,
        Some(clap::ColorChoice::Never) => anstream::ColorChoice::Never,
        Some(clap::ColorChoice::Auto) | None => auto,
    }
}

/// Returns the exit status of another program as ours.
pub fn status_code(status: i32) -> ExitCode {
    u8::try_from(status).map_or(ExitCode::FAILURE, ExitCode::from)
}
