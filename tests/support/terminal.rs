//! A terminal for a program, and what it shows.

use std::io::{Read, Write};
use std::process::{ChildStdin, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use super::process::Process;
use super::project::Call;

/// How long a program may take.
const LIMIT: Duration = Duration::from_secs(60);

/// A program in a terminal, killed on drop.
pub struct Terminal {
    script: Process,
    keyboard: ChildStdin,
    output: Receiver<Vec<u8>>,
    screen: Screen,
    /// All screens that were shown.
    pub seen: Vec<String>,
}

/// The screen after a program has ended.
#[derive(Debug)]
pub struct Left {
    /// Its exit status.
    pub status: i32,
    /// All lines.
    pub lines: Vec<String>,
    /// Whether the cursor is visible, at the start of the line below them.
    pub is_clean: bool,
}

impl Terminal {
    /// Runs the call in a terminal with this many columns and 24 rows.
    pub fn start(call: &Call, columns: usize) -> Terminal {
        let whole = call.whole();
        let words: Vec<_> = whole.get_args().map(|word| word.to_string_lossy().into_owned()).collect();
        let typed = format!("stty cols {columns} rows 24; exec cargo {}", words.join(" "));
        let mut command = call.command("script");
        command.args(["--quiet", "--return", "--flush", "--command", &typed, "/dev/null"]);
        let mut script = Process::with_pipes(command.stdin(Stdio::piped()).stdout(Stdio::piped()));
        let (keyboard, mut pipe) = script.pipes();
        let (sender, output) = channel();
        thread::spawn(move || {
            let mut bytes = vec![0; 64 << 10];
            while let Ok(read @ 1..) = pipe.read(&mut bytes) {
                if sender.send(bytes[..read].to_vec()).is_err() {
                    return;
                }
            }
        });
        Terminal { script, keyboard, output, screen: Screen::new(columns), seen: Vec::new() }
    }

    /// Reads until a screen matches.
    ///
    /// # Panics
    /// Panics if the program ends before, or takes too long.
    pub fn wait_for(&mut self, is_it: impl Fn(&str) -> bool) {
        let start = Instant::now();
        while !self.seen.last().is_some_and(|picture| is_it(picture)) {
            assert!(self.look() && start.elapsed() < LIMIT, "not seen:\n{}", self.seen.join("\n---\n"));
        }
    }

    /// Types.
    pub fn typed(&mut self, keys: &str) {
        self.keyboard.write_all(keys.as_bytes()).expect("a terminal");
    }

    /// Reads until the program has ended.
    ///
    /// # Panics
    /// Panics if it takes too long.
    pub fn ended(&mut self) -> Left {
        let start = Instant::now();
        while self.look() {
            assert!(start.elapsed() < LIMIT, "it does not end:\n{}", self.screen.picture());
        }
        let status = self.script.wait(LIMIT).and_then(|status| status.code()).unwrap_or(-1);
        let lines: Vec<_> = self.screen.picture().lines().map(str::to_owned).collect();
        let is_clean = !self.screen.is_cursor_hidden && (self.screen.row, self.screen.column) == (lines.len(), 0);
        Left { status, lines, is_clean }
    }

    /// Reads the next output. Returns false at the end.
    fn look(&mut self) -> bool {
        match self.output.recv_timeout(LIMIT) {
            Ok(bytes) => {
                self.screen.take(&bytes);
                self.seen.push(self.screen.picture());
                true
            }
            Err(RecvTimeoutError::Disconnected) => false,
            Err(RecvTimeoutError::Timeout) => panic!("nothing happens:\n{}", self.screen.picture()),
        }
    }
}

/// The lines of a terminal with unlimited scrollback, and its cursor.
struct Screen {
    columns: usize,
    lines: Vec<Vec<char>>,
    row: usize,
    column: usize,
    is_cursor_hidden: bool,
    /// Bytes of an incomplete character or escape sequence.
    begun: Vec<u8>,
}

impl Screen {
    fn new(columns: usize) -> Screen {
        let begun = Vec::new();
        Screen { columns, lines: vec![Vec::new()], row: 0, column: 0, is_cursor_hidden: false, begun }
    }

    fn take(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.begun.push(*byte);
            let Ok(text) = std::str::from_utf8(&self.begun) else { continue };
            let text = text.to_owned();
            match text.strip_prefix("\x1b[") {
                Some(order) if order.ends_with(|c: char| c.is_ascii_alphabetic()) => self.obey(order),
                Some(_) => continue,
                None if text == "\x1b" => continue,
                None => text.chars().for_each(|c| self.put(c)),
            }
            self.begun.clear();
        }
    }

    fn put(&mut self, c: char) {
        match c {
            '\r' => self.column = 0,
            '\n' => self.down(),
            c => {
                if self.column == self.columns {
                    self.column = 0;
                    self.down();
                }
                let line = &mut self.lines[self.row];
                line.resize(line.len().max(self.column + 1), ' ');
                line[self.column] = c;
                self.column += 1;
            }
        }
    }

    fn down(&mut self) {
        self.row += 1;
        self.lines.resize(self.lines.len().max(self.row + 1), Vec::new());
    }

    fn obey(&mut self, order: &str) {
        let (number, letter) = order.split_at(order.len() - 1);
        match (number, letter) {
            ("?25", "l") => self.is_cursor_hidden = true,
            ("?25", "h") => self.is_cursor_hidden = false,
            (_, "A") => self.row = self.row.checked_sub(number.parse().expect("a number")).expect("a row to go up to"),
            ("" | "0", "K") => self.lines[self.row].truncate(self.column),
            ("" | "0", "J") => {
                self.lines[self.row].truncate(self.column);
                self.lines.truncate(self.row + 1);
            }
            (_, "m") => {}
            _ => panic!("a terminal was told {order:?}"),
        }
    }

    /// Returns the visible text.
    fn picture(&self) -> String {
        let lines: Vec<_> = self.lines.iter().map(|line| line.iter().collect::<String>()).collect();
        lines.iter().map(|line| line.trim_end()).collect::<Vec<_>>().join("\n").trim_end().to_owned()
    }
}
