//! Ctrl-C: work stops at the next piece of content, undoes what it began, and the program ends with 130.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

static INTERRUPTED: AtomicBool = AtomicBool::new(false);
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
                std::process::exit(STATUS.into());
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
