//! Numbers of a base's config that a 64-bit integer or float cannot hold: they keep their digits.
//!
//! While the config is edited, such a number is a string that begins with [`MARK`].

use serde_json::Value;

use super::json::{Object, canonical_json};

/// A character for private use (Unicode, section 23.5), which no key or value of a config begins with.
const MARK: char = '\u{e000}';

/// Parses an object.
///
/// # Errors
/// Returns an error if it is not an object in JSON.
pub(crate) fn parse(bytes: &[u8]) -> serde_json::Result<Object> {
    match std::str::from_utf8(bytes) {
        Ok(text) => serde_json::from_str(&mark(text)),
        Err(_) => serde_json::from_slice(bytes),
    }
}

/// Serializes an object that was parsed, with its numbers.
pub(crate) fn serialize(object: Object) -> Vec<u8> {
    let bytes = canonical_json(&Value::Object(object));
    match String::from_utf8(bytes) {
        Ok(text) if text.contains(MARK) => unmark(&text).into_bytes(),
        Ok(text) => text.into_bytes(),
        Err(error) => error.into_bytes(),
    }
}

fn mark(json: &str) -> String {
    let mut marked = String::with_capacity(json.len());
    let mut rest = json;
    while let Some(start) = rest.find(|c: char| c == '"' || c == '-' || c.is_ascii_digit()) {
        let (before, from) = rest.split_at(start);
        marked.push_str(before);
        let is_text = from.starts_with('"');
        let (token, after) = from.split_at(if is_text { end_of_string(from) } else { end_of_number(from) });
        if is_text || is_held(token) {
            marked.push_str(token);
        } else {
            marked.extend(['"', MARK]);
            marked.push_str(token);
            marked.push('"');
        }
        rest = after;
    }
    marked + rest
}

fn unmark(json: &str) -> String {
    let mut numbers = String::with_capacity(json.len());
    let mut rest = json;
    while let Some((before, after)) = rest.split_once(&format!("\"{MARK}")) {
        let (token, behind) = after.split_at(end_of_number(after));
        numbers.push_str(before);
        match behind.strip_prefix('"') {
            Some(behind) if is_number(token) && !is_held(token) => {
                numbers.push_str(token);
                rest = behind;
            }
            // A string of the base.
            _ => {
                numbers.extend(['"', MARK]);
                rest = after;
            }
        }
    }
    numbers + rest
}

fn end_of_string(json: &str) -> usize {
    let mut is_escaped = false;
    let end = json.char_indices().skip(1).find(|(_, c)| {
        let ends = *c == '"' && !is_escaped;
        is_escaped = *c == '\\' && !is_escaped;
        ends
    });
    end.map_or(json.len(), |(at, _)| at + 1)
}

fn end_of_number(json: &str) -> usize {
    json.find(|c: char| !c.is_ascii_digit() && !"+-.eE".contains(c)).unwrap_or(json.len())
}

/// Returns whether [`Value`] has the number with all its digits, or the text is no number.
fn is_held(token: &str) -> bool {
    match serde_json::from_str::<Value>(token) {
        Ok(value) => value.to_string().as_str() == token,
        Err(_) => !is_number(token),
    }
}

/// Returns whether `token` is a number in JSON (RFC 8259, section 6).
fn is_number(token: &str) -> bool {
    serde_json::from_str::<&serde_json::value::RawValue>(token).is_ok_and(|raw| raw.get() == token)
        && token.starts_with(|c: char| c == '-' || c.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_their_digits() {
        let json =
            r#"{"a":1,"b":123456789012345678901234567890,"c":[1e400,-0.10,1.5,{"d\"1e400":"1e400 \\"}],"e":"-"}"#;
        let object = parse(json.as_bytes()).expect("an object");
        assert_eq!(object["a"], 1);
        assert_eq!(String::from_utf8(serialize(object)).expect("text"), json);
    }

    #[test]
    fn strings_with_the_mark_are_kept() {
        for json in ["{\"a\":\"\u{e000}17\"}", "{\"a\":\"\u{e000}x\"}", "{\"\u{e000}\":1}", "{\"a\":\"\\ue0007\"}"] {
            let bytes = serialize(parse(json.as_bytes()).expect("an object"));
            let read: Object = serde_json::from_slice(&bytes).expect("an object");
            assert_eq!(read, serde_json::from_str(json).expect("an object"), "{json}");
        }
    }

    #[test]
    fn invalid_numbers_are_errors() {
        for json in ["{\"a\":1e}", "{\"a\":--1}", "{\"a\":01}", "{\"a\":1", "{\"a", "{\"a\":\"\\", "[1]"] {
            assert!(parse(json.as_bytes()).is_err(), "{json}");
        }
    }
}
