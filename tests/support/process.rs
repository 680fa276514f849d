//! Programs that a test starts: none outlives its test, and none is waited for without end.

use super::environment;
use std::fs;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// What no tool should need; one that does is killed.
const LIMIT: Duration = Duration::from_secs(60);

/// A program that runs; it is killed when this is dropped.
pub struct Process(Child);

impl Process {
    /// Starts it, without an input.
    ///
    /// # Panics
    /// Where the program is missing.
    pub fn start(command: &mut Command) -> Process {
        let child = command.stdin(Stdio::null()).spawn();
        let program = command.get_program().display();
        match child {
            Ok(child) => Process(child),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                panic!("{program} is not on PATH: `.ci/setup` installs it")
            }
            Err(error) => panic!("{program} does not start: {error}"),
        }
    }

    /// The same, with what the command says of its input and output.
    ///
    /// # Panics
    /// Where the program is missing.
    pub fn with_pipes(command: &mut Command) -> Process {
        Process(command.spawn().unwrap_or_else(|error| panic!("{}: {error}", command.get_program().display())))
    }

    /// The pipes to its input and from its output.
    pub fn pipes(&mut self) -> (ChildStdin, ChildStdout) {
        (self.0.stdin.take().expect("a pipe"), self.0.stdout.take().expect("a pipe"))
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.0.id()
    }

    /// How it ended; nothing while it runs.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.0.try_wait().expect("a child can be asked for its status")
    }

    /// How it ended; nothing where it had to be killed, because it took longer than `limit`.
    pub fn wait(&mut self, limit: Duration) -> Option<ExitStatus> {
        let start = Instant::now();
        let mut pause = Duration::from_millis(1);
        while start.elapsed() < limit {
            if let Some(status) = self.ended() {
                return Some(status);
            }
            thread::sleep(pause);
            pause = (pause * 2).min(Duration::from_millis(50));
        }
        self.stop();
        None
    }

    /// Kills it, unless it has ended, and waits until it is gone.
    pub fn stop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.stop();
    }
}

/// What came of a program that ended by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ran {
    /// What it wrote to its standard output.
    pub stdout: String,
    /// What it wrote to its standard error.
    pub stderr: String,
    /// Its exit status; 128 and the signal's number where a signal ended it, as a shell says it.
    pub status: i32,
}

/// Runs `command` to its end.
///
/// # Panics
/// Where the program is missing, or takes longer than a minute; it is killed then.
pub fn run(command: &mut Command) -> Ran {
    // Files, not pipes: what a program leaves running behind it may hold a pipe open.
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (stdout, stderr) = (folder.path().join("stdout"), folder.path().join("stderr"));
    let file = |path| fs::File::create(path).expect("a temporary file");
    let ended = Process::start(command.stdout(file(&stdout)).stderr(file(&stderr))).wait(LIMIT);
    let text = |path| {
        let bytes = fs::read(path).expect("a temporary file");
        String::from_utf8_lossy(&bytes).into_owned()
    };
    let (stdout, stderr) = (text(&stdout), text(&stderr));
    let Some(status) = ended else {
        panic!("{command:?} took longer than {LIMIT:?} and was killed:\n{stdout}{stderr}");
    };
    let signal = || 128 + status.signal().unwrap_or_default();
    Ran { stdout, stderr, status: status.code().unwrap_or_else(signal) }
}

/// Runs `command` to its end, and gives its standard output.
///
/// # Panics
/// Where [`run`] does, or where the program fails.
pub fn output(command: &mut Command) -> String {
    let ran = run(command);
    assert!(ran.status == 0, "{command:?} ended with {}:\n{}{}", ran.status, ran.stdout, ran.stderr);
    ran.stdout
}

/// Writes a program: a shell script of these lines.
///
/// Another process does: a fork of this one, made by another test meanwhile, would hold the file open for writing, and
/// such a file cannot be started.
pub fn write_program(path: &Path, lines: &str) {
    let mut writer = environment::command("sh");
    writer.args(["-c", "printf '#!/bin/sh\\n%s\\n' \"$2\" > \"$1\" && chmod +x \"$1\"", "sh"]);
    output(writer.arg(path).arg(lines));
}
