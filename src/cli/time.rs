//! Times, as flags and variables have them.

use std::time::Duration;

const UNITS: [(&str, u64); 5] = [("s", 1), ("m", 60), ("h", 60 * 60), ("d", 24 * 60 * 60), ("w", 7 * 24 * 60 * 60)];

/// Parses a whole number and its unit. Zero needs no unit.
///
/// # Errors
/// Returns an error if the text is anything else.
pub(crate) fn time(text: &str) -> Result<Duration, String> {
    in_units(text, &UNITS).map(Duration::from_secs).ok_or_else(|| "expected a number with s, m, h, d or w".to_owned())
}

/// Parses a time that is not zero.
///
/// # Errors
/// Returns an error if the text is anything else.
pub(crate) fn timeout(text: &str) -> Result<Duration, String> {
    let timeout = time(text)?;
    if timeout.is_zero() { Err("expected at least 1s".to_owned()) } else { Ok(timeout) }
}

/// Parses a number and its unit. Zero needs no unit.
pub(super) fn in_units(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let text = text.trim().to_ascii_lowercase();
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let number: u64 = number.parse().ok()?;
    if number == 0 && unit.is_empty() {
        return Some(0);
    }
    let (_, factor) = units.iter().find(|(name, _)| *name == unit.trim())?;
    number.checked_mul(*factor)
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
