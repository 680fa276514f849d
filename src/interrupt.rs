//! Ctrl-C, and what else asks a program to end: work stops at the next piece of content, undoes what it began, and the
//! program ends with 128 and the signal's number.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, Ordering};
use std::time::Duration;

const INTERRUPT: u8 = 2;
const TERMINATE: u8 = 15;
/// The signal that asked work to stop; 0 for none.
static SIGNAL: AtomicU8 = AtomicU8::new(0);
/// Whether something beside the work has failed.
static ABANDONED: AtomicBool = AtomicBool::new(false);
/// The program that has been started and gets the signals too; 0 for none.
static CHILD: AtomicU32 = AtomicU32::new(0);
/// Whether that program stands in the place of this one.
static IN_OUR_PLACE: AtomicBool = AtomicBool::new(false);

/// From now on a signal to end asks work to stop, and a second one stops the process.
pub fn listen() {
    std::thread::spawn(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        // Where there can be no handlers, signals do what they always did.
        let _ = runtime.map(|runtime| runtime.block_on(signals::take(take)));
    });
}

/// What is done about a signal.
fn take(signal: u8) {
    signals::pass_on(CHILD.load(Ordering::SeqCst), signal);
    let is_handed_over = IN_OUR_PLACE.load(Ordering::SeqCst);
    // When it ends, and how, is up to a program in our place; that the user interrupted it is told all the same.
    if is_handed_over && signal != INTERRUPT || !signals::ends(signal) {
        return;
    }
    if SIGNAL.swap(signal, Ordering::SeqCst) != 0 && !is_handed_over {
        std::process::exit((128 + signal).into());
    }
}

/// Whether work is to stop.
pub fn is_set() -> bool {
    is_signalled() || ABANDONED.load(Ordering::SeqCst)
}

/// Whether the user, or another program, asked for that.
pub fn is_signalled() -> bool {
    SIGNAL.load(Ordering::SeqCst) != 0
}

/// Work that is done side by side, until this is dropped.
#[derive(Debug)]
pub struct SideBySide(());

impl SideBySide {
    /// Begins it. There is one at a time in a process.
    pub fn begin() -> SideBySide {
        SideBySide(())
    }

    /// Some of it has failed: the rest is to stop, and so is the program that has been started.
    pub fn abandon(&self) {
        ABANDONED.store(true, Ordering::SeqCst);
        signals::pass_on(CHILD.load(Ordering::SeqCst), TERMINATE);
    }
}

impl Drop for SideBySide {
    fn drop(&mut self) {
        ABANDONED.store(false, Ordering::SeqCst);
    }
}

/// The exit status of a program that was asked to stop, as a shell tells it: 128 and the signal's number.
pub fn status() -> u8 {
    128 + SIGNAL.load(Ordering::SeqCst)
}

/// An error where work is to stop: for loops over content.
///
/// # Errors
/// When it is.
pub fn check() -> io::Result<()> {
    // Not of the kind that readers take for a reason to read again.
    if is_set() { Err(io::Error::other("interrupted")) } else { Ok(()) }
}

/// Ends when work is to stop.
pub async fn wait() {
    while !is_set() {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Signals go to another program too, until this is dropped.
///
/// An interrupt from the terminal goes to all programs there, and is not passed on to one that has it already.
#[derive(Debug)]
pub struct Relay(());

impl Drop for Relay {
    fn drop(&mut self) {
        CHILD.store(0, Ordering::SeqCst);
        IN_OUR_PLACE.store(false, Ordering::SeqCst);
    }
}

/// Signals go to the process `id` too.
pub fn relay(id: u32) -> Relay {
    CHILD.store(id, Ordering::SeqCst);
    Relay(())
}

/// Signals are for the process `id`, which stands in the place of this one: it decides when it ends.
pub fn in_our_place(id: u32) -> Relay {
    IN_OUR_PLACE.store(true, Ordering::SeqCst);
    relay(id)
}

#[cfg(unix)]
mod signals {
    use std::fs::File;
    use std::io;

    use rustix::process::{Pid, Signal, getpgrp, kill_process};
    use rustix::termios::tcgetpgrp;
    use tokio::signal::unix::{SignalKind, signal};

    use super::{INTERRUPT, TERMINATE};

    const HANGUP: u8 = 1;
    const USER_1: u8 = 10;
    const USER_2: u8 = 12;

    /// Whether a signal asks a program to end.
    pub fn ends(signal: u8) -> bool {
        [HANGUP, INTERRUPT, TERMINATE].contains(&signal)
    }

    pub async fn take(take: fn(u8)) -> io::Result<()> {
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let mut hangup = signal(SignalKind::hangup())?;
        let mut first = signal(SignalKind::user_defined1())?;
        let mut second = signal(SignalKind::user_defined2())?;
        loop {
            take(tokio::select! {
                _ = interrupt.recv() => INTERRUPT,
                _ = terminate.recv() => TERMINATE,
                _ = hangup.recv() => HANGUP,
                _ = first.recv() => USER_1,
                _ = second.recv() => USER_2,
            });
        }
    }

    pub fn pass_on(id: u32, signal: u8) {
        let process = i32::try_from(id).ok().and_then(Pid::from_raw);
        let signal = match signal {
            INTERRUPT if is_in_front() => return,
            INTERRUPT => Signal::INT,
            TERMINATE => Signal::TERM,
            HANGUP => Signal::HUP,
            USER_1 => Signal::USR1,
            _ => Signal::USR2,
        };
        // One that has ended meanwhile needs it no more.
        let _ = process.map(|process| kill_process(process, signal));
    }

    /// Whether the terminal sends its interrupts to this program and to those that it has started.
    fn is_in_front() -> bool {
        File::open("/dev/tty").and_then(|terminal| Ok(tcgetpgrp(&terminal)?)).is_ok_and(|group| group == getpgrp())
    }
}

#[cfg(not(unix))]
mod signals {
    use std::io;

    pub fn ends(_: u8) -> bool {
        true
    }

    pub async fn take(take: fn(u8)) -> io::Result<()> {
        loop {
            tokio::signal::ctrl_c().await?;
            take(super::INTERRUPT);
        }
    }

    /// The console sends it to all programs there.
    pub fn pass_on(_: u32, _: u8) {}
}
