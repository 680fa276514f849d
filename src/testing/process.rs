//! A program that runs for a limited time, and what it prints.

use std::fmt;
use std::io::{self, Read};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::text::{ComparedText, MOST_BYTES};
use crate::interrupt::blocking::wait_for;
use crate::parallel::lock;

/// The time that a test may take, which has begun.
#[derive(Clone, Copy, Debug)]
pub(super) struct Countdown {
    end: Instant,
    limit: Duration,
}

impl Countdown {
    /// Begins it.
    pub(super) fn begin(limit: Duration) -> Countdown {
        Countdown { end: Instant::now() + limit, limit }
    }

    /// Returns how much of it is left.
    pub(super) fn left(&self) -> Duration {
        self.end.saturating_duration_since(Instant::now())
    }
}

impl fmt::Display for Countdown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} s", self.limit.as_secs_f64())
    }
}

/// A program that was started. It is killed on drop.
pub(super) struct RunningProgram {
    child: Child,
    stdout: Captured,
    stderr: Captured,
}

/// What a program has printed so far.
struct Captured {
    text: Arc<Mutex<Vec<u8>>>,
    reader: Option<JoinHandle<()>>,
}

impl RunningProgram {
    /// Starts a program without input.
    ///
    /// # Errors
    /// Returns an error if it cannot be started.
    pub(super) fn start(mut command: Command) -> io::Result<RunningProgram> {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn()?;
        let (stdout, stderr) = (Captured::new(child.stdout.take()), Captured::new(child.stderr.take()));
        Ok(RunningProgram { child, stdout, stderr })
    }

    /// Waits until it ends, but not for longer than `limit`. Returns its exit status, or 128 plus the number of the signal
    /// that ended it, or `None` if it still runs.
    ///
    /// # Errors
    /// Returns an error if the work of this thread must stop.
    pub(super) fn wait(&mut self, limit: Duration) -> io::Result<Option<i32>> {
        let Some(status) = wait_for(&mut self.child, limit)? else { return Ok(None) };
        self.stdout.finish();
        self.stderr.finish();
        #[cfg(unix)]
        let signal = std::os::unix::process::ExitStatusExt::signal(&status).map(|signal| 128 + signal);
        #[cfg(not(unix))]
        let signal = None;
        Ok(Some(status.code().or(signal).unwrap_or(1)))
    }

    /// Returns what it has printed to stdout.
    pub(super) fn stdout(&self) -> ComparedText {
        self.stdout.text()
    }

    /// Returns what it has printed to stderr.
    pub(super) fn stderr(&self) -> ComparedText {
        self.stderr.text()
    }
}

impl Drop for RunningProgram {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Captured {
    fn new(output: Option<impl Read + Send + 'static>) -> Captured {
        let text = Arc::new(Mutex::new(Vec::new()));
        let shared = Arc::clone(&text);
        let reader = output.map(|mut output| {
            std::thread::spawn(move || {
                let mut buffer = [0; 8 << 10];
                // An output that cannot be read ends.
                while let Ok(read @ 1..) = output.read(&mut buffer) {
                    let mut text = lock(&shared);
                    // One more byte says that there are more.
                    let kept = read.min((MOST_BYTES + 1).saturating_sub(text.len()));
                    text.extend_from_slice(&buffer[..kept]);
                }
            })
        });
        Captured { text, reader }
    }

    /// Waits for the end of the output, but not for a process that the program has left behind.
    fn finish(&mut self) {
        let Some(reader) = self.reader.take() else { return };
        for _ in 0..100 {
            if reader.is_finished() {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    fn text(&self) -> ComparedText {
        ComparedText::of(&lock(&self.text))
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    fn shell(lines: &str) -> RunningProgram {
        let mut command = Command::new("sh");
        command.args(["-c", lines]);
        RunningProgram::start(command).expect("it starts")
    }

    #[test]
    fn output_is_compared_as_a_whole() {
        let secret = ["SECRET".parse().expect("an expression")];
        let found = |bytes: usize| {
            let mut program = shell(&format!("head -c {bytes} /dev/zero; echo SECRET"));
            assert_eq!(program.wait(Duration::from_secs(60)).expect("it ends"), Some(0));
            program.stdout().differences("stdout", &[], &secret).join("").chars().take(30).collect::<String>()
        };
        assert_eq!(found(5 << 20), "stdout matches `SECRET`: \0\0\0\0\0");
        assert_eq!(found(MOST_BYTES), "stdout is longer than 64 MiB, ");
    }

    #[test]
    fn time_limit_is_that_of_all_programs() {
        let limit = Countdown::begin(Duration::from_millis(1500));
        assert_eq!(limit.to_string(), "1.5 s");
        assert_eq!(shell("sleep 1").wait(limit.left()).expect("no interrupt"), Some(0));
        assert_eq!(shell("sleep 60").wait(limit.left()).expect("no interrupt"), None);
        assert_eq!(limit.left(), Duration::ZERO);
    }
}
