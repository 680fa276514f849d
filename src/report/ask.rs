//! Questions → the answers that the user types at the terminal.

use std::io::{self, Write};
use std::time::{Duration, Instant};

use anstream::{AutoStream, ColorChoice};

use crate::event::Question;
use crate::interrupt::{self, blocking};
use crate::sanitize::sanitize;

/// Prompts the user at the terminal.
///
/// # Errors
/// Returns an error if there is no terminal, its input ends, or the user presses Ctrl-C.
pub(crate) fn ask(question: Question, color: ColorChoice) -> io::Result<String> {
    let text = match question {
        Question::User { registry } => format!("Username for {registry}: "),
        Question::Password { user, registry } => format!("Password for {user} at {registry}: "),
        Question::TrustTokenService { registry, service } => {
            let service = sanitize(service);
            format!("The token service of {registry} is {service}, in another domain. Send the password there? [y/N] ")
        }
        Question::KeyPassword { key } => format!("Password for the key {key}: "),
        Question::NewKeyPassword { key, again: false } => format!("Password for the new key {key}: "),
        Question::NewKeyPassword { again: true, .. } => "Repeat the password: ".to_owned(),
    };
    let mut stderr = AutoStream::new(io::stderr(), color);
    write!(stderr, "{text}")?;
    stderr.flush()?;
    let answer = match question {
        Question::User { .. } | Question::TrustTokenService { .. } => blocking::run(read_line),
        Question::Password { .. } | Question::KeyPassword { .. } | Question::NewKeyPassword { .. } => {
            let terminal = TerminalMode::current();
            let answer = blocking::run(rpassword::read_password);
            // A thread that is left alone does not make the terminal echo again.
            terminal.restore();
            answer
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
/// Returns an error if the input ends.
fn read_line() -> io::Result<String> {
    let mut line = String::new();
    match io::stdin().read_line(&mut line)? {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        _ => Ok(line),
    }
}

/// Whether the terminal echoes, and all that it is set to besides.
#[cfg(unix)]
struct TerminalMode(Option<(std::fs::File, rustix::termios::Termios)>);

#[cfg(unix)]
impl TerminalMode {
    fn current() -> TerminalMode {
        let terminal = std::fs::File::options().read(true).write(true).open("/dev/tty");
        TerminalMode(terminal.ok().and_then(|terminal| {
            let mode = rustix::termios::tcgetattr(&terminal).ok()?;
            Some((terminal, mode))
        }))
    }

    fn restore(&self) {
        if let Some((terminal, mode)) = &self.0 {
            // Without a terminal there is nothing to restore.
            let _ = rustix::termios::tcsetattr(terminal, rustix::termios::OptionalActions::Now, mode);
        }
    }
}

#[cfg(not(unix))]
struct TerminalMode;

#[cfg(not(unix))]
impl TerminalMode {
    fn current() -> TerminalMode {
        TerminalMode
    }

    fn restore(&self) {}
}
