//! Runs the client program of an engine.

mod call;
mod error;

use std::ffi::{OsStr, OsString};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, Command, Stdio};
use std::time::Duration;

use crate::environment::Environment;
use crate::event::counter::Counter;
use crate::event::transfer::Transfer;
use crate::interrupt;
pub(super) use call::ProgramOutput;
use call::{Call, NamedCommand};
pub(super) use error::ProgramError;

/// A client program, with the arguments that select an engine.
#[derive(Clone, Debug)]
pub(super) struct Program {
    path: PathBuf,
    args: Vec<OsString>,
    environment: Environment,
}

/// The time limit of a query. A remote engine, or one that is being started, may take long.
const LIMIT: Duration = Duration::from_secs(30);

impl Program {
    /// Finds a program on PATH.
    pub(super) fn find(environment: &Environment, name: &str) -> Option<Program> {
        let path = environment.find_program(&[name])?;
        Some(Program { path, args: Vec::new(), environment: environment.clone() })
    }

    /// Adds arguments that come first in every call.
    #[must_use]
    pub(super) fn with(mut self, args: &[&str]) -> Program {
        self.args.extend(args.iter().map(OsString::from));
        self
    }

    /// Returns a command that is not started yet.
    pub(super) fn command<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Command {
        let mut command = self.environment.command(&self.path);
        // The platform is passed explicitly where it matters.
        command.env_remove("DOCKER_DEFAULT_PLATFORM");
        command.args(&self.args).args(args);
        command
    }

    /// Returns a command with its name for errors: the program and its subcommand, such as `docker image inspect`.
    fn named<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> NamedCommand {
        let command = self.command(args);
        let program = self.path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let words = command.get_args().skip(self.args.len()).map(|word| word.to_string_lossy().into_owned());
        let words = words.take_while(|word| word.chars().all(|c| c.is_ascii_lowercase()));
        let name = std::iter::once(program).chain(words.take(2)).collect::<Vec<_>>().join(" ");
        NamedCommand { command, name }
    }

    /// Runs a command that only reads, and returns its output.
    ///
    /// # Errors
    /// Returns an error if the command fails, or takes longer than 30 seconds.
    pub(super) fn query<S: AsRef<OsStr>>(
        &self,
        args: impl IntoIterator<Item = S>,
    ) -> Result<ProgramOutput, ProgramError> {
        Call::start(self.named(args), Stdio::null())?.wait(Some(LIMIT))
    }

    /// Runs a command without a time limit.
    ///
    /// # Errors
    /// Returns an error if the command fails.
    pub(super) fn run<S: AsRef<OsStr>>(
        &self,
        args: impl IntoIterator<Item = S>,
    ) -> Result<ProgramOutput, ProgramError> {
        Call::start(self.named(args), Stdio::null())?.wait(None)
    }

    /// Runs a command that cleans up, even after an interrupt. Ignores errors.
    pub(super) fn clean_up<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) {
        let _cleanup = interrupt::clean_up();
        let mut named = self.named(args);
        interrupt::keep_from_terminal(&mut named.command);
        if let Ok(call) = Call::start(named, Stdio::null()) {
            let _ = call.wait(Some(LIMIT));
        }
    }

    /// Runs a command in a folder, without a time limit.
    ///
    /// # Errors
    /// Returns an error if the command fails.
    pub(super) fn run_in<S: AsRef<OsStr>>(
        &self,
        folder: &Path,
        args: impl IntoIterator<Item = S>,
    ) -> Result<ProgramOutput, ProgramError> {
        let mut named = self.named(args);
        named.command.current_dir(folder);
        Call::start(named, Stdio::null())?.wait(None)
    }

    /// Runs a command with what `write` writes to its standard input, without a time limit. `transfer` counts the bytes.
    ///
    /// # Errors
    /// Returns an error if the command fails. If `write` fails, the command is killed before it sees the end of the input.
    pub(super) fn run_with_input<S: AsRef<OsStr>>(
        &self,
        args: impl IntoIterator<Item = S>,
        transfer: &Transfer,
        write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> Result<ProgramOutput, ProgramError> {
        let mut call = Call::start(self.named(args), Stdio::piped())?;
        let mut input = CountedInput { pipe: call.take_stdin(), counter: transfer.counter() };
        match write(&mut input) {
            // The program has closed its input: its error message tells why.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {}
            Err(cause) => return Err(call.fail(cause)),
            Ok(()) => {}
        }
        let sent = transfer.counter().done();
        drop(input);
        Ok(ProgramOutput { sent, ..call.wait(None)? })
    }
}

/// The standard input of a program. Counts bytes, and fails after an interrupt.
struct CountedInput<'a> {
    pipe: Option<ChildStdin>,
    counter: &'a Counter,
}

impl Write for CountedInput<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        interrupt::check()?;
        let pipe = self.pipe.as_mut().ok_or(io::ErrorKind::BrokenPipe)?;
        let written = pipe.write(bytes)?;
        self.counter.add(written as u64);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.pipe.as_mut().map_or(Ok(()), Write::flush)
    }
}
