//! Edits of a credentials file: one entry changes, and nothing else.

use serde_json::{Value, json};

use super::input::FuzzInput;
use crate::reference::RegistryName;
use crate::registry::credentials::file::ConfigFile;
use crate::registry::credentials::key::Query;

pub(super) const WORDS: &[&str] = &[
    "\"auths\"",
    "\"credHelpers\"",
    "\"credsStore\"",
    "\"auth\":\"YTpi\"",
    "\"b.io\"",
    "\"https://b.io/v1/\"",
    "\"b.io/a\"",
    "\"https://index.docker.io/v1/\"",
    "docker.io",
    "b.io",
    "{",
    "}",
    "{}",
    "null",
    "[]",
    ":",
    ",",
    "\n\t",
    "\n  ",
    " ",
    "\r\n",
    "\"\\u0062.io\"",
    "\"\\\"\"",
    "\u{feff}",
    "1",
];

/// The whole file as JSON, and the entries of `auths` that are not for the whole registry.
fn parsed(file: &ConfigFile, query: &Query) -> Option<(Value, Value)> {
    let text = if file.text.trim_ascii().is_empty() { "{}" } else { &file.text };
    let mut whole: Value = serde_json::from_str(text).ok()?;
    let mut others = whole.as_object_mut()?.remove("auths").unwrap_or_default();
    if let Some(auths) = others.as_object_mut() {
        auths.retain(|key, _| !query.is_whole(key));
    }
    // Docker writes no `auths` without entries.
    if others.as_object().is_some_and(serde_json::Map::is_empty) {
        others = Value::Null;
    }
    Some((whole, others))
}

pub(super) fn edits(data: &[u8]) {
    let mut input = FuzzInput::new(data);
    let registry = String::from_utf8_lossy(input.line()).into_owned();
    let registry = registry.parse::<RegistryName>();
    let query = Query::new(registry.as_ref().map_or("b.io", RegistryName::as_str), "");
    let file = ConfigFile { path: "config.json".into(), text: String::from_utf8_lossy(input.rest()).into_owned() };
    let before = parsed(&file, &query);

    if let Ok(edited) = file.with_auth(&query, "dTpw") {
        let before = before.as_ref().expect("a file that is edited is JSON");
        let (whole, _) = parsed(&edited, &query).expect("an edited file is JSON");
        assert_eq!(whole, before.0, "other keys are kept: {:?} → {:?}", file.text, edited.text);
        let json: Value = serde_json::from_str(&edited.text).expect("JSON");
        assert_eq!(json["auths"][query.key()], json!({ "auth": "dTpw" }), "{:?} → {:?}", file.text, edited.text);
        let again = edited.with_auth(&query, "dTpw").expect("an edited file is valid");
        assert_eq!(again.text, edited.text, "the second edit changes nothing");
        let removed = edited.without(&query).expect("an edited file is valid").expect("it has an entry");
        let after = parsed(&removed, &query).expect("an edited file is JSON");
        assert_eq!((&after.0, &after.1), (&before.0, &before.1), "{:?} → {:?}", edited.text, removed.text);
        assert!(removed.without(&query).expect("an edited file is valid").is_none());
    }
    if let Ok(Some(removed)) = file.without(&query) {
        assert_eq!(parsed(&removed, &query), before, "{:?} → {:?}", file.text, removed.text);
    }
}
