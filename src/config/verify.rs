//! The key `base-verify`: the key that the base must be signed with.

use std::path::Path;

use serde_json::{Value as Json, json};
use toml::Spanned;
use toml::de::DeValue;

use super::document::{in_order, parsed, table};
use super::error::ValueError;
use super::value::KeyValue;
use crate::reference::KeyReference;
use crate::suggest::nearest;

/// `{ key = "…" }`, or `None` for `false`: the base need not be signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BaseVerify(pub Option<KeyReference>);

/// The one key of such a table.
const KEY: &str = "key";

impl BaseVerify {
    /// Returns the same, with paths relative to `folder`.
    #[must_use]
    pub(super) fn relative_to(self, folder: &Path) -> BaseVerify {
        BaseVerify(self.0.map(|key| key.relative_to(folder)))
    }
}

impl KeyValue for BaseVerify {
    const TYPE: &'static str = "table or `false`";

    fn read(value: &Spanned<DeValue>) -> Result<BaseVerify, ValueError> {
        if value.get_ref().as_bool() == Some(false) {
            return Ok(BaseVerify(None));
        }
        let mut found = None;
        for (key, value) in in_order(table(value, "a table or `false`")?) {
            match key.get_ref().as_ref() {
                KEY => found = Some(parsed(value)?),
                other => {
                    return Err(ValueError {
                        message: format!("unknown key `{other}` in `base-verify`"),
                        at: key.span(),
                        label: nearest(other, [KEY])
                            .map_or_else(|| "unknown key".to_owned(), |known| format!("did you mean `{known}`?")),
                        help: None,
                    });
                }
            }
        }
        found.map(|key| BaseVerify(Some(key))).ok_or_else(|| ValueError {
            message: "missing key `key` in `base-verify`".to_owned(),
            at: value.span(),
            label: "missing `key`".to_owned(),
            help: None,
        })
    }

    fn parse(_: &[&str]) -> Result<BaseVerify, String> {
        Err("only Cargo.toml can set this".to_owned())
    }

    fn schema() -> Json {
        // A file, or a variable: of all schemes, only env:// is known.
        let key = json!({
            "type": "string",
            "pattern": "^(env://[^=]+|(?!.*://).+)$",
            "description": "A file with a public key, or `env://VAR`"
        });
        json!({ "anyOf": [
            { "type": "object", "properties": { "key": key }, "required": ["key"], "additionalProperties": false },
            { "const": false }
        ] })
    }
}
