//! What changes by itself: a thread looks ten times a second how far the transfers are, and draws their bars; where JSON
//! is wanted, it tells so every second.

use std::fmt;
use std::io::{self, IsTerminal, Write};
use std::sync::{Arc, Mutex, Weak};
use std::thread;
use std::time::{Duration, Instant};

use anstream::ColorChoice;
use anstream::adapter::strip_str;
use terminal_size::{Height, Width, terminal_size_of};

use super::bars::{Bars, Line};
use super::screen::Screen;
use super::{json, to_stdout};
use crate::event::transfer::Counter;
use crate::interrupt;
use crate::parallel::lock;

/// How long a picture stands.
const PAUSE: Duration = Duration::from_millis(100);

/// The pause between two objects of one transfer.
const JSON_PAUSE: Duration = Duration::from_secs(1);

/// Transfers that run, and the terminal that shows them.
#[derive(Debug)]
pub struct Live(Option<Arc<Mutex<State>>>);

struct State {
    bars: Bars,
    screen: Screen,
    color: ColorChoice,
    has_bars: bool,
    /// Whether the terminal is cargo's, which has a bar of its own there.
    gives_way: bool,
    /// When how far they are was last told in JSON, where it is.
    told: Option<Instant>,
    /// Whether there is a thread that looks.
    is_watched: bool,
}

/// Whether standard error shows bars, and the user wants some: by cargo's own rules.
pub fn are_bars_wanted() -> bool {
    let variable = |name| std::env::var_os(name);
    let is_dumb = || variable("TERM").is_some_and(|term| term == "dumb");
    let is_ci = || variable("CI").is_some() || variable("TF_BUILD").is_some();
    let when = variable("CARGO_TERM_PROGRESS_WHEN").unwrap_or_default();
    io::stderr().is_terminal() && when != "never" && (when == "always" || !is_dumb() && !is_ci())
}

impl Live {
    /// One that draws bars, tells in JSON, does both, or nothing.
    pub fn new(has_bars: bool, has_json: bool, color: ColorChoice) -> Live {
        let state = || State {
            bars: Bars::default(),
            screen: Screen::default(),
            color,
            has_bars,
            gives_way: false,
            told: has_json.then(Instant::now),
            is_watched: false,
        };
        Live((has_bars || has_json).then(|| Arc::new(Mutex::new(state()))))
    }

    /// A transfer begins.
    pub fn begin(&self, counter: &Arc<Counter>) {
        let Some(shared) = &self.0 else { return };
        let mut state = lock(shared);
        state.bars.begin(counter, Instant::now());
        if !state.is_watched {
            let watched = Arc::downgrade(shared);
            // Without a thread there are no bars, and nothing else is missing.
            state.is_watched = thread::Builder::new().spawn(interrupt::inherit(move || watch(&watched))).is_ok();
        }
    }

    /// A transfer has ended.
    pub fn end(&self, counter: &Counter) {
        let Some(shared) = &self.0 else { return };
        let mut state = lock(shared);
        state.bars.end(counter);
        // What is said next is said where its bar was; while others run, the next picture is soon enough.
        if state.bars.is_empty() {
            state.take_away();
        }
    }

    /// Shows no bars while cargo does, or shows them again.
    pub fn give_way(&self, gives_way: bool) {
        let Some(shared) = &self.0 else { return };
        let mut state = lock(shared);
        state.take_away();
        state.gives_way = gives_way;
    }

    /// Prints something, while no bar is in its way.
    pub fn aside<T>(&self, print: impl FnOnce() -> T) -> T {
        let Some(shared) = &self.0 else { return print() };
        let mut state = lock(shared);
        state.take_away();
        if state.gives_way && state.has_bars {
            // Cargo draws its bar anew in the line below.
            let _ = io::stderr().lock().write_all(b"\r\x1b[K");
        }
        let printed = print();
        state.draw(Instant::now());
        printed
    }
}

/// Until nothing runs any more.
fn watch(shared: &Weak<Mutex<State>>) {
    loop {
        thread::sleep(PAUSE);
        let Some(shared) = shared.upgrade() else { return };
        let mut state = lock(&shared);
        if state.bars.is_empty() {
            state.is_watched = false;
            return;
        }
        let now = Instant::now();
        state.bars.look(now);
        state.tell(now);
        match interrupt::is_set() {
            // Another Ctrl-C ends the program at once.
            true => state.take_away(),
            false => state.draw(now),
        }
    }
}

impl State {
    /// Tells in JSON, where that is wanted and due.
    fn tell(&mut self, now: Instant) {
        if self.told.is_none_or(|told| now - told < JSON_PAUSE) {
            return;
        }
        self.told = Some(now);
        self.take_away();
        for counter in self.bars.counters() {
            // Who does not listen any more is told with the result.
            let _ = to_stdout(&json::progress(counter));
        }
    }

    fn draw(&mut self, now: Instant) {
        if !self.has_bars || self.gives_way {
            return;
        }
        let size @ (columns, _) = size();
        let mut lines = self.bars.lines(size, now);
        if self.color == ColorChoice::Never {
            lines.iter_mut().for_each(|line| line.text = strip_str(&line.text).to_string());
        }
        self.show(&lines, columns);
    }

    fn take_away(&mut self) {
        self.show(&[], size().0);
    }

    fn show(&mut self, lines: &[Line], columns: usize) {
        let orders = self.screen.draw(lines, columns);
        // There is nobody left to show anything to when stderr is gone.
        let _ = io::stderr().lock().write_all(orders.as_bytes());
    }
}

/// The terminal's columns and rows.
fn size() -> (usize, usize) {
    let (Width(columns), Height(rows)) = terminal_size_of(io::stderr()).unwrap_or((Width(80), Height(24)));
    (columns.into(), rows.into())
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.bars.fmt(f)
    }
}
