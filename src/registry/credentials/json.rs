//! JSON values with their positions in the file: for errors that show the line, and for edits that keep all other bytes.
//!
//! Why no library: serde_json already knows where a raw value is in its text. A concrete syntax tree for JSON would replace
//! some 60 lines here and in `edit`, but has no positions for the errors.

use std::fmt;
use std::ops::Range;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::error::JsonError;

/// A value, as written in the file.
#[derive(Clone, Copy, Debug)]
pub(crate) struct JsonValue<'a> {
    text: &'a str,
    start: usize,
}

/// An object, with its entries in the order of the file.
#[derive(Debug)]
pub(crate) struct JsonObject<'a> {
    /// Its range in the file, including the braces.
    pub(crate) span: Range<usize>,
    /// Its keys and values.
    pub(crate) entries: Vec<(String, JsonValue<'a>)>,
}

impl<'a> JsonValue<'a> {
    /// Returns its range in the file.
    pub(crate) fn span(&self) -> Range<usize> {
        self.start..self.start + self.text.len()
    }

    /// Returns the string, or `None` for `null`, which Docker's files use for a missing value.
    pub(crate) fn string(&self, key: &str) -> Result<Option<String>, JsonError> {
        serde_json::from_str(self.text).map_err(|_| self.mismatch(key, "a string"))
    }

    fn mismatch(&self, key: &str, expected: &str) -> JsonError {
        JsonError::new(format!("{key} must be {expected}"), self.span(), &format!("expected {expected}"))
    }

    /// Returns the object, or `None` for `null`.
    pub(crate) fn object(&self, key: &str) -> Result<Option<JsonObject<'a>>, JsonError> {
        if self.text == "null" {
            return Ok(None);
        }
        let OrderedEntries(entries) = serde_json::from_str(self.text).map_err(|_| self.mismatch(key, "an object"))?;
        let entries = entries
            .into_iter()
            .map(|(key, raw)| (key, JsonValue { text: raw.get(), start: self.start + offset(self.text, raw.get()) }));
        Ok(Some(JsonObject { span: self.span(), entries: entries.collect() }))
    }
}

impl<'a> JsonObject<'a> {
    /// Parses a file. An empty file is an empty object.
    ///
    /// # Errors
    /// Returns an error if the file is not a JSON object. The message repeats nothing of the content.
    pub(crate) fn parse(file: &'a str) -> Result<JsonObject<'a>, JsonError> {
        if file.trim_ascii().is_empty() {
            return Ok(JsonObject { span: 0..file.len(), entries: Vec::new() });
        }
        let whole: &RawValue = serde_json::from_str(file).map_err(|error| invalid(file, &error))?;
        let value = JsonValue { text: whole.get(), start: offset(file, whole.get()) };
        value.object("the file")?.ok_or_else(|| value.mismatch("the file", "an object"))
    }

    /// Returns the value of a key, or `None` if there is none. Of duplicate keys, the last one counts, as in Docker.
    pub(crate) fn get(&self, key: &str) -> Option<JsonValue<'a>> {
        self.entries.iter().rev().find(|(name, _)| name == key).map(|(_, value)| *value)
    }

    /// Returns the object in a key, or `None` if there is none.
    pub(crate) fn object(&self, key: &str) -> Result<Option<JsonObject<'a>>, JsonError> {
        self.get(key).map_or(Ok(None), |value| value.object(&format!("`{key}`")))
    }

    /// Returns the string in a key, or `None` if there is none or it is empty. `path` is the name of the key in errors.
    pub(crate) fn string(&self, key: &str, path: &str) -> Result<Option<String>, JsonError> {
        let text = self.get(key).map_or(Ok(None), |value| value.string(path))?;
        Ok(text.filter(|text| !text.is_empty()))
    }
}

/// Returns the position of `part` in `whole`, which it is a slice of.
fn offset(whole: &str, part: &str) -> usize {
    part.as_ptr().addr() - whole.as_ptr().addr()
}

/// Returns the error at the position where serde_json stopped: it counts lines, and bytes in a line, from 1.
fn invalid(file: &str, error: &serde_json::Error) -> JsonError {
    let before: usize = file.split_inclusive('\n').take(error.line().saturating_sub(1)).map(str::len).sum();
    let start = (before + error.column().saturating_sub(1)).min(file.len().saturating_sub(1));
    // serde_json's message names the expected characters, and repeats none of the file's.
    let text = error.to_string();
    let position = format!(" at line {} column {}", error.line(), error.column());
    let label = text.strip_suffix(&position).unwrap_or(&text);
    let message = format!("invalid JSON at line {}, column {}", error.line(), error.column().max(1));
    JsonError::new(message, start..start + 1, label)
}

/// The entries of an object, in the order of the file.
struct OrderedEntries<'a>(Vec<(String, &'a RawValue)>);

impl<'de> Deserialize<'de> for OrderedEntries<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;
        impl<'de> Visitor<'de> for InOrder {
            type Value = OrderedEntries<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<OrderedEntries<'de>, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(OrderedEntries(entries))
            }
        }
        deserializer.deserialize_map(InOrder)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_values_know_their_positions() {
        let file = " {\"a\": {\"b\": \"c\"},\n \"d\": null}\n";
        let whole = JsonObject::parse(file).expect("reads");
        let inner = whole.object("a").expect("reads").expect("an object");
        assert_eq!(&file[inner.span.clone()], "{\"b\": \"c\"}");
        assert_eq!(&file[inner.get("b").expect("there").span()], "\"c\"");
        assert_eq!(inner.string("b", "b").expect("reads").as_deref(), Some("c"));
        assert!(whole.object("d").expect("null is none").is_none());
    }

    #[test]
    fn json_error_has_a_position_and_no_content() {
        let invalid = |file: &str| {
            let error = JsonObject::parse(file).expect_err(file);
            (error.message, error.span, error.label)
        };
        let (message, span, label) = invalid("{\n  \"auth\": sesame\n}");
        assert_eq!(message, "invalid JSON at line 2, column 11");
        assert_eq!((span, label.as_str()), (12..13, "expected value"));
        assert_eq!(invalid("{\"a\": 1").2, "EOF while parsing an object");
        assert_eq!(invalid("\"sesame\"").0, "the file must be an object");
        assert_eq!(invalid("null").0, "the file must be an object");
        let whole = JsonObject::parse(r#"{"auths": "sesame"}"#).expect("reads");
        assert_eq!(whole.object("auths").expect_err("a string").message, "`auths` must be an object");
    }
}
