//! Questions → what the user types at the terminal.

use std::io::{self, Write};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

use anstream::{AutoStream, ColorChoice};

use crate::event::Question;
use crate::interrupt;

/// Asks the user at the terminal.
///
/// # Errors
/// When there is no terminal, nothing more comes from it, or Ctrl-C.
pub fn ask(question: Question, color: ColorChoice) -> io::Result<String> {
    let text = match question {
        Question::User { registry } => format!("User at {registry}: "),
        Question::Password { user, registry } => format!("Password of {user} at {registry}: "),
        Question::KeyPassword { key } => format!("Password of the key {key}: "),
        Question::NewKeyPassword { key, again: false } => format!("Password for the new key {key}: "),
        Question::NewKeyPassword { again: true, .. } => "The same again: ".to_owned(),
    };
    let mut stderr = AutoStream::new(io::stderr(), color);
    write!(stderr, "{text}")?;
    stderr.flush()?;
    let answer = match question {
        Question::User { .. } => typed_line(),
        Question::Password { .. } | Question::KeyPassword { .. } | Question::NewKeyPassword { .. } => {
            rpassword::read_password()
        }
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
