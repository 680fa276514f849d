//! Ctrl-C: work stops at the next piece of content, undoes what it began, and the program ends with 130.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

static INTERRUPTED: AtomicBool = AtomicBool::new(false);
/// Whether another program stands in the place of this one.
static HANDED_OVER: AtomicBool = AtomicBool::new(false);
/// The exit status of a program that was interrupted, as a shell tells it: 128 and the signal's number.
pub const STATUS: u8 = 130;

/// From now on an interrupt asks work to stop, and a second one stops the process.
pub fn listen() {
    std::thread::spawn(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        // Where there can be no handler, an interrupt ends the process as it always did.
        let Ok(runtime) = runtime else { return };
        runtime.block_on(async {
            if tokio::signal::ctrl_c().await.is_ok() {
                INTERRUPTED.store(true, Ordering::SeqCst);
                let _ = tokio::signal::ctrl_c().await;
                if !HANDED_OVER.load(Ordering::SeqCst) {
                    std::process::exit(STATUS.into());
                }
            }
        });
    });
}

/// Whether work is to stop.
pub fn is_set() -> bool {
    INTERRUPTED.load(Ordering::SeqCst)
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

/// From now on signals are for the process `id`, which stands in the place of this one: it decides when it ends.
///
/// An interrupt from the terminal goes to all programs there, and is not passed on to one that has it already.
pub fn pass_on(id: u32) {
    HANDED_OVER.store(true, Ordering::SeqCst);
    #[cfg(unix)]
    unix::pass_on(id);
    #[cfg(not(unix))]
    let _ = id;
}

#[cfg(unix)]
mod unix {
    use std::fs::File;
    use std::io;

    use rustix::process::{Pid, Signal, getpgrp, kill_process};
    use rustix::termios::tcgetpgrp;
    use tokio::signal::unix::{SignalKind, signal};

    pub fn pass_on(id: u32) {
        let Some(process) = i32::try_from(id).ok().and_then(Pid::from_raw) else { return };
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            // Where there can be no handlers, signals do what they always did.
            let _ = runtime.map(|runtime| runtime.block_on(relay(process)));
        });
    }

    async fn relay(process: Pid) -> io::Result<()> {
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let mut hangup = signal(SignalKind::hangup())?;
        loop {
            let signal = tokio::select! {
                _ = interrupt.recv() => Signal::INT,
                _ = terminate.recv() => Signal::TERM,
                _ = hangup.recv() => Signal::HUP,
            };
            if signal != Signal::INT || !is_in_front() {
                // One that has ended meanwhile needs it no more.
                let _ = kill_process(process, signal);
            }
        }
    }

    /// Whether the terminal sends its interrupts to this program and to those that it has started.
    fn is_in_front() -> bool {
        File::open("/dev/tty").and_then(|terminal| Ok(tcgetpgrp(&terminal)?)).is_ok_and(|group| group == getpgrp())
    }
}
