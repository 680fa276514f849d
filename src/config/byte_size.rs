//! A size in bytes, which is written with a unit or as a plain number.

use std::str::FromStr;

use serde_json::{Value as Json, json};

use super::value::Text;
use crate::units;

/// A size in bytes that is not zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ByteSize(pub u64);

impl FromStr for ByteSize {
    type Err = String;

    fn from_str(text: &str) -> Result<ByteSize, String> {
        let bytes = text.parse().ok().or_else(|| units::parse(text, &units::BYTES));
        match bytes {
            Some(0) => Err("expected more than 0 bytes".to_owned()),
            Some(bytes) => Ok(ByteSize(bytes)),
            None => Err(format!(
                "invalid size `{text}`: expected a whole number with B, kB, KiB, MB, MiB, GB or GiB, such as `20 MiB`"
            )),
        }
    }
}

impl Text for ByteSize {
    const MAY_BE_NUMBER: bool = true;

    fn schema() -> Json {
        json!({
            "type": ["string", "integer"],
            "pattern": "^[0-9]*[1-9][0-9]* *(([kKmMgGtT][iI]?)?[bB])?$",
            "minimum": 1
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn byte_size_may_be_a_plain_number() {
        for (text, bytes) in [("20 MiB", 20 << 20), ("20MB", 20_000_000), ("1 KB", 1_000), ("512", 512)] {
            assert_eq!(text.parse(), Ok(ByteSize(bytes)), "{text}");
        }
        for wrong in ["", "0", "0 MiB", "1.5 MiB", "20 megs", "-1", "18446744073709551616"] {
            assert!(wrong.parse::<ByteSize>().is_err(), "{wrong}");
        }
    }
}
