//! Deterministic JSON.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

/// A JSON object.
pub(crate) type Object = Map<String, Value>;

/// Serializes JSON with sorted keys and without spaces, so that equal documents have equal digests.
pub fn canonical_json(document: &Value) -> Vec<u8> {
    // The map of serde_json is sorted. Serializing a `Value` to memory cannot fail: its keys are strings.
    document.to_string().into_bytes()
}

/// Does the same for people: one line per key, and a line break at the end.
pub fn canonical_json_pretty(document: &Value) -> Vec<u8> {
    format!("{document:#}\n").into_bytes()
}

/// Returns the strings of a JSON array.
pub fn strings(value: Option<&Value>) -> Vec<String> {
    let items = value.and_then(Value::as_array).into_iter().flatten();
    items.filter_map(Value::as_str).map(str::to_owned).collect()
}

/// Returns the entries of a JSON object whose values are strings.
pub fn string_map(object: &Value) -> BTreeMap<String, String> {
    let entries = object.as_object().into_iter().flatten();
    entries.filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned()))).collect()
}
