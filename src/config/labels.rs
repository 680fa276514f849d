//! The keys `labels` and `annotations`.

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};
use toml::Spanned;
use toml::de::DeValue;

use super::check::{check_line, key_value};
use super::document::{line, pairs, wrong_type, wrong_value};
use super::error::ValueError;
use super::template::Template;
use super::value::{KeyValue, NAMES};

/// Labels or annotations, whose values may have placeholders. `None` removes one that would be set otherwise.
pub type Labels = BTreeMap<String, Option<String>>;

impl KeyValue for Labels {
    const TYPE: &'static str = "table of strings or `false`";
    const IS_LIST: bool = true;

    fn read(value: &Spanned<DeValue>) -> Result<Labels, ValueError> {
        Ok(pairs(value, string_or_false)?.into_iter().collect())
    }

    fn parse(texts: &[&str]) -> Result<Labels, String> {
        let mut labels = Labels::new();
        for text in texts {
            check_line(text)?;
            let (key, value) = key_value(text)?;
            Template::among_braces(&value)?;
            labels.insert(key, Some(value));
        }
        Ok(labels)
    }

    fn schema() -> Json {
        let value = json!({ "anyOf": [{ "type": ["string", "number"], "pattern": "^[^\\x00-\\x1f\\x7f]*$" }, { "const": false }] });
        json!({ "type": "object", "additionalProperties": value, "propertyNames": { "pattern": NAMES } })
    }

    fn over(self, mut inherited: Labels) -> Labels {
        inherited.extend(self);
        inherited
    }
}

/// Reads a string or a number, or `false` for none.
fn string_or_false(value: &Spanned<DeValue>) -> Result<Option<String>, ValueError> {
    match value.get_ref() {
        DeValue::Boolean(false) => Ok(None),
        DeValue::String(_) | DeValue::Integer(_) | DeValue::Float(_) => {
            let text = line(value)?;
            Template::among_braces(&text).map_err(|why| wrong_value(value, why))?;
            Ok(Some(text))
        }
        _ => Err(wrong_type(value, "a string or `false`")),
    }
}
