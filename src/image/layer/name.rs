//! Names in the headers of a tar to write: the fields of ustar, and PAX records for names that do not fit (POSIX pax,
//! "ustar Interchange Format" and "pax Header Block").

use std::io;

use tar::{EntryType, Header};

use super::pax;
use super::quote::quote;

/// The sizes of the fields in bytes. A path is its prefix, a slash and its name.
const MAX_NAME: usize = 100;
const MAX_PREFIX: usize = 155;

/// Writes a path into the header, and adds a PAX record if it does not fit.
///
/// # Errors
/// Returns an error if the path could lead out of the image, or if no file can have it.
pub(crate) fn set_path(header: &mut Header, path: &str, records: &mut Vec<u8>) -> io::Result<()> {
    let is_valid = !path.split('/').any(|part| part == "..") && !path.starts_with('/');
    if !is_valid || path.is_empty() || path.contains('\0') {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, format!("invalid path {}", quote(path.as_bytes()))));
    }
    let Some(fields) = header.as_ustar_mut() else { return Err(not_ustar()) };
    if let Some((prefix, name)) = split(path) {
        put(&mut fields.prefix, prefix);
        put(&mut fields.name, name);
    } else {
        // A slash at the end of a name that was cut would make a folder of a file for some readers.
        put(&mut fields.name, cut(path).trim_end_matches('/'));
        pax::append(records, b"path", path.as_bytes());
    }
    Ok(())
}

/// Writes the target of a link into the header, and adds a PAX record if it does not fit.
///
/// # Errors
/// Returns an error if no link can have the target.
pub(super) fn set_target(header: &mut Header, target: &str, records: &mut Vec<u8>) -> io::Result<()> {
    if target.is_empty() || target.contains('\0') {
        let message = format!("invalid target {} of a link", quote(target.as_bytes()));
        return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
    }
    let Some(fields) = header.as_ustar_mut() else { return Err(not_ustar()) };
    put(&mut fields.linkname, cut(target));
    if target.len() > MAX_NAME {
        pax::append(records, b"linkpath", target.as_bytes());
    }
    Ok(())
}

/// Returns the blocks of a header with these PAX records; none without records.
pub(crate) fn extended_header(records: &[u8]) -> Vec<u8> {
    let mut blocks = Vec::new();
    if !records.is_empty() {
        let mut header = Header::new_ustar();
        header.set_entry_type(EntryType::XHeader);
        header.set_mode(0o644);
        header.set_size(records.len() as u64);
        header.set_cksum();
        blocks.extend_from_slice(header.as_bytes());
        blocks.extend_from_slice(records);
        blocks.resize(blocks.len().next_multiple_of(512), 0);
    }
    blocks
}

/// Splits a path into prefix and name at the last slash that leaves a prefix that fits. Returns `None` if the path is too
/// long, or has no such slash.
fn split(path: &str) -> Option<(&str, &str)> {
    if path.len() <= MAX_NAME {
        return Some(("", path));
    }
    // The slash at the end of a folder belongs to its name.
    let parts = path.strip_suffix('/').unwrap_or(path);
    let ends = parts.match_indices('/').map(|(end, _)| end);
    let end = ends.take_while(|end| *end <= MAX_PREFIX).last()?;
    let (prefix, name) = (&path[..end], &path[end + 1..]);
    (name.len() <= MAX_NAME).then_some((prefix, name))
}

/// Returns the beginning of a name that fits into a field, for readers that do not know PAX.
fn cut(name: &str) -> &str {
    let end = name.char_indices().map(|(at, char)| at + char.len_utf8()).take_while(|end| *end <= MAX_NAME).last();
    &name[..end.unwrap_or_default()]
}

fn put(field: &mut [u8], name: &str) {
    field[..name.len()].copy_from_slice(name.as_bytes());
}

fn not_ustar() -> io::Error {
    io::Error::other("not a header of ustar")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_split_as_far_right_as_fits() {
        let (long, name) = ("d".repeat(155), "n".repeat(100));
        assert_eq!(split(&name), Some(("", name.as_str())));
        assert_eq!(split(&format!("{long}/{name}")), Some((long.as_str(), name.as_str())));
        assert_eq!(split(&format!("{long}/{name}x")), None);
        assert_eq!(split(&format!("{long}x/{name}")), None);
        assert_eq!(split(&format!("{name}x")), None);
        // A folder's slash counts, and does not end a prefix.
        assert_eq!(split(&format!("{name}/")), None);
        assert_eq!(split(&format!("{long}/{}/", &name[1..])), Some((long.as_str(), &*format!("{}/", &name[1..]))));
        assert_eq!(split(&format!("a/{name}/b")), Some((&*format!("a/{name}"), "b")));
    }

    #[test]
    fn long_names_are_cut_between_characters() {
        assert_eq!(cut(&"ä".repeat(60)), "ä".repeat(50));
        assert_eq!(cut(&format!("x{}", "ä".repeat(60))), format!("x{}", "ä".repeat(49)));
        let mut header = Header::new_ustar();
        let mut records = Vec::new();
        // The cut would be behind the slash.
        let path = format!("{}/{}", "d".repeat(99), "n".repeat(200));
        set_path(&mut header, &path, &mut records).expect("a path");
        assert_eq!(header.path_bytes().as_ref(), "d".repeat(99).as_bytes());
        assert_eq!(records, format!("310 path={path}\n").as_bytes());
    }

    #[test]
    fn paths_out_of_the_image_are_rejected() {
        for path in ["", "/etc/x", "a/../b", "..", "a\0b"] {
            let error = set_path(&mut Header::new_ustar(), path, &mut Vec::new()).expect_err("is rejected");
            assert!(error.to_string().starts_with("invalid path `"), "{error}");
        }
        for path in ["..a", "a..", "a/...", "日本"] {
            assert!(set_path(&mut Header::new_ustar(), path, &mut Vec::new()).is_ok(), "{path}");
        }
        let error = set_target(&mut Header::new_ustar(), "", &mut Vec::new()).expect_err("is rejected");
        assert_eq!(error.to_string(), "invalid target `` of a link");
    }
}
