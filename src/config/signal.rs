//! Signals, by name or number.

use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;

use serde_json::{Value as Json, json};

use super::value::Text;
use crate::suggest::nearest;

/// A signal of Linux, as image configs write it: `SIGTERM`, `SIGRTMIN+3` or `15`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signal(String);

/// The names of signal(7), with synonyms.
const NAMES: [&str; 34] = [
    "ABRT", "ALRM", "BUS", "CHLD", "CLD", "CONT", "FPE", "HUP", "ILL", "INT", "IO", "IOT", "KILL", "PIPE", "POLL",
    "PROF", "PWR", "QUIT", "SEGV", "STKFLT", "STOP", "SYS", "TERM", "TRAP", "TSTP", "TTIN", "TTOU", "URG", "USR1",
    "USR2", "VTALRM", "WINCH", "XCPU", "XFSZ",
];
/// The highest number, SIGRTMAX.
const LAST: u8 = 64;
/// The distance from SIGRTMIN to SIGRTMAX.
const REAL_TIME: u8 = 30;

impl FromStr for Signal {
    type Err = String;

    /// Parses a name with or without `SIG`, in any case, or a number.
    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(number) = number(text, 1..=LAST) {
            return Ok(Signal(number.to_string()));
        }
        let upper = text.to_ascii_uppercase();
        let name = upper.strip_prefix("SIG").unwrap_or(&upper);
        if NAMES.contains(&name) || is_real_time(name) {
            return Ok(Signal(format!("SIG{name}")));
        }
        let hint = nearest(name, NAMES).map(|near| format!(" (did you mean `SIG{near}`?)")).unwrap_or_default();
        Err(format!("unknown signal `{text}`{hint}: expected a name such as SIGTERM, or a number from 1 to {LAST}"))
    }
}

/// Parses digits alone: Rust takes signs too.
fn number(text: &str, range: RangeInclusive<u8>) -> Option<u8> {
    let is_number = text.bytes().all(|digit| digit.is_ascii_digit());
    text.parse().ok().filter(|number| is_number && range.contains(number))
}

/// Returns whether `name` is RTMIN, RTMAX, `RTMIN+N` or `RTMAX-N`.
fn is_real_time(name: &str) -> bool {
    let distance = match (name.strip_prefix("RTMIN"), name.strip_prefix("RTMAX")) {
        (Some(""), _) | (_, Some("")) => return true,
        (Some(rest), _) => rest.strip_prefix('+'),
        (_, Some(rest)) => rest.strip_prefix('-'),
        (None, None) => None,
    };
    distance.is_some_and(|distance| number(distance, 1..=REAL_TIME).is_some())
}

impl Text for Signal {
    fn schema() -> Json {
        let number = "0*([1-9]|[1-5][0-9]|6[0-4])";
        json!({ "type": "string", "pattern": format!("^({number}|[A-Za-z][A-Za-z0-9]*([+-][0-9]+)?)$") })
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
    fn signal_is_a_name_or_a_number() {
        for (text, written) in [
            ("SIGTERM", "SIGTERM"),
            ("term", "SIGTERM"),
            ("15", "15"),
            ("SIGRTMIN", "SIGRTMIN"),
            ("SIGRTMIN+3", "SIGRTMIN+3"),
            ("rtmax-1", "SIGRTMAX-1"),
        ] {
            assert_eq!(text.parse::<Signal>().map(|signal| signal.to_string()).as_deref(), Ok(written));
        }
        for wrong in ["", "0", "65", "-9", "+9", "SIG", "SIGNOPE", "TERM ", "SIGRTMIN-1", "SIGRTMIN+31", "SIGRTMIN+"] {
            assert!(wrong.parse::<Signal>().is_err(), "{wrong}");
        }
    }
}
