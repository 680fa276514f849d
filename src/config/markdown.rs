//! The list of keys as documentation: the table in docs/configuration.md.

use super::key::{Key, KeyDefault};
use super::keys::{IMAGES, IMAGES_EXAMPLE, IMAGES_HELP, KEYS, Table};

/// Returns the table of keys.
pub fn markdown() -> String {
    let mut text = String::from(
        "| key | type | default | example | flag, variable | what it does |\n| --- | --- | --- | --- | --- | --- |\n",
    );
    for key in KEYS {
        text += &row(key);
    }
    text + &format!("| `{IMAGES}` | table of tables | none | `{IMAGES_EXAMPLE}` | none | {IMAGES_HELP} |\n")
}

fn row(key: &Key<Table>) -> String {
    let default = match key.default {
        KeyDefault::Value(value) => format!("`{value}`"),
        KeyDefault::Words(words) => words.to_owned(),
        KeyDefault::None => "none".to_owned(),
    };
    let Key { name, example, help, .. } = key;
    format!("| `{name}` | {} | {default} | `{example}` | {} | {help} |\n", key.value.type_name, overrides(key))
}

/// Returns the flag and the variable that override a key.
fn overrides(key: &Key<Table>) -> String {
    let flag = key.flag.map(|flag| format!("`--{}`", flag.long));
    let variable = key.variable.map(|variable| format!("`{}`", variable.name));
    let names: Vec<_> = flag.into_iter().chain(variable).collect();
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}
