//! A value of JSON that knows its place in the document, for errors.

use jiff::Timestamp;
use miette::{Report, miette};
use serde_json::Value;

use crate::error::Result;

/// A value, and its place, such as `statements[0].status`; empty for the document.
#[derive(Clone, Debug)]
pub(super) struct JsonNode<'a> {
    place: String,
    value: &'a Value,
}

impl<'a> JsonNode<'a> {
    /// Creates the node of a document.
    pub(super) fn root(value: &'a Value) -> JsonNode<'a> {
        JsonNode { place: String::new(), value }
    }

    /// Returns the value of a key, or `None` if there is none, or it is `null`.
    pub(super) fn get(&self, key: &str) -> Option<JsonNode<'a>> {
        let value = self.value.get(key).filter(|value| !value.is_null())?;
        Some(JsonNode { place: self.place(key), value })
    }

    /// Returns the value of a key.
    ///
    /// # Errors
    /// Returns an error if there is none.
    pub(super) fn need(&self, key: &str) -> Result<JsonNode<'a>> {
        self.get(key).ok_or_else(|| self.missing(key, ""))
    }

    /// Returns the error that a key is missing; `why` follows.
    pub(super) fn missing(&self, key: &str, why: &str) -> Report {
        miette!("missing key `{}`{why}", self.place(key))
    }

    /// Returns the value as an object.
    ///
    /// # Errors
    /// Returns an error if it is of another type.
    pub(super) fn object(&self) -> Result<&'a serde_json::Map<String, Value>> {
        self.value.as_object().ok_or_else(|| self.wrong("an object"))
    }

    /// Returns the items of an array.
    ///
    /// # Errors
    /// Returns an error if it is of another type.
    pub(super) fn items(&self) -> Result<Vec<JsonNode<'a>>> {
        let items = self.value.as_array().ok_or_else(|| self.wrong("an array"))?;
        let item = |(at, value)| JsonNode { place: format!("{}[{at}]", self.place), value };
        Ok(items.iter().enumerate().map(item).collect())
    }

    /// Returns the text.
    ///
    /// # Errors
    /// Returns an error if it is of another type, or empty.
    pub(super) fn text(&self) -> Result<&'a str> {
        self.value.as_str().filter(|text| !text.trim().is_empty()).ok_or_else(|| self.wrong("text"))
    }

    /// Checks that it is a time (RFC 3339).
    ///
    /// # Errors
    /// Returns an error if it is not.
    pub(super) fn time(&self) -> Result<()> {
        let time = self.value.as_str().and_then(|text| text.parse::<Timestamp>().ok());
        time.map(drop).ok_or_else(|| self.wrong("a time such as 2026-01-31T12:00:00Z"))
    }

    /// Returns the number.
    pub(super) fn number(&self) -> Option<u64> {
        self.value.as_u64()
    }

    /// Returns the error that something else was expected.
    pub(super) fn wrong(&self, expected: &str) -> Report {
        let found = match self.value {
            Value::Null => "null".to_owned(),
            Value::Bool(_) => "a boolean".to_owned(),
            Value::Number(_) => "a number".to_owned(),
            Value::String(text) if text.trim().is_empty() => "an empty string".to_owned(),
            Value::String(text) => format!("`{text}`"),
            Value::Array(items) if items.is_empty() => "an empty array".to_owned(),
            Value::Array(_) => "an array".to_owned(),
            Value::Object(_) => "an object".to_owned(),
        };
        self.differs(expected, &found)
    }

    /// Returns the error that one thing was expected and another found.
    pub(super) fn differs(&self, expected: &str, found: &str) -> Report {
        let place = if self.place.is_empty() { String::new() } else { format!("`{}`: ", self.place) };
        miette!("{place}expected {expected}, found {found}")
    }

    fn place(&self, key: &str) -> String {
        if self.place.is_empty() { key.to_owned() } else { format!("{}.{key}", self.place) }
    }
}
