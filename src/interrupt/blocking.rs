//! Calls that may block without end: they are given up on Ctrl-C.

use std::fs::{File, TryLockError};
use std::io;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use super::{check, inherit, relay};

/// How often a wait looks whether it must end.
const PAUSE: Duration = Duration::from_millis(20);

/// Calls `work` on a thread of its own, and returns its result. After Ctrl-C, the thread is left alone: it ends with the
/// process.
///
/// # Errors
/// Returns the error of `work`, or an error if the work of this thread must stop.
pub(crate) fn run<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    let (sender, receiver) = mpsc::channel();
    let work = inherit(work);
    thread::Builder::new().spawn(move || {
        // The receiver is gone after Ctrl-C.
        let _ = sender.send(work());
    })?;
    loop {
        match receiver.recv_timeout(PAUSE) {
            Ok(result) => return result,
            Err(RecvTimeoutError::Timeout) => check()?,
            Err(RecvTimeoutError::Disconnected) => return Err(io::Error::other("a thread panicked")),
        }
    }
}

/// Runs a program to its end, and returns its output, as [`Command::output`] does. Signals are passed on to it.
///
/// # Errors
/// Returns an error if the program cannot be started, or if the work of this thread must stop.
pub(crate) fn output(command: &mut Command) -> io::Result<Output> {
    let child = command.stdout(Stdio::piped()).spawn()?;
    let _relay = relay(child.id());
    let output = child.wait_with_output()?;
    check()?;
    Ok(output)
}

/// Runs a program to its end, and returns its status, as [`Command::status`] does. Signals are passed on to it.
///
/// # Errors
/// Returns an error if the program cannot be started, or if the work of this thread must stop.
pub(crate) fn status(command: &mut Command) -> io::Result<ExitStatus> {
    let mut child = command.spawn()?;
    let _relay = relay(child.id());
    let status = child.wait()?;
    check()?;
    Ok(status)
}

/// Waits until a program exits, or for Ctrl-C.
///
/// # Errors
/// Returns an error if the work of this thread must stop. The program runs on.
pub(crate) fn wait_for(child: &mut Child, limit: Duration) -> io::Result<Option<ExitStatus>> {
    let end = std::time::Instant::now() + limit;
    while std::time::Instant::now() < end {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        check()?;
        thread::sleep(Duration::from_millis(5));
    }
    Ok(None)
}

/// Locks a file, and waits while another process has it locked.
///
/// # Errors
/// Returns an error if the file cannot be locked, or if the work of this thread must stop.
pub(crate) fn lock(file: &File) -> io::Result<()> {
    poll(|| file.try_lock())
}

/// Locks a file for reading, and waits while another process has it locked for writing.
///
/// # Errors
/// Returns an error if the file cannot be locked, or if the work of this thread must stop.
pub(crate) fn lock_shared(file: &File) -> io::Result<()> {
    poll(|| file.try_lock_shared())
}

/// Polling, because a blocking call could not be interrupted.
fn poll(try_lock: impl Fn() -> Result<(), TryLockError>) -> io::Result<()> {
    loop {
        match try_lock() {
            Ok(()) => return Ok(()),
            Err(TryLockError::Error(error)) => return Err(error),
            Err(TryLockError::WouldBlock) => check()?,
        }
        thread::sleep(PAUSE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::interrupt::Cancellation;
    use std::time::Instant;

    /// Calls `work`, cancels it after 100 ms, and returns its error.
    fn cancelled<T: std::fmt::Debug>(work: impl FnOnce() -> io::Result<T>) -> String {
        let cancellation = Cancellation::default();
        let _entered = cancellation.enter();
        let start = Instant::now();
        let error = thread::scope(|scope| {
            scope.spawn(|| {
                thread::sleep(Duration::from_millis(100));
                cancellation.cancel();
            });
            work().expect_err("is cancelled").to_string()
        });
        assert!(start.elapsed() < Duration::from_secs(2), "it took {:?}", start.elapsed());
        error
    }

    #[test]
    fn blocking_calls_end_when_cancelled() {
        let sleep = || {
            thread::sleep(Duration::from_secs(60));
            Ok(7)
        };
        assert_eq!(cancelled(|| run(sleep)), "interrupted");
        let held = tempfile::NamedTempFile::new().expect("a file");
        held.as_file().lock().expect("locks");
        let other = File::open(held.path()).expect("a file");
        assert_eq!(cancelled(|| lock(&other)), "interrupted");
        assert_eq!(cancelled(|| lock_shared(&other)), "interrupted");
    }

    #[cfg(unix)]
    #[test]
    fn programs_are_terminated_when_cancelled() {
        assert_eq!(cancelled(|| output(Command::new("sleep").arg("60"))), "interrupted");
        assert_eq!(cancelled(|| status(Command::new("sleep").arg("60"))), "interrupted");
    }

    #[test]
    fn run_returns_the_result_of_its_thread() {
        assert_eq!(run(|| Ok(7)).ok(), Some(7));
        let error = run::<()>(|| Err(io::ErrorKind::NotFound.into())).expect_err("fails");
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }
}
