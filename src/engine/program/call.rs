//! A running program.

use std::io::{self, Read};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use super::error::ProgramError;
use crate::interrupt::{self, Relay};

/// The output of a program that succeeded.
#[derive(Clone, Debug, Default)]
pub(crate) struct ProgramOutput {
    /// The standard output.
    pub stdout: String,
    /// The number of bytes written to its standard input.
    pub sent: u64,
}

/// A command, and its name for errors.
pub(super) struct NamedCommand {
    pub command: Command,
    pub name: String,
}

/// A running program. Threads read its outputs.
pub(super) struct Call {
    name: String,
    child: Child,
    stdout: Receiver<String>,
    stderr: Receiver<String>,
    /// Passes signals on.
    _relay: Relay,
}

/// The most bytes of an output to keep. The rest is read and dropped.
const MOST_OUTPUT: u64 = 64 << 20;

impl Call {
    /// Starts a command.
    ///
    /// # Errors
    /// Returns an error if the command cannot be started.
    pub(super) fn start(named: NamedCommand, stdin: Stdio) -> Result<Call, ProgramError> {
        let NamedCommand { mut command, name } = named;
        let spawned = command.stdin(stdin).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        let mut child = spawned.map_err(|cause| ProgramError::Io { program: name.clone(), cause })?;
        let (stdout, stderr) = (read_beside(child.stdout.take()), read_beside(child.stderr.take()));
        let relay = interrupt::relay(child.id());
        Ok(Call { name, child, stdout, stderr, _relay: relay })
    }

    /// Takes the standard input.
    pub(super) fn take_stdin(&mut self) -> Option<ChildStdin> {
        self.child.stdin.take()
    }

    /// Waits for the program to exit.
    ///
    /// # Errors
    /// Returns an error if the program fails or exceeds the limit, or the user interrupts.
    pub(super) fn wait(mut self, limit: Option<Duration>) -> Result<ProgramOutput, ProgramError> {
        let start = Instant::now();
        let mut stdout = None;
        let status = loop {
            // A program that closes its output is about to exit.
            match self.stdout.recv_timeout(Duration::from_millis(50)) {
                Ok(text) => stdout = Some(text),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => thread::sleep(Duration::from_millis(1)),
            }
            match self.child.try_wait() {
                Ok(None) => {}
                Ok(Some(status)) => break status,
                Err(cause) => return Err(ProgramError::Io { program: self.name, cause }),
            }
            interrupt::check().map_err(|cause| self.fail(cause))?;
            if let Some(limit) = limit.filter(|limit| start.elapsed() > *limit) {
                self.kill();
                return Err(ProgramError::Timeout { program: self.name, limit });
            }
        };
        let stdout = stdout.unwrap_or_else(|| rest(&self.stdout));
        if status.success() {
            return Ok(ProgramOutput { stdout, sent: 0 });
        }
        let message = error_message(&self.name, &rest(&self.stderr), &stdout, status);
        Err(ProgramError::Failed { program: self.name, message })
    }

    /// Kills the program, and returns the error for that.
    pub(super) fn fail(&mut self, cause: io::Error) -> ProgramError {
        self.kill();
        ProgramError::Io { program: self.name.clone(), cause }
    }

    fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Returns the output of a program that has exited. Its children may keep the output open.
fn rest(output: &Receiver<String>) -> String {
    output.recv_timeout(Duration::from_secs(1)).unwrap_or_default()
}

/// Reads an output to its end in a thread.
fn read_beside(output: Option<impl Read + Send + 'static>) -> Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut output) = output {
            // On an error, what was read before counts.
            let _ = output.by_ref().take(MOST_OUTPUT).read_to_end(&mut bytes);
            let _ = io::copy(&mut output, &mut io::sink());
        }
        // The receiver may be gone.
        let _ = sender.send(String::from_utf8_lossy(&bytes).into_owned());
    });
    receiver
}

/// Returns the last lines of the standard error, or of the standard output, or the exit status if both are empty.
fn error_message(name: &str, stderr: &str, stdout: &str, status: ExitStatus) -> String {
    // `ProgramError` names the program already.
    let prefix = format!("{}: ", name.split(' ').next().unwrap_or_default());
    for output in [stderr, stdout] {
        let lines = output.lines().map(|line| line.trim().trim_start_matches(&prefix).trim_start_matches("Error: "));
        let lines: Vec<_> = lines.filter(|line| !line.is_empty()).collect();
        if !lines.is_empty() {
            return lines[lines.len().saturating_sub(3)..].join("; ");
        }
    }
    format!("failed with {status}")
}
