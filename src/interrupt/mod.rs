//! Cancellation: by Ctrl-C or another signal that ends programs, or by the failure of parallel work.
//!
//! Work calls [`check`] at each piece of content, undoes what it began, and returns an error. The program then exits with
//! 128 plus the number of the signal. Each run has its own [`Cancellation`], so that runs in one process do not stop each
//! other. A thread has the cancellation that it [entered](Cancellation::enter), and passes it on to threads that it starts
//! with [`inherit`].

pub(crate) mod blocking;
mod signals;

use std::cell::RefCell;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicIsize, AtomicU8, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use signals::{INTERRUPT, TERMINATE};

/// How long the work may take to stop after a signal. What blocks for longer, such as output that nobody reads or a server of
/// files that does not respond, ends with the process.
const STOP_LIMIT: Duration = Duration::from_secs(2);
/// The same while something is removed that the work began.
const CLEANUP_LIMIT: Duration = Duration::from_secs(20);

thread_local! {
    static CURRENT: RefCell<Cancellation> = RefCell::default();
}

/// Stops a run, or a part of it.
#[derive(Clone, Debug, Default)]
pub struct Cancellation(Arc<CancellationState>);

#[derive(Debug, Default)]
struct CancellationState {
    /// The cancellation of the whole, if this is a part.
    parent: Option<Cancellation>,
    /// The number of the signal that caused it, or 0.
    signal: AtomicU8,
    is_cancelled: AtomicBool,
    /// How many [`Cleanup`]s there are.
    cleanups: AtomicIsize,
    /// Child processes that receive the signals too.
    processes: Mutex<Vec<Process>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Process {
    id: u32,
    /// Whether this program ends with the process, which handles signals itself.
    is_in_our_place: bool,
}

impl Cancellation {
    /// Returns the cancellation of this thread.
    pub fn current() -> Cancellation {
        CURRENT.with_borrow(Clone::clone)
    }

    /// Creates the cancellation of a part, which stops with the whole and can be stopped alone.
    #[must_use]
    pub fn child(&self) -> Cancellation {
        Cancellation(Arc::new(CancellationState { parent: Some(self.clone()), ..CancellationState::default() }))
    }

    /// Makes this the cancellation of this thread until the result is dropped.
    #[must_use]
    pub fn enter(&self) -> Entered {
        Entered { before: CURRENT.replace(self.clone()) }
    }

    /// Stops the work, and terminates the processes that it started.
    pub fn cancel(&self) {
        self.0.is_cancelled.store(true, Ordering::SeqCst);
        for process in self.processes() {
            signals::send(process.id, TERMINATE);
        }
    }

    /// Stops the work when this process receives a signal that ends programs. The second signal ends the process at once, and
    /// so does the first if the work does not stop soon.
    pub fn listen(&self) {
        let cancellation = self.clone();
        // Without handlers, signals have their default effect.
        std::thread::spawn(move || signals::receive(|signal| cancellation.received(signal)));
    }

    /// Handles a signal, and passes it on.
    fn received(&self, signal: u8) {
        let processes = self.processes();
        let is_handed_over = processes.iter().any(|process| process.is_in_our_place);
        // A program in our place decides itself when it ends; an interrupt by the user is reported nevertheless.
        let is_ours = signals::ends_programs(signal) && (!is_handed_over || signal == INTERRUPT);
        // Before the programs receive it: whoever waits for their end must know why they ended.
        let is_first = is_ours && self.0.signal.swap(signal, Ordering::SeqCst) == 0;
        for process in &processes {
            signals::send(process.id, signal);
        }
        if !is_ours || is_handed_over {
            return;
        }
        if !is_first {
            std::process::exit((128 + signal).into());
        }
        let cancellation = self.clone();
        std::thread::spawn(move || {
            cancellation.wait_for_cleanups();
            std::process::exit((128 + signal).into());
        });
    }

    /// Waits as long as the work may take to stop.
    fn wait_for_cleanups(&self) {
        let start = Instant::now();
        std::thread::sleep(STOP_LIMIT);
        // One may follow another: a container, then its image.
        let mut looks_without = 0;
        while looks_without < 3 && start.elapsed() < CLEANUP_LIMIT {
            std::thread::sleep(Duration::from_millis(20));
            let has_one = self.0.cleanups.load(Ordering::SeqCst) > 0;
            looks_without = if has_one { 0 } else { looks_without + 1 };
        }
    }

    fn count_cleanups(&self, more: isize) {
        self.0.cleanups.fetch_add(more, Ordering::SeqCst);
        if let Some(parent) = &self.0.parent {
            parent.count_cleanups(more);
        }
    }

    /// Returns whether the work must stop.
    pub fn is_set(&self) -> bool {
        self.0.is_cancelled.load(Ordering::SeqCst)
            || self.0.signal.load(Ordering::SeqCst) != 0
            || self.0.parent.as_ref().is_some_and(Cancellation::is_set)
    }

    /// Returns the exit status of a program that was stopped by a signal, as in shells: 128 plus the number of the signal.
    pub fn exit_status(&self) -> Option<u8> {
        let signal = self.0.signal.load(Ordering::SeqCst);
        (signal != 0).then_some(128 + signal)
    }

    fn processes(&self) -> Vec<Process> {
        self.0.processes.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn add(&self, process: Process) {
        self.0.processes.lock().unwrap_or_else(PoisonError::into_inner).push(process);
        if let Some(parent) = &self.0.parent {
            parent.add(process);
        }
    }

    fn remove(&self, process: Process) {
        self.0.processes.lock().unwrap_or_else(PoisonError::into_inner).retain(|known| *known != process);
        if let Some(parent) = &self.0.parent {
            parent.remove(process);
        }
    }
}

/// A guard: when it is dropped, the thread has its previous cancellation again.
#[derive(Debug)]
pub struct Entered {
    before: Cancellation,
}

impl Drop for Entered {
    fn drop(&mut self) {
        CURRENT.set(self.before.clone());
    }
}

/// Returns `work`, which will have the cancellation of this thread on any thread.
pub(crate) fn inherit<R>(work: impl FnOnce() -> R) -> impl FnOnce() -> R {
    let cancellation = Cancellation::current();
    move || {
        let _entered = cancellation.enter();
        work()
    }
}

/// Returns whether the work of this thread must stop.
pub(crate) fn is_set() -> bool {
    CURRENT.with_borrow(Cancellation::is_set)
}

/// Checks whether the work of this thread must stop; for loops over content.
///
/// # Errors
/// Returns an error if it must.
pub(crate) fn check() -> io::Result<()> {
    // Not `ErrorKind::Interrupted`: readers take that as a reason to read again.
    if is_set() { Err(io::Error::other("interrupted")) } else { Ok(()) }
}

/// Completes when the work of this thread must stop.
pub(crate) async fn wait() {
    let cancellation = Cancellation::current();
    while !cancellation.is_set() {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// While it exists, something is removed that the work of this thread began: after a signal, the process waits for that, and
/// nothing that this thread does or starts is stopped.
#[derive(Debug)]
pub(crate) struct Cleanup {
    /// What is cleaned up after.
    cancellation: Cancellation,
    _entered: Entered,
}

/// Begins a [`Cleanup`].
pub(crate) fn clean_up() -> Cleanup {
    let cancellation = Cancellation::current();
    cancellation.count_cleanups(1);
    Cleanup { cancellation, _entered: Cancellation::default().enter() }
}

impl Drop for Cleanup {
    fn drop(&mut self) {
        self.cancellation.count_cleanups(-1);
    }
}

/// Keeps the interrupts of a terminal from a program that is not started yet: the terminal sends them to the whole foreground
/// process group.
pub(crate) fn keep_from_terminal(command: &mut std::process::Command) {
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(command, 0);
    // Elsewhere, what cleans up is as long as its program lets it.
    #[cfg(not(unix))]
    let _ = command;
}

/// Passes signals on to a process until it is dropped.
///
/// A terminal sends its interrupt to the whole foreground process group: such a signal is not passed on.
#[derive(Debug)]
pub(crate) struct Relay {
    cancellation: Cancellation,
    process: Process,
}

impl Relay {
    fn begin(process: Process) -> Relay {
        let cancellation = Cancellation::current();
        cancellation.add(process);
        // It may have been started after the signal.
        if cancellation.is_set() && !process.is_in_our_place {
            signals::send(process.id, TERMINATE);
        }
        Relay { cancellation, process }
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.cancellation.remove(self.process);
    }
}

/// Passes signals on to the process `id`.
pub(crate) fn relay(id: u32) -> Relay {
    Relay::begin(Process { id, is_in_our_place: false })
}

/// Passes signals on to the process `id`, which replaces this one: it decides when it ends.
pub(crate) fn in_our_place(id: u32) -> Relay {
    Relay::begin(Process { id, is_in_our_place: true })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cancellation_stops_its_parts_and_nothing_beside() {
        let (run, other) = (Cancellation::default(), Cancellation::default());
        let (part, beside) = (run.child(), run.child());
        part.cancel();
        assert_eq!([part.is_set(), beside.is_set(), run.is_set()], [true, false, false]);
        run.cancel();
        assert_eq!([beside.is_set(), other.is_set()], [true, false]);
    }

    #[test]
    fn cancellation_is_inherited_and_left_again() {
        let run = Cancellation::default();
        run.cancel();
        let entered = run.enter();
        let is_set_there = std::thread::scope(|scope| scope.spawn(inherit(is_set)).join());
        assert_eq!((is_set(), is_set_there.ok()), (true, Some(true)));
        drop(entered);
        assert!(!is_set());
    }

    #[test]
    fn cleanup_is_not_stopped_and_is_waited_for() {
        let run = Cancellation::default();
        let _entered = run.enter();
        run.cancel();
        let cleanup = clean_up();
        assert_eq!((is_set(), run.0.cleanups.load(Ordering::SeqCst)), (false, 1));
        drop(cleanup);
        assert_eq!((is_set(), run.0.cleanups.load(Ordering::SeqCst)), (true, 0));
    }

    #[cfg(unix)]
    #[test]
    fn program_that_cleans_up_receives_no_signal() {
        use std::process::Command;
        let run = Cancellation::default();
        let _entered = run.enter();
        run.cancel();
        let sleep = || Command::new("sleep").arg("0.3").spawn().expect("a program");
        let mut stopped = sleep();
        let relayed = relay(stopped.id());
        assert!(!stopped.wait().expect("it ends").success());
        drop(relayed);
        let _cleanup = clean_up();
        let mut kept = sleep();
        let _relay = relay(kept.id());
        assert!(kept.wait().expect("it ends").success());
    }
}
