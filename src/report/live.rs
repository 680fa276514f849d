//! Live progress: a thread redraws the bars of transfers, and the line of retries, ten times a second. With JSON, it writes the progress every
//! second.

use std::env::var_os;
use std::fmt;
use std::io::{self, IsTerminal, Write};
use std::sync::{Arc, Mutex, Weak};
use std::thread;
use std::time::{Duration, Instant};

use anstream::ColorChoice;
use anstream::adapter::strip_str;
use terminal_size::{Height, Width, terminal_size_of};

use super::bars::{BarLine, Bars};
use super::json;
use super::retries::Retries;
use super::screen::Screen;
use super::stdout::to_stdout;
use crate::event::counter::Counter;
use crate::interrupt;
use crate::parallel::lock;

/// The pause between two redraws.
const PAUSE: Duration = Duration::from_millis(100);

/// The pause between two JSON objects of one transfer.
const JSON_PAUSE: Duration = Duration::from_secs(1);

/// The running transfers, and the terminal that shows them.
#[derive(Debug)]
pub(crate) struct Live(Option<Arc<Mutex<LiveState>>>);

struct LiveState {
    bars: Bars,
    retries: Retries,
    screen: Screen,
    color: ColorChoice,
    has_bars: bool,
    /// Whether cargo runs, which draws its own bar.
    is_paused: bool,
    /// When progress was last written in JSON, or `None` without JSON.
    written: Option<Instant>,
    /// Whether the thread runs.
    is_watched: bool,
}

/// Returns whether to draw bars on standard error, by cargo's rules.
pub(crate) fn are_bars_enabled() -> bool {
    let is_dumb = var_os("TERM").is_some_and(|term| term == "dumb");
    let is_ci = var_os("CI").is_some() || var_os("TF_BUILD").is_some();
    let when = var_os("CARGO_TERM_PROGRESS_WHEN").unwrap_or_default();
    io::stderr().is_terminal() && when != "never" && (when == "always" || !is_dumb && !is_ci)
}

impl Live {
    /// Creates one that draws bars, writes JSON, does both, or nothing.
    pub(crate) fn new(has_bars: bool, has_json: bool, color: ColorChoice) -> Live {
        let state = LiveState {
            bars: Bars::default(),
            retries: Retries::default(),
            screen: Screen::default(),
            color,
            has_bars,
            is_paused: false,
            written: has_json.then(Instant::now),
            is_watched: false,
        };
        Live((has_bars || has_json).then(|| Arc::new(Mutex::new(state))))
    }

    /// Adds a transfer.
    pub(crate) fn begin(&self, counter: &Arc<Counter>) {
        let Some(shared) = &self.0 else { return };
        let mut state = lock(shared);
        state.bars.begin(counter, Instant::now());
        state.start_watching(shared);
    }

    /// Removes a transfer.
    pub(crate) fn end(&self, counter: &Counter) {
        let Some(shared) = &self.0 else { return };
        let mut state = lock(shared);
        state.bars.end(counter);
        // The next line replaces the last bar. While other transfers run, the next redraw removes the bar.
        if state.is_idle() {
            state.clear();
        }
    }

    /// Shows that a request is repeated after a pause. Returns false if nothing can be shown that is updated.
    pub(crate) fn retry(&self, id: u64, error: &str, pause: Duration) -> bool {
        let Some(shared) = &self.0 else { return false };
        let mut state = lock(shared);
        if !state.has_bars || state.is_paused {
            return false;
        }
        let now = Instant::now();
        state.retries.begin(id, error, now + pause);
        state.draw(now);
        state.start_watching(shared);
        true
    }

    /// Removes a request that is repeated now.
    pub(crate) fn retried(&self, id: u64) {
        let Some(shared) = &self.0 else { return };
        let mut state = lock(shared);
        state.retries.end(id);
        if state.is_idle() {
            state.clear();
        }
    }

    /// Hides the bars while cargo runs, or shows them again.
    pub(crate) fn pause(&self, is_paused: bool) {
        let Some(shared) = &self.0 else { return };
        let mut state = lock(shared);
        state.clear();
        state.is_paused = is_paused;
    }

    /// Prints something with the bars removed, then draws them again.
    pub(crate) fn print<T>(&self, print: impl FnOnce() -> T) -> T {
        let Some(shared) = &self.0 else { return print() };
        let mut state = lock(shared);
        state.clear();
        if state.is_paused && state.has_bars {
            // Cargo redraws its bar on the line below.
            let _ = io::stderr().lock().write_all(b"\r\x1b[K");
        }
        let printed = print();
        state.draw(Instant::now());
        printed
    }
}

/// Redraws until no transfer runs and no request waits.
fn watch(shared: &Weak<Mutex<LiveState>>) {
    loop {
        thread::sleep(PAUSE);
        let Some(shared) = shared.upgrade() else { return };
        let mut state = lock(&shared);
        if state.is_idle() {
            state.is_watched = false;
            return;
        }
        let now = Instant::now();
        state.bars.sample(now);
        state.write(now);
        if interrupt::is_set() {
            // A second Ctrl-C ends the program at once, with whatever is on the terminal.
            state.clear();
        } else {
            state.draw(now);
        }
    }
}

impl LiveState {
    /// Starts the thread that redraws, unless it runs.
    fn start_watching(&mut self, shared: &Arc<Mutex<LiveState>>) {
        if !self.is_watched {
            let watched = Arc::downgrade(shared);
            // If no thread can be started, only the bars are missing.
            self.is_watched = thread::Builder::new().spawn(interrupt::inherit(move || watch(&watched))).is_ok();
        }
    }

    /// Returns whether there is nothing to show.
    fn is_idle(&self) -> bool {
        self.bars.is_empty() && self.retries.is_empty()
    }

    /// Writes the progress in JSON, if it is due.
    fn write(&mut self, now: Instant) {
        if self.written.is_none_or(|written| now - written < JSON_PAUSE) {
            return;
        }
        self.written = Some(now);
        self.clear();
        for counter in self.bars.counters() {
            // A closed stdout is an error when the result is written.
            let _ = to_stdout(&json::progress(counter));
        }
    }

    fn draw(&mut self, now: Instant) {
        if !self.has_bars || self.is_paused {
            return;
        }
        let (columns, rows) = size();
        let retries = self.retries.line(columns, now);
        let mut lines = self.bars.lines(columns, rows.saturating_sub(retries.iter().len()), now);
        lines.extend(retries);
        if self.color == ColorChoice::Never {
            for line in &mut lines {
                line.text = strip_str(&line.text).to_string();
            }
        }
        self.show(&lines, columns);
    }

    fn clear(&mut self) {
        self.show(&[], size().0);
    }

    fn show(&mut self, lines: &[BarLine], columns: usize) {
        let output = self.screen.draw(lines, columns);
        // Nothing can be shown if stderr is closed.
        let _ = io::stderr().lock().write_all(output.as_bytes());
    }
}

/// Returns the terminal's columns and rows.
fn size() -> (usize, usize) {
    let (Width(columns), Height(rows)) = terminal_size_of(io::stderr()).unwrap_or((Width(80), Height(24)));
    (columns.into(), rows.into())
}

impl fmt::Debug for LiveState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (&self.bars, &self.retries).fmt(f)
    }
}
