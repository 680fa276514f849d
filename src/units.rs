//! Numbers with units: sizes, in words and from words.

/// The units of sizes in words, each 1024 times the one before.
pub(crate) const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];

/// Returns a size in the unit that fits.
pub(crate) fn size(bytes: u64) -> String {
    match unit_of(bytes) {
        0 => format!("{bytes} B"),
        unit => format!("{:.1} {}", in_unit(bytes, unit), UNITS[unit]),
    }
}

/// Returns the index of the largest unit that is not larger than `bytes`.
pub(crate) fn unit_of(bytes: u64) -> usize {
    (1..UNITS.len()).rev().find(|unit| bytes >> (10 * unit) > 0).unwrap_or(0)
}

/// Returns the size in the unit with that index.
#[allow(clippy::cast_precision_loss)] // shown with one decimal
pub(crate) fn in_unit(bytes: u64, unit: usize) -> f64 {
    bytes as f64 / (1_u64 << (10 * unit)) as f64
}

/// Parses a whole number and its unit, in any case. Zero needs no unit.
pub(crate) fn parse(text: &str, units: &[(&str, u64)]) -> Option<u64> {
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

/// The units of sizes that are typed: as SI and IEC define them.
pub(crate) const BYTES: [(&str, u64); 9] = [
    ("b", 1),
    ("kb", 1_000),
    ("kib", 1 << 10),
    ("mb", 1_000_000),
    ("mib", 1 << 20),
    ("gb", 1_000_000_000),
    ("gib", 1 << 30),
    ("tb", 1_000_000_000_000),
    ("tib", 1 << 40),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_the_unit_that_fits() {
        assert_eq!(size(999), "999 B");
        assert_eq!(size(1536), "1.5 KiB");
        assert_eq!(size(5 << 30), "5.0 GiB");
    }

    #[test]
    fn units_are_parsed_in_any_case() {
        for (text, bytes) in [("20 MiB", 20 << 20), ("1kB", 1_000), (" 3 gb ", 3_000_000_000), ("0", 0), ("7B", 7)] {
            assert_eq!(parse(text, &BYTES), Some(bytes), "{text}");
        }
        for wrong in
            ["", "MiB", "20", "1.5 MiB", "-1 B", "20 megs", "20 M", "99999999999999999999 B", "18446744073709551615 kB"]
        {
            assert_eq!(parse(wrong, &BYTES), None, "{wrong}");
        }
    }
}
