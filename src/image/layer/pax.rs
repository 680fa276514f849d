//! PAX records: `LENGTH KEY=VALUE\n`, where the length counts the whole record (POSIX pax, "pax Extended Header").

use std::collections::BTreeMap;
use std::io;

use super::entries::{invalid, show};

/// What star, and since then everyone, puts before the name of an extended attribute.
pub const XATTR: &[u8] = b"SCHILY.xattr.";

/// What the records before one entry say of it; the last record of a key counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PaxRecords {
    /// Its name.
    pub path: Option<Vec<u8>>,
    /// What it links to.
    pub link: Option<Vec<u8>>,
    /// Its size in bytes.
    pub size: Option<u64>,
    /// Its user.
    pub uid: Option<u64>,
    /// Its group.
    pub gid: Option<u64>,
    /// When it was changed: seconds since 1970, and nanoseconds beyond.
    pub mtime: Option<(i64, u32)>,
    /// Extended attributes by name.
    pub xattrs: BTreeMap<Vec<u8>, Vec<u8>>,
    /// Whether its content is packed in GNU's way for sparse files.
    pub is_sparse: bool,
}

impl PaxRecords {
    /// Reads them one after the other.
    ///
    /// # Errors
    /// What is no record, and values that are not what their keys promise.
    pub fn read(mut records: &[u8]) -> io::Result<PaxRecords> {
        let mut found = PaxRecords::default();
        while !records.is_empty() {
            let (key, value, rest) = split(records).ok_or_else(|| invalid("a broken PAX record".to_owned()))?;
            found.take(key, value)?;
            records = rest;
        }
        Ok(found)
    }

    fn take(&mut self, key: &[u8], value: &[u8]) -> io::Result<()> {
        if value.is_empty() {
            self.take_back(key);
            return Ok(());
        }
        let text = || std::str::from_utf8(value).ok();
        let wrong = || invalid(format!("a PAX record has {} for {}", show(value), show(key)));
        match key {
            b"path" => self.path = Some(name(value).ok_or_else(wrong)?),
            b"linkpath" => self.link = Some(name(value).ok_or_else(wrong)?),
            b"size" => self.size = Some(text().and_then(|text| text.parse().ok()).ok_or_else(wrong)?),
            b"uid" => self.uid = Some(text().and_then(|text| text.parse().ok()).ok_or_else(wrong)?),
            b"gid" => self.gid = Some(text().and_then(|text| text.parse().ok()).ok_or_else(wrong)?),
            b"mtime" => self.mtime = Some(text().and_then(time).ok_or_else(wrong)?),
            key if key.starts_with(b"GNU.sparse.") => self.is_sparse = true,
            key => {
                if let Some(name) = xattr(key) {
                    self.xattrs.insert(name.to_owned(), value.to_owned());
                }
            }
        }
        Ok(())
    }

    /// An empty record: what an earlier one said does not count, as if there were none.
    fn take_back(&mut self, key: &[u8]) {
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

/// Key and value of the first record, and what comes after it.
fn split(records: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let space = records.iter().take(20).position(|byte| *byte == b' ')?;
    let length: usize = std::str::from_utf8(&records[..space]).ok()?.parse().ok()?;
    let record = records.get(space + 1..length)?.strip_suffix(b"\n")?;
    let equals = record.iter().position(|byte| *byte == b'=')?;
    Some((&record[..equals], &record[equals + 1..], &records[length..]))
}

/// A time such as `-1.25`: seconds rounded down, and the nanoseconds from there.
fn time(text: &str) -> Option<(i64, u32)> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let is_negative = whole.starts_with('-');
    let seconds: i64 = if whole == "-" { 0 } else { whole.parse().ok()? };
    if !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let nanos: u32 = format!("{fraction:0<9}")[..9].parse().ok()?;
    match (is_negative, nanos) {
        (true, 1..) => Some((seconds.checked_sub(1)?, 1_000_000_000 - nanos)),
        _ => Some((seconds, nanos)),
    }
}

/// A time as a record's value, such as `-1.25`.
pub fn write_time((seconds, nanos): (i64, u32)) -> String {
    let (sign, seconds, nanos) = match (seconds < 0, nanos) {
        (true, 1..) => ("-", (seconds + 1).unsigned_abs(), 1_000_000_000 - nanos),
        (true, 0) => ("-", seconds.unsigned_abs(), 0),
        (false, _) => ("", seconds.unsigned_abs(), nanos),
    };
    let fraction = format!("{nanos:09}");
    format!("{sign}{seconds}.{fraction}").trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Adds a record.
pub fn append(records: &mut Vec<u8>, key: &[u8], value: &[u8]) {
    // A space, an equals sign and a line break; and the length itself, which may need one more digit for its own digits.
    let rest = key.len() + value.len() + 3;
    let digits = |length: usize| length.to_string().len();
    let mut length = rest + digits(rest);
    length = rest + digits(length);
    records.extend_from_slice(length.to_string().as_bytes());
    records.push(b' ');
    records.extend_from_slice(key);
    records.push(b'=');
    records.extend_from_slice(value);
    records.push(b'\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back_at_every_length() {
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
    fn times_are_read_and_written_alike() {
        for (text, expected) in [
            ("0", (0, 0)),
            ("1.5", (1, 500_000_000)),
            ("-1.25", (-2, 750_000_000)),
            ("-0.5", (-1, 500_000_000)),
            ("1700000000.000000001", (1_700_000_000, 1)),
            ("-7", (-7, 0)),
        ] {
            assert_eq!(time(text), Some(expected), "{text}");
            assert_eq!(write_time(expected), text);
        }
        assert_eq!(time("1.0000000019"), Some((1, 1)));
        for wrong in ["", "x", "1.x", "1.-5", "99999999999999999999"] {
            assert_eq!(time(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn what_is_no_record_is_refused() {
        for wrong in [&b"x"[..], b"5 a=b", b"99 path=x\n", b"3 \n", b"7 path\n", b"11 size=-1\n", b"9 path=\0\n"] {
            assert!(PaxRecords::read(wrong).is_err(), "{}", show(wrong));
        }
    }
}
