//! The list of keys as documentation: the tables in docs/configuration.md.

use super::files::RULE_KEYS;
use super::key::{Key, KeyDefault};
use super::keys::{IMAGES, IMAGES_HELP, KEYS, Table};
use super::template::PLACEHOLDERS;

/// Returns the table of keys, the keys of a rule of `files`, and the placeholders of tags.
pub fn markdown() -> String {
    let mut text = String::from(
        "| key | type | default | flag | variable | what it does |\n| --- | --- | --- | --- | --- | --- |\n",
    );
    for key in KEYS {
        text += &row(key);
    }
    text.extend(["| `", IMAGES, "` | table of tables | none | | | ", IMAGES_HELP, " |\n"]);
    text += "\nEach table of `files` has these keys:\n\n| key | what it holds |\n| --- | --- |\n";
    for (key, help) in RULE_KEYS {
        text.extend(["| `", key, "` | ", help, " |\n"]);
    }
    text += "\nTags may contain these placeholders: ";
    text += &PLACEHOLDERS.map(|(name, _)| format!("`{{{name}}}`")).join(", ");
    text + ".\nCharacters that a tag must not contain become `-`.\n"
}

fn row(key: &Key<Table>) -> String {
    let default = match key.default {
        KeyDefault::Value(value) => format!("`{value}`"),
        KeyDefault::Words(words) => words.to_owned(),
        KeyDefault::None => "none".to_owned(),
    };
    let flag = key.flag.map_or_else(String::new, |flag| format!("`--{}`", flag.long));
    let variable = key.variable.map_or_else(String::new, |variable| format!("`{}`", variable.name));
    format!("| `{}` | {} | {default} | {flag} | {variable} | {} |\n", key.name, key.value.type_name, key.help)
}
