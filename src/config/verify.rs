//! The key `base-verify`: what has to have signed the base.

use toml::Spanned;
use toml::de::DeValue;

use super::nearest;
use super::value::{Mistake, in_order, parsed, table_of};
use crate::reference::KeyReference;

/// The one key of such a table.
const KEY: &str = "key";

/// The key of `{ key = "…" }`.
pub(super) fn verified(value: &Spanned<DeValue>) -> Result<KeyReference, Mistake> {
    let mut found = None;
    for (key, value) in in_order(table_of(value, "a table")?) {
        match key.get_ref().as_ref() {
            KEY => found = Some(parsed(value)?),
            other => {
                return Err(Mistake {
                    message: format!("unknown key `{other}` in `base-verify`"),
                    at: key.span(),
                    label: match nearest(other, [KEY]) {
                        Some(known) => format!("did you mean `{known}`?"),
                        None => "no such key".to_owned(),
                    },
                    help: None,
                });
            }
        }
    }
    found.ok_or_else(|| Mistake {
        message: "`base-verify` needs the key `key`".to_owned(),
        at: value.span(),
        label: "there is no `key`".to_owned(),
        help: None,
    })
}
