//! Child processes of tests: each is killed with its test, and every wait has a limit.

use super::environment;
use std::fs;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// How long a tool may take before it is killed.
const LIMIT: Duration = Duration::from_secs(60);

/// A running program, killed on drop.
pub struct Process(Child);

impl Process {
    /// Starts a program with empty stdin.
    ///
    /// # Panics
    /// Panics if the program is missing.
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

    /// Starts a program with the stdio of the command.
    ///
    /// # Panics
    /// Panics if the program is missing.
    pub fn with_pipes(command: &mut Command) -> Process {
        Process(command.spawn().unwrap_or_else(|error| panic!("{}: {error}", command.get_program().display())))
    }

    /// Takes the pipes to its stdin and from its stdout.
    pub fn pipes(&mut self) -> (ChildStdin, ChildStdout) {
        (self.0.stdin.take().expect("a pipe"), self.0.stdout.take().expect("a pipe"))
    }

    /// Returns its process id.
    pub fn id(&self) -> u32 {
        self.0.id()
    }

    /// Returns its exit status, or `None` while it runs.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.0.try_wait().expect("a child can be asked for its status")
    }

    /// Waits for its exit status. Returns `None` if it had to be killed after `limit`.
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

    /// Kills it if it runs, and waits until it is gone.
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

/// The output and status of a program that has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ran {
    /// What it wrote to its standard output.
    pub stdout: String,
    /// What it wrote to its standard error.
    pub stderr: String,
    /// Its exit status, or 128 plus the number of the signal that ended it, as in a shell.
    pub status: i32,
}

/// Runs `command` to its end.
///
/// # Panics
/// Panics if the program is missing, or if it takes longer than a minute and is killed.
pub fn run(command: &mut Command) -> Ran {
    run_within(LIMIT, command)
}

/// Runs `command` to its end.
///
/// # Panics
/// Panics if the program is missing, or if it takes longer than `limit` and is killed.
pub fn run_within(limit: Duration, command: &mut Command) -> Ran {
    // Files, not pipes: a process that the program leaves behind may hold a pipe open.
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (stdout, stderr) = (folder.path().join("stdout"), folder.path().join("stderr"));
    let file = |path| fs::File::create(path).expect("a temporary file");
    let ended = Process::start(command.stdout(file(&stdout)).stderr(file(&stderr))).wait(limit);
    let text = |path| {
        let bytes = fs::read(path).expect("a temporary file");
        String::from_utf8_lossy(&bytes).into_owned()
    };
    let (stdout, stderr) = (text(&stdout), text(&stderr));
    let Some(status) = ended else {
        panic!("{command:?} took longer than {limit:?} and was killed:\n{stdout}{stderr}");
    };
    let signal = || 128 + status.signal().unwrap_or_default();
    Ran { stdout, stderr, status: status.code().unwrap_or_else(signal) }
}

/// Runs `command` to its end, and returns its standard output.
///
/// # Panics
/// Panics if [`run`] does, or if the program fails.
pub fn output(command: &mut Command) -> String {
    output_within(LIMIT, command)
}

/// Runs `command` to its end, and returns its standard output.
///
/// # Panics
/// Panics if [`run_within`] does, or if the program fails.
pub fn output_within(limit: Duration, command: &mut Command) -> String {
    let ran = run_within(limit, command);
    assert!(ran.status == 0, "{command:?} ended with {}:\n{}{}", ran.status, ran.stdout, ran.stderr);
    ran.stdout
}

/// Runs all commands at the same time.
///
/// # Panics
/// Panics if [`output`] does for one of them.
pub fn succeed_at_once(commands: impl Iterator<Item = Command>) {
    thread::scope(|scope| {
        for mut command in commands {
            scope.spawn(move || output(&mut command));
        }
    });
}

/// Writes an executable shell script with these lines.
///
/// Another process writes it: a fork of this one, made by another test meanwhile, would hold the file open for writing,
/// and then it could not be started.
pub fn write_program(path: &Path, lines: &str) {
    let mut writer = environment::command("sh");
    writer.args(["-c", "printf '#!/bin/sh\\n%s\\n' \"$2\" > \"$1\" && chmod +x \"$1\"", "sh"]);
    output(writer.arg(path).arg(lines));
}
