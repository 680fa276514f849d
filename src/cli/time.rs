//! Times, as flags and variables have them.

use std::time::Duration;

use crate::units;

const UNITS: [(&str, u64); 5] = [("s", 1), ("m", 60), ("h", 60 * 60), ("d", 24 * 60 * 60), ("w", 7 * 24 * 60 * 60)];

/// Parses a whole number and its unit. Zero needs no unit.
///
/// # Errors
/// Returns an error if the text is anything else.
pub(crate) fn time(text: &str) -> Result<Duration, String> {
    units::parse(text, &UNITS)
        .map(Duration::from_secs)
        .ok_or_else(|| "expected a number with s, m, h, d or w".to_owned())
}

/// Parses a time that is not zero.
///
/// # Errors
/// Returns an error if the text is anything else.
pub(crate) fn timeout(text: &str) -> Result<Duration, String> {
    let timeout = time(text)?;
    if timeout.is_zero() { Err("expected at least 1s".to_owned()) } else { Ok(timeout) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timeout_has_a_unit_and_is_not_zero() {
        assert_eq!(timeout("90s"), Ok(Duration::from_secs(90)));
        assert_eq!(timeout(" 10M "), Ok(Duration::from_secs(600)));
        for wrong in ["", "0", "0s", "90", "1.5s", "-1s", "soon", "99999999999999999999s"] {
            timeout(wrong).expect_err(wrong);
        }
    }
}
