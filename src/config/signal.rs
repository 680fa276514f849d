//! Signals, by name or number.

use std::fmt;
use std::str::FromStr;

use crate::suggest::nearest;

/// A signal of Linux, as image configs hold it: `SIGTERM`, `SIGRTMIN+3` or `15`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signal(String);

/// signal(7), with the names that mean the same.
const NAMES: [&str; 34] = [
    "ABRT", "ALRM", "BUS", "CHLD", "CLD", "CONT", "FPE", "HUP", "ILL", "INT", "IO", "IOT", "KILL", "PIPE", "POLL",
    "PROF", "PWR", "QUIT", "SEGV", "STKFLT", "STOP", "SYS", "TERM", "TRAP", "TSTP", "TTIN", "TTOU", "URG", "USR1",
    "USR2", "VTALRM", "WINCH", "XCPU", "XFSZ",
];
/// The highest number, which is that of SIGRTMAX.
const LAST: u8 = 64;
/// How far real-time signals are from each other at most.
const REAL_TIME: u8 = 30;

impl FromStr for Signal {
    type Err = String;

    /// Reads a name with or without `SIG`, in any case, or a number.
    fn from_str(text: &str) -> Result<Self, String> {
        let number = |text: &str, range: std::ops::RangeInclusive<u8>| {
            let digits = text.bytes().all(|digit| digit.is_ascii_digit());
            text.parse().ok().filter(|number| digits && range.contains(number))
        };
        if let Some(number) = number(text, 1..=LAST) {
            return Ok(Signal(number.to_string()));
        }
        let upper = text.to_ascii_uppercase();
        let name = upper.strip_prefix("SIG").unwrap_or(&upper);
        let is_real_time = || {
            let (rest, sign) = match name.strip_prefix("RTMIN") {
                Some(rest) => (rest, '+'),
                None => (name.strip_prefix("RTMAX")?, '-'),
            };
            let distance = rest.strip_prefix(sign).and_then(|distance| number(distance, 1..=REAL_TIME));
            (rest.is_empty() || distance.is_some()).then_some(())
        };
        match NAMES.contains(&name) || is_real_time().is_some() {
            true => Ok(Signal(format!("SIG{name}"))),
            false => {
                let hint = nearest(name, NAMES).map(|near| format!(" (did you mean `SIG{near}`?)")).unwrap_or_default();
                Err(format!(
                    "`{text}` is not a signal{hint}: write its name, such as SIGTERM, or its number, 1 to {LAST}"
                ))
            }
        }
    }
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signal_is_a_name_or_a_number() {
        let signal = |text: &str| text.parse::<Signal>().map(|signal| signal.to_string());
        for (text, written) in [
            ("SIGTERM", "SIGTERM"),
            ("term", "SIGTERM"),
            ("15", "15"),
            ("SIGRTMIN", "SIGRTMIN"),
            ("SIGRTMIN+3", "SIGRTMIN+3"),
            ("rtmax-1", "SIGRTMAX-1"),
        ] {
            assert_eq!(signal(text).as_deref(), Ok(written));
        }
        for wrong in ["", "0", "65", "-9", "+9", "SIG", "SIGNOPE", "TERM ", "SIGRTMIN-1", "SIGRTMIN+31", "SIGRTMIN+"] {
            assert!(signal(wrong).is_err(), "{wrong}");
        }
    }
}
