//! The list of keys as documentation: the table in docs/configuration.md.

use super::key::{Key, KeyDefault};
use super::keys::{IMAGES, IMAGES_EXAMPLE, IMAGES_HELP, KEYS, Table};

/// Returns the table of keys.
pub fn markdown() -> String {
    let mut text = String::from(
        "| key | type | default | example | flag | variable | what it does |\n| --- | --- | --- | --- | --- | --- | --- |\n",
    );
    for key in KEYS {
        text += &row(key);
    }
    text + &format!("| `{IMAGES}` | table of tables | none | `{IMAGES_EXAMPLE}` | | | {IMAGES_HELP} |\n")
}

fn row(key: &Key<Table>) -> String {
    let default = match key.default {
        KeyDefault::Value(value) => format!("`{value}`"),
        KeyDefault::Words(words) => words.to_owned(),
        KeyDefault::None => "none".to_owned(),
    };
    let flag = key.flag.map_or_else(String::new, |flag| format!("`--{}`", flag.long));
    let variable = key.variable.map_or_else(String::new, |variable| format!("`{}`", variable.name));
    let Key { name, example, help, .. } = key;
    format!("| `{name}` | {} | {default} | `{example}` | {flag} | {variable} | {help} |\n", key.value.type_name)
}
