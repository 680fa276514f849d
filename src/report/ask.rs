//! Questions → the answers that the user types at the terminal.

use std::io::{self, Write};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

use anstream::{AutoStream, ColorChoice};

use crate::event::Question;
use crate::interrupt;

/// Prompts the user at the terminal.
///
/// # Errors
/// Returns an error if there is no terminal, its input ends, or the user presses Ctrl-C.
pub(crate) fn ask(question: Question, color: ColorChoice) -> io::Result<String> {
    let text = match question {
        Question::User { registry } => format!("Username for {registry}: "),
        Question::Password { user, registry } => format!("Password for {user} at {registry}: "),
        Question::KeyPassword { key } => format!("Password for the key {key}: "),
        Question::NewKeyPassword { key, again: false } => format!("Password for the new key {key}: "),
        Question::NewKeyPassword { again: true, .. } => "Repeat the password: ".to_owned(),
    };
    let mut stderr = AutoStream::new(io::stderr(), color);
    write!(stderr, "{text}")?;
    stderr.flush()?;
    let answer = match question {
        Question::User { .. } => read_line(),
        Question::Password { .. } | Question::KeyPassword { .. } | Question::NewKeyPassword { .. } => {
            rpassword::read_password()
        }
    };
    if answer.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::Interrupted) {
        // Wait for the thread that handles the signal.
        let end = Instant::now() + Duration::from_secs(1);
        while !interrupt::is_set() && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(10));
        }
    }
    answer
}

/// Reads a line from the terminal.
///
/// # Errors
/// Returns an error if the input ends or the user presses Ctrl-C.
fn read_line() -> io::Result<String> {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let mut line = String::new();
        // The receiver is gone after Ctrl-C.
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
