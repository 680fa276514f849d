//! The key `env`.

use serde_json::{Value as Json, json};
use toml::Spanned;
use toml::de::DeValue;

use super::check::key_value;
use super::document::{pairs, scalar, wrong_value};
use super::error::ValueError;
use super::template::Template;
use super::value::{KeyValue, NAMES, SCALAR};

/// Environment variables, in the order they are written. Values may have placeholders.
pub(crate) type EnvEntries = Vec<(String, String)>;

impl KeyValue for EnvEntries {
    const TYPE: &'static str = "table of strings";
    const IS_LIST: bool = true;

    fn read(value: &Spanned<DeValue>) -> Result<EnvEntries, ValueError> {
        pairs(value, |value| {
            let text = scalar(value)?;
            Template::of_variable(&text).map_err(|why| wrong_value(value, why))?;
            Ok(text)
        })
    }

    fn parse(texts: &[&str]) -> Result<EnvEntries, String> {
        let entries = texts.iter().map(|text| {
            let (key, value) = key_value(text)?;
            Template::of_variable(&value)?;
            Ok((key, value))
        });
        entries.collect()
    }

    fn schema() -> Json {
        json!({ "type": "object", "additionalProperties": { "type": SCALAR }, "propertyNames": { "pattern": NAMES } })
    }

    /// A variable comes last where it was set last: its value may refer to those before it.
    fn over(self, mut inherited: EnvEntries) -> EnvEntries {
        inherited.retain(|(known, _)| self.iter().all(|(key, _)| key != known));
        inherited.extend(self);
        inherited
    }
}
