//! PAX records: `LENGTH KEY=VALUE\n`, where the length counts the whole record (POSIX pax, "pax Extended Header").

use std::collections::BTreeMap;
use std::io;

use super::field::invalid_data;
use super::quote::quote;

/// The prefix of the keys of extended attributes, which star introduced.
pub const XATTR: &[u8] = b"SCHILY.xattr.";

/// The records before one entry. The last record of a key counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PaxRecords {
    /// The path of the entry.
    pub path: Option<Vec<u8>>,
    /// The target of a link.
    pub link: Option<Vec<u8>>,
    /// The size in bytes.
    pub size: Option<u64>,
    /// The user.
    pub uid: Option<u64>,
    /// The group.
    pub gid: Option<u64>,
    /// The time of the last modification: seconds since 1970, and nanoseconds.
    pub mtime: Option<(i64, u32)>,
    /// Extended attributes by name.
    pub xattrs: BTreeMap<Vec<u8>, Vec<u8>>,
    /// Whether the content has GNU's format for sparse files.
    pub is_sparse: bool,
}

impl PaxRecords {
    /// Parses records.
    ///
    /// # Errors
    /// Returns an error if a record is malformed or has a value that does not fit its key.
    pub fn read(mut bytes: &[u8]) -> io::Result<PaxRecords> {
        let mut records = PaxRecords::default();
        while !bytes.is_empty() {
            let (key, value, rest) = split(bytes).ok_or_else(|| invalid_data("malformed PAX record"))?;
            if value.is_empty() {
                records.remove(key);
            } else {
                let is_valid = records.insert(key, value).is_some();
                if !is_valid {
                    let message = format!("invalid value {} of the PAX record {}", quote(value), quote(key));
                    return Err(invalid_data(message));
                }
            }
            bytes = rest;
        }
        Ok(records)
    }

    /// Adds a record. Returns `None` if the value does not fit the key.
    fn insert(&mut self, key: &[u8], value: &[u8]) -> Option<()> {
        match key {
            b"path" => self.path = Some(name(value)?),
            b"linkpath" => self.link = Some(name(value)?),
            b"size" => self.size = Some(number(value)?),
            b"uid" => self.uid = Some(number(value)?),
            b"gid" => self.gid = Some(number(value)?),
            b"mtime" => self.mtime = Some(std::str::from_utf8(value).ok().and_then(time)?),
            key if key.starts_with(b"GNU.sparse.") => self.is_sparse = true,
            key => {
                if let Some(name) = xattr(key) {
                    self.xattrs.insert(name.to_owned(), value.to_owned());
                }
            }
        }
        Some(())
    }

    /// Removes a record, as one with an empty value does.
    fn remove(&mut self, key: &[u8]) {
        match key {
            b"path" => self.path = None,
            b"linkpath" => self.link = None,
            b"size" => self.size = None,
            b"uid" => self.uid = None,
            b"gid" => self.gid = None,
            b"mtime" => self.mtime = None,
            key => {
                xattr(key).map(|name| self.xattrs.remove(name));
            }
        }
    }
}

fn xattr(key: &[u8]) -> Option<&[u8]> {
    key.strip_prefix(XATTR).filter(|name| !name.is_empty() && !name.contains(&0))
}

fn name(value: &[u8]) -> Option<Vec<u8>> {
    (!value.contains(&0)).then(|| value.to_owned())
}

fn number(value: &[u8]) -> Option<u64> {
    std::str::from_utf8(value).ok()?.parse().ok()
}

/// Returns the key and the value of the first record, and the rest.
fn split(records: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let space = records.iter().take(20).position(|byte| *byte == b' ')?;
    let length: usize = std::str::from_utf8(&records[..space]).ok()?.parse().ok()?;
    let record = records.get(space + 1..length)?.strip_suffix(b"\n")?;
    let equals = record.iter().position(|byte| *byte == b'=')?;
    Some((&record[..equals], &record[equals + 1..], &records[length..]))
}

/// Parses a time such as `-1.25`: seconds rounded down, and the nanoseconds from there.
fn time(text: &str) -> Option<(i64, u32)> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let is_negative = whole.starts_with('-');
    let seconds: i64 = if whole == "-" { 0 } else { whole.parse().ok()? };
    if !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let nanos: u32 = format!("{fraction:0<9}")[..9].parse().ok()?;
    if is_negative && nanos > 0 {
        return Some((seconds.checked_sub(1)?, 1_000_000_000 - nanos));
    }
    Some((seconds, nanos))
}

/// Formats a time as the value of a record, such as `-1.25`.
pub fn write_time(seconds: i64, nanos: u32) -> String {
    let sign = if seconds < 0 { "-" } else { "" };
    let (seconds, nanos) = if seconds < 0 && nanos > 0 {
        ((seconds + 1).unsigned_abs(), 1_000_000_000 - nanos)
    } else {
        (seconds.unsigned_abs(), nanos)
    };
    format!("{sign}{seconds}.{nanos:09}").trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Appends a record.
pub fn append(records: &mut Vec<u8>, key: &[u8], value: &[u8]) {
    // The length counts a space, an equals sign, a line break and its own digits, which may need one digit more.
    let rest = key.len() + value.len() + 3;
    let mut length = rest + digits(rest);
    length = rest + digits(length);
    records.extend_from_slice(length.to_string().as_bytes());
    records.push(b' ');
    records.extend_from_slice(key);
    records.push(b'=');
    records.extend_from_slice(value);
    records.push(b'\n');
}

fn digits(number: usize) -> usize {
    number.to_string().len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pax_records_round_trip_at_every_length() {
        for length in [1, 80, 90, 91, 92, 93, 980, 985, 986, 987, 988, 990, 9990] {
            let mut records = Vec::new();
            let value = vec![b'\n'; length];
            append(&mut records, b"SCHILY.xattr.a", &value);
            append(&mut records, b"path", b"x");
            let read = PaxRecords::read(&records).expect("reads");
            assert_eq!((&read.xattrs[&b"a"[..]], read.path.as_deref()), (&value, Some(&b"x"[..])), "{length}");
        }
    }

    #[test]
    fn pax_times_round_trip() {
        for (text, expected) in [
            ("0", (0, 0)),
            ("1.5", (1, 500_000_000)),
            ("-1.25", (-2, 750_000_000)),
            ("-0.5", (-1, 500_000_000)),
            ("1700000000.000000001", (1_700_000_000, 1)),
            ("-7", (-7, 0)),
        ] {
            assert_eq!(time(text), Some(expected), "{text}");
            assert_eq!(write_time(expected.0, expected.1), text);
        }
        assert_eq!(time("1.0000000019"), Some((1, 1)));
        for wrong in ["", "x", "1.x", "1.-5", "99999999999999999999"] {
            assert_eq!(time(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn malformed_pax_records_are_rejected() {
        for wrong in [&b"x"[..], b"5 a=b", b"99 path=x\n", b"3 \n", b"7 path\n", b"11 size=-1\n", b"9 path=\0\n"] {
            assert!(PaxRecords::read(wrong).is_err(), "{}", quote(wrong));
        }
    }
}
