//! The signals of the operating system.

#[cfg(not(unix))]
pub(super) use console::{ends_programs, receive, send};
#[cfg(unix)]
pub(super) use unix::{ends_programs, receive, send};

pub(super) const INTERRUPT: u8 = 2;
pub(super) const TERMINATE: u8 = 15;

#[cfg(unix)]
mod unix {
    use std::fs::File;
    use std::io;

    use rustix::process::{Pid, Signal, getpgrp, kill_process};
    use rustix::termios::tcgetpgrp;
    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1, SIGUSR2, SIGXFSZ};
    use signal_hook::iterator::Signals;

    use super::{INTERRUPT, TERMINATE};

    const HANGUP: u8 = 1;
    const USER_1: u8 = 10;
    const USER_2: u8 = 12;

    /// Returns whether a signal asks a program to end.
    pub(crate) fn ends_programs(signal: u8) -> bool {
        [HANGUP, INTERRUPT, TERMINATE].contains(&signal)
    }

    /// Calls `received` for each signal that this process gets.
    pub(crate) fn receive(received: impl Fn(u8)) -> io::Result<()> {
        // Without a handler, a file beyond the limit of `ulimit -f` ends the process. With one, writing it fails.
        let numbers = [SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2, SIGXFSZ];
        for signal in Signals::new(numbers)?.forever() {
            match signal {
                SIGINT => received(INTERRUPT),
                SIGTERM => received(TERMINATE),
                SIGHUP => received(HANGUP),
                SIGUSR1 => received(USER_1),
                SIGUSR2 => received(USER_2),
                _ => {}
            }
        }
        Ok(())
    }

    /// Sends a signal to the process `id`, unless the terminal has sent it to the foreground process group already.
    pub(crate) fn send(id: u32, signal: u8) {
        let Some(process) = i32::try_from(id).ok().and_then(Pid::from_raw) else { return };
        let signal = match signal {
            INTERRUPT if is_in_front() => return,
            INTERRUPT => Signal::INT,
            TERMINATE => Signal::TERM,
            HANGUP => Signal::HUP,
            USER_1 => Signal::USR1,
            _ => Signal::USR2,
        };
        // A process that has ended meanwhile needs no signal.
        let _ = kill_process(process, signal);
    }

    /// Returns whether the terminal sends its interrupts to this program and to those that it has started.
    fn is_in_front() -> bool {
        File::open("/dev/tty").and_then(|terminal| Ok(tcgetpgrp(&terminal)?)).is_ok_and(|group| group == getpgrp())
    }
}

#[cfg(not(unix))]
mod console {
    use std::io;

    /// Returns whether a signal asks a program to end.
    pub(crate) fn ends_programs(_: u8) -> bool {
        true
    }

    /// Calls `received` for each Ctrl-C.
    pub(crate) fn receive(received: impl Fn(u8)) -> io::Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        loop {
            runtime.block_on(tokio::signal::ctrl_c())?;
            received(super::INTERRUPT);
        }
    }

    /// Sends nothing: the console sends Ctrl-C to all its programs.
    pub(crate) fn send(_: u32, _: u8) {}
}
