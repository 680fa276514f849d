//! The program that an engine is talked to through: asked, fed and understood.

use std::ffi::{OsStr, OsString};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use miette::Diagnostic;

use crate::environment::Environment;
use crate::event::transfer::{Counter, Transfer};
use crate::interrupt;

/// A client program, and the arguments that say which of its engines is meant.
#[derive(Clone, Debug)]
pub struct Program {
    path: PathBuf,
    args: Vec<OsString>,
    environment: Environment,
}

/// What a program did that ended well.
#[derive(Clone, Debug, Default)]
pub struct Answer {
    /// What it printed.
    pub stdout: String,
    /// How many bytes it was given.
    pub sent: u64,
}

/// A program did not do what it was asked to.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// It said no.
    #[error("{program}: {words}")]
    Refused {
        /// The program and what it was asked.
        program: String,
        /// Its own words, or how it ended.
        words: String,
    },
    /// It could not be started, or what it was to be fed could not be read.
    #[error("{program}")]
    Broken {
        /// The program and what it was asked.
        program: String,
        /// What is wrong.
        #[source]
        cause: io::Error,
    },
    /// It took too long.
    #[error("{program} does not answer within {} seconds", limit.as_secs())]
    Silent {
        /// The program and what it was asked.
        program: String,
        /// How long it was waited for.
        limit: Duration,
    },
}

impl Diagnostic for Refusal {
    fn help<'a>(&'a self) -> Option<Box<dyn std::fmt::Display + 'a>> {
        let Refusal::Refused { words, .. } = self else { return None };
        let is_full = ["no space left on device", "disk quota exceeded", "not enough space"];
        let words = words.to_lowercase();
        let help = match () {
            () if is_full.iter().any(|full| words.contains(full)) => {
                "make room where the engine keeps its images, such as with its `system prune` or `image prune`"
            }
            () if words.contains("permission denied") => "run it as a user who may use the engine",
            () => return None,
        };
        Some(Box::new(help))
    }
}

/// How long an engine may take to say who it is: one that is far away, or is just being started, takes its time.
const LIMIT: Duration = Duration::from_secs(30);
/// No real answer is longer; what comes behind is read, and let go.
const MOST_ANSWER: u64 = 64 << 20;

impl Program {
    /// The program of that name on PATH.
    pub fn find(environment: &Environment, name: &str) -> Option<Program> {
        let path = environment.find_program(&[name])?;
        Some(Program { path, args: Vec::new(), environment: environment.clone() })
    }

    /// The same, always called with these arguments first.
    #[must_use]
    pub fn with(mut self, args: &[&str]) -> Program {
        self.args.extend(args.iter().map(OsString::from));
        self
    }

    /// A call that is not made yet.
    pub fn command<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Command {
        let mut command = Command::new(&self.path);
        self.environment.without_credentials(&mut command);
        // What an image is for is known here, and said where it counts.
        command.env_remove("DOCKER_DEFAULT_PLATFORM");
        command.args(&self.args).args(args);
        command
    }

    /// A call, and what errors call it: the program and the first words it is given, such as `docker image inspect`.
    fn call<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> (Command, String) {
        let command = self.command(args);
        let program = self.path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let words = command.get_args().skip(self.args.len()).map(|word| word.to_string_lossy().into_owned());
        let words = words.take_while(|word| word.chars().all(|c| c.is_ascii_lowercase()));
        let name = std::iter::once(program).chain(words.take(2)).collect::<Vec<_>>().join(" ");
        (command, name)
    }

    /// What it answers to `args`.
    ///
    /// # Errors
    /// When it ends badly, or takes longer than half a minute.
    pub fn ask<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Result<Answer, Refusal> {
        Call::start(self.call(args), Stdio::null())?.end(Some(LIMIT))
    }

    /// What it does for `args`, for as long as it likes.
    ///
    /// # Errors
    /// When it ends badly.
    pub fn tell<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Result<Answer, Refusal> {
        Call::start(self.call(args), Stdio::null())?.end(None)
    }

    /// Undoes something, also where the user has interrupted, and whatever comes of it.
    pub fn undo<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) {
        let call = Call::start(self.call(args), Stdio::null());
        let _ = call.map(|call| Call { is_patient: true, ..call }.end(Some(LIMIT)));
    }

    /// What it does for `args` in a folder. It may take as long as it likes.
    ///
    /// # Errors
    /// When it ends badly.
    pub fn read_in<S: AsRef<OsStr>>(
        &self,
        folder: &Path,
        args: impl IntoIterator<Item = S>,
    ) -> Result<Answer, Refusal> {
        let (mut command, name) = self.call(args);
        command.current_dir(folder);
        Call::start((command, name), Stdio::null())?.end(None)
    }

    /// What it answers to `args` and to what `write` writes to its standard input, which `transfer` counts. It may take as long as it likes.
    ///
    /// # Errors
    /// When it ends badly; when `write` fails, which ends the program before it can take a part for the whole.
    pub fn feed<S: AsRef<OsStr>>(
        &self,
        args: impl IntoIterator<Item = S>,
        transfer: &Transfer,
        write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> Result<Answer, Refusal> {
        let mut call = Call::start(self.call(args), Stdio::piped())?;
        let mut input = Input { pipe: call.child.stdin.take(), counter: transfer.counter() };
        let written = write(&mut input);
        match written {
            // Why it no longer listens, it says itself.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {}
            Err(cause) => {
                call.kill();
                return Err(Refusal::Broken { program: call.name, cause });
            }
            Ok(()) => {}
        }
        let sent = transfer.counter().done();
        drop(input);
        Ok(Answer { sent, ..call.end(None)? })
    }
}

/// The standard input of a program: what goes in is counted, and stops at an interrupt.
struct Input<'a> {
    pipe: Option<ChildStdin>,
    counter: &'a Counter,
}

impl Write for Input<'_> {
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

/// A program that runs, both of whose outputs are being read.
struct Call {
    name: String,
    child: Child,
    stdout: Receiver<String>,
    stderr: Receiver<String>,
    /// Whether it goes on when the user interrupts.
    is_patient: bool,
}

impl Call {
    /// Starts a command, which errors call by the name.
    fn start((mut command, name): (Command, String), stdin: Stdio) -> Result<Call, Refusal> {
        let spawned = command.stdin(stdin).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        let mut child = spawned.map_err(|cause| Refusal::Broken { program: name.clone(), cause })?;
        let (stdout, stderr) = (text(child.stdout.take()), text(child.stderr.take()));
        Ok(Call { name, child, stdout, stderr, is_patient: false })
    }

    /// Waits for its end, which a program that closes its output is near.
    fn end(mut self, limit: Option<Duration>) -> Result<Answer, Refusal> {
        let start = Instant::now();
        let mut stdout = None;
        let status = loop {
            match self.stdout.recv_timeout(Duration::from_millis(50)) {
                Ok(text) => stdout = Some(text),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => thread::sleep(Duration::from_millis(1)),
            }
            match self.child.try_wait() {
                Ok(None) => {}
                Ok(Some(status)) => break status,
                Err(cause) => return Err(Refusal::Broken { program: self.name, cause }),
            }
            if let Err(cause) = interrupt::check()
                && !self.is_patient
            {
                self.kill();
                return Err(Refusal::Broken { program: self.name, cause });
            }
            if let Some(limit) = limit.filter(|limit| start.elapsed() > *limit) {
                self.kill();
                return Err(Refusal::Silent { program: self.name, limit });
            }
        };
        // What it left running behind it may hold its outputs open.
        let rest = |receiver: &Receiver<String>| receiver.recv_timeout(Duration::from_secs(1)).unwrap_or_default();
        let stdout = stdout.unwrap_or_else(|| rest(&self.stdout));
        match status.success() {
            true => Ok(Answer { stdout, sent: 0 }),
            false => Err(Refusal::Refused {
                words: words(&self.name, &rest(&self.stderr), &stdout, status),
                program: self.name,
            }),
        }
    }

    fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Reads an output to its end, beside whatever else is done.
fn text(output: Option<impl Read + Send + 'static>) -> Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut output) = output {
            // What was read until then is what there is.
            let _ = output.by_ref().take(MOST_ANSWER).read_to_end(&mut bytes);
            let _ = io::copy(&mut output, &mut io::sink());
        }
        // Who gave up waiting does not want it.
        let _ = sender.send(String::from_utf8_lossy(&bytes).into_owned());
    });
    receiver
}

/// The most telling line of what a program said before it failed.
fn words(name: &str, stderr: &str, stdout: &str, status: ExitStatus) -> String {
    // Its name stands before them already.
    let own = format!("{}: ", name.split(' ').next().unwrap_or_default());
    let lines = |text: &str| {
        let lines = text
            .lines()
            .map(|line| line.trim().trim_start_matches(&own).trim_start_matches("Error: "))
            .filter(|line| !line.is_empty());
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    let said = Some(lines(stderr)).filter(|lines| !lines.is_empty()).unwrap_or_else(|| lines(stdout));
    let last: Vec<_> = said[said.len().saturating_sub(3)..].to_vec();
    match last.is_empty() {
        true => format!("it ended with {status}"),
        false => last.join("; "),
    }
}
