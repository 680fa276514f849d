//! Events, results and errors → words. The only place that prints.
//!
//! stdout is data: one line an image. stderr is talk, in cargo's own look.

#![allow(clippy::print_stdout, clippy::print_stderr)]

mod image;
mod tree;

use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

use anstream::AutoStream;
use anstyle::{AnsiColor, Style};
use clap::ColorChoice;
use miette::{GraphicalReportHandler, GraphicalTheme, Report};

use crate::error::{CargoFailed, NoCCompiler};
use crate::event::{Event, Question};
use crate::inspect::Inspected;
use crate::interrupt;
use crate::platform::Platform;
use crate::store::validate::Problem;

const VERB: Style = AnsiColor::BrightGreen.on_default().bold();
const WARNING: Style = AnsiColor::BrightYellow.on_default().bold();
const ERROR: Style = AnsiColor::BrightRed.on_default().bold();
const HELP: Style = AnsiColor::BrightCyan.on_default().bold();

/// Tells the user what happens.
#[derive(Debug)]
pub struct Reporter {
    quiet: bool,
    color: anstream::ColorChoice,
    /// For stdout, which may be a pipe where stderr is a terminal.
    result_color: anstream::ColorChoice,
    start: Instant,
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
        Reporter { quiet, color, result_color, start: Instant::now() }
    }

    /// Tells of an event.
    pub fn event(&self, event: Event) {
        if self.quiet {
            return;
        }
        let (verb, text) = match event {
            Event::Warning { message } => {
                return self.line(&format!("{WARNING}warning{WARNING:#}: {}", harmless(&message)));
            }
            Event::CargoSaid { line } => return self.line(&line),
            Event::Waiting { path } => {
                ("Blocking", format!("waiting for another cargo oci that writes {}", path.display()))
            }
            Event::InstallingTarget { triple } => {
                ("Installing", format!("the Rust standard library for {triple} (rustup target add)"))
            }
            Event::Pulling { base, blobs, bytes } => {
                ("Pulling", format!("{base} ({blobs} {}, {})", plural(blobs, "layer"), size(bytes)))
            }
            Event::Layered { image, platform, files, bytes } => {
                ("Layering", format!("{image} {platform}: {} ({})", files.join(", "), size(bytes)))
            }
            Event::Bundling { image, platform, layers, bytes } => {
                ("Bundling", format!("{image} {platform} ({layers} {}, {})", plural(layers, "layer"), size(bytes)))
            }
            Event::Pushing { image, to } => ("Pushing", format!("{image} to {to}")),
            Event::Pushed { image, to, was_there: true } => ("Unchanged", format!("{image} is at {to} already")),
            Event::Pushed { image, to, .. } => ("Pushed", format!("{image} to {to}")),
            Event::Loading { image, engine, platforms } => {
                ("Loading", format!("{image} for {} into {engine}", list(&platforms)))
            }
            Event::Loaded { names, engine, id, sent, was_there } => {
                let names = names.join(", ");
                match was_there {
                    true => ("Unchanged", format!("{names} is in {engine} already ({id})")),
                    false => {
                        let sent = sent.map(|sent| format!(", {} sent", size(sent))).unwrap_or_default();
                        ("Loaded", format!("{names} into {engine} ({id}{sent})"))
                    }
                }
            }
            Event::Running { name, engine } => ("Running", format!("{name} in {engine}")),
            Event::Validating { image } => ("Validating", image),
            Event::Validated { image, blobs, bytes } => {
                ("Validated", format!("{image} ({blobs} {}, {})", plural(blobs, "blob"), size(bytes)))
            }
            Event::Retrying { error, pause } => ("Retrying", format!("in {:.1}s: {error}", pause.as_secs_f64())),
            Event::LoggedIn { registry, user, place } => ("Login", format!("{registry} as {user} ({place})")),
            Event::LoggedOut { registry, place } => ("Logout", format!("{registry} ({place})")),
            Event::Wrote { path } => ("Writing", path.display().to_string()),
            Event::Finished { image, platforms, bytes } => {
                let seconds = self.start.elapsed().as_secs_f64();
                ("Finished", format!("{image} for {} ({}) in {seconds:.2}s", list(&platforms), size(bytes)))
            }
        };
        self.line(&format!("{VERB}{verb:>12}{VERB:#} {}", harmless(&text)));
    }

    fn line(&self, text: &str) {
        // There is nobody left to tell that stderr is gone.
        let _ = writeln!(AutoStream::new(std::io::stderr(), self.color), "{text}");
    }

    /// Asks the user at the terminal.
    ///
    /// # Errors
    /// When there is no terminal, nothing more comes from it, or Ctrl-C.
    pub fn ask(&self, question: Question) -> io::Result<String> {
        let text = match question {
            Question::User { registry } => format!("User at {registry}: "),
            Question::Password { user, registry } => format!("Password of {user} at {registry}: "),
        };
        let mut stderr = AutoStream::new(io::stderr(), self.color);
        write!(stderr, "{text}")?;
        stderr.flush()?;
        let answer = match question {
            Question::User { .. } => typed_line(),
            Question::Password { .. } => rpassword::read_password(),
        };
        let is_interrupt = |error: &io::Error| error.kind() == io::ErrorKind::Interrupted;
        if answer.as_ref().is_err_and(is_interrupt) {
            // The signal that was raised is noticed by another thread.
            let noticed = Instant::now() + Duration::from_secs(1);
            while !interrupt::is_set() && Instant::now() < noticed {
                std::thread::sleep(Duration::from_millis(10));
            }
        }
        answer
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
        let mut stdout = std::io::stdout().lock();
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
        self.line(&self.rendered(error));
        match error.downcast_ref::<NoCCompiler>() {
            Some(error) => status_code(error.status),
            None => ExitCode::FAILURE,
        }
    }

    /// As cargo writes errors; a mistake in a file is shown where it is.
    fn rendered(&self, error: &Report) -> String {
        let mut text = format!("{ERROR}error{ERROR:#}: {}", harmless(&error.to_string()));
        let causes: Vec<_> = error.chain().skip(1).map(|cause| harmless(&cause.to_string())).collect();
        if !causes.is_empty() {
            text.push_str("\n\nCaused by:");
            for cause in causes {
                text.push_str(&format!("\n  {}", cause.replace('\n', "\n  ")));
            }
        }
        if error.labels().is_some() {
            text.push_str(&self.snippet(error));
        }
        if let Some(help) = error.help() {
            text.push_str(&format!("\n\n{HELP}help{HELP:#}: {}", harmless(&help.to_string())));
        }
        text
    }

    /// The lines of the file that the error points at, with carets.
    fn snippet(&self, error: &Report) -> String {
        let theme = match self.color {
            anstream::ColorChoice::Never => GraphicalTheme::unicode_nocolor(),
            _ if std::io::stderr().is_terminal() => GraphicalTheme::unicode(),
            _ => GraphicalTheme::unicode_nocolor(),
        };
        let mut rendered = String::new();
        let handler = GraphicalReportHandler::new_themed(theme).with_links(false).with_context_lines(1);
        let drawn = handler.render_report(&mut rendered, error.as_ref());
        // The drawing begins below the message, which stands above already, and ends above the help.
        let lines = rendered.lines().skip_while(|line| !line.contains('╭'));
        let lines: Vec<_> = lines.take_while(|line| !line.trim_start().starts_with("help")).collect();
        match drawn {
            Ok(()) => format!("\n{}", lines.join("\n").trim_end()),
            Err(_) => String::new(),
        }
    }
}

/// Text from anywhere, without what a terminal would take for an order.
fn harmless(text: &str) -> String {
    let escaped = |c: char| match c.is_control() && c != '\n' {
        true => c.escape_default().collect(),
        false => String::from(c),
    };
    text.chars().map(escaped).collect()
}

/// A line from the terminal, unless Ctrl-C comes first.
fn typed_line() -> io::Result<String> {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let mut line = String::new();
        // Nobody listens any more after Ctrl-C.
        let _ = sender.send(io::stdin().read_line(&mut line).map(|_| line));
    });
    loop {
        match receiver.recv_timeout(Duration::from_millis(50)) {
            Ok(Ok(line)) if line.is_empty() => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(line) => return line,
            Err(RecvTimeoutError::Timeout) if !interrupt::is_set() => {}
            Err(_) => return Err(io::ErrorKind::Interrupted.into()),
        }
    }
}

/// The exit status of another program as ours.
pub fn status_code(status: i32) -> ExitCode {
    u8::try_from(status).map_or(ExitCode::FAILURE, ExitCode::from)
}

fn list(platforms: &[Platform]) -> String {
    let names: Vec<_> = platforms.iter().map(ToString::to_string).collect();
    names.join(", ")
}

fn plural(count: usize, thing: &str) -> String {
    match count {
        1 => thing.to_owned(),
        _ => format!("{thing}s"),
    }
}

/// Bytes as a person reads them.
fn size(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    #[allow(clippy::cast_precision_loss)] // it is shown with one decimal
    let mut value = bytes as f64 / 1024.0;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    format!("{value:.1} {}", UNITS[unit])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_told_in_the_unit_that_fits() {
        assert_eq!(size(999), "999 B");
        assert_eq!(size(1536), "1.5 KiB");
        assert_eq!(size(5 << 30), "5.0 GiB");
    }

    #[test]
    fn orders_to_the_terminal_are_shown_and_not_given() {
        assert_eq!(harmless("a\u{1b}[31mb\nc"), "a\\u{1b}[31mb\nc");
    }

    #[test]
    fn an_error_is_told_with_its_causes_and_the_way_out() {
        let error = miette::miette!(help = "do that", "inner").wrap_err("outer");
        let reporter = Reporter::new(false, Some(ColorChoice::Never));
        let text = anstream::adapter::strip_str(&reporter.rendered(&error)).to_string();
        assert_eq!(text, "error: outer\n\nCaused by:\n  inner\n\nhelp: do that");
    }
}
