//! Two JSON documents → the values that differ.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::difference::{ChangeKind, ValueChange};

/// The most values that are listed of a document: a real one has hundreds.
const MOST_VALUES: usize = 10_000;
/// The longest name of a value, in bytes.
const MOST_NAME: usize = 1_000;

/// Returns the values that differ, sorted by name. What only one document has is one value, whatever is in it.
pub(super) fn changes(a: &Value, b: &Value) -> Vec<ValueChange> {
    let mut found = Vec::new();
    compare(String::new(), Some(a), Some(b), &mut found);
    found
}

fn compare(name: String, a: Option<&Value>, b: Option<&Value>, found: &mut Vec<ValueChange>) {
    if a == b || found.len() >= MOST_VALUES {
        return;
    }
    match (a, b) {
        (Some(Value::Object(a)), Some(Value::Object(b))) => {
            for key in a.keys().chain(b.keys()).collect::<BTreeSet<_>>() {
                let separator = if name.is_empty() { "" } else { "." };
                compare(longer(&name, &format!("{separator}{key}")), a.get(key), b.get(key), found);
            }
        }
        (Some(Value::Array(a)), Some(Value::Array(b))) if has_only_objects(a) && has_only_objects(b) => {
            for at in 0..a.len().max(b.len()) {
                compare(longer(&name, &format!("[{at}]")), a.get(at), b.get(at), found);
            }
        }
        _ => {
            if let Some(change) = ChangeKind::of(a, b) {
                found.push(ValueChange { name, change, a: a.cloned(), b: b.cloned() });
            }
        }
    }
}

fn has_only_objects(values: &[Value]) -> bool {
    values.iter().all(Value::is_object)
}

/// Appends to a name, which stays short: keys may be long, and names are repeated.
fn longer(name: &str, more: &str) -> String {
    let mut whole = format!("{name}{more}");
    let end = (0..=MOST_NAME.min(whole.len())).rev().find(|end| whole.is_char_boundary(*end));
    whole.truncate(end.unwrap_or_default());
    whole
}

/// Returns variables `KEY=VALUE` as an object, so that each is compared alone, or `None` if two have the same key.
pub(super) fn variables(list: &Value) -> Option<Value> {
    let mut variables = Map::new();
    for variable in list.as_array()? {
        let (key, value) = variable.as_str()?.split_once('=')?;
        if variables.insert(key.to_owned(), value.into()).is_some() {
            return None;
        }
    }
    Some(Value::Object(variables))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn shown(a: &Value, b: &Value) -> Vec<String> {
        let text = |value: &Option<Value>| value.as_ref().map_or("-".to_owned(), ToString::to_string);
        changes(a, b).iter().map(|one| format!("{} {} {}", one.name, text(&one.a), text(&one.b))).collect()
    }

    #[test]
    fn values_that_differ_are_named_by_path() {
        let a = json!({ "same": 1, "config": { "User": "1", "Cmd": ["a"], "Labels": { "x.y": "1" } }, "history": [{ "a": 1 }] });
        let b = json!({ "same": 1, "config": { "Cmd": ["b"], "Labels": { "x.y": "2" } }, "history": [{ "a": 2 }, {}] });
        assert_eq!(
            shown(&a, &b),
            [
                "config.Cmd [\"a\"] [\"b\"]",
                "config.Labels.x.y \"1\" \"2\"",
                "config.User \"1\" -",
                "history[0].a 1 2",
                "history[1] - {}",
            ]
        );
    }

    #[test]
    fn variables_are_compared_one_by_one() {
        assert_eq!(variables(&json!(["A=1", "B=x=y"])), Some(json!({ "A": "1", "B": "x=y" })));
        assert_eq!(variables(&json!(["A=1", "A=2"])), None);
        assert_eq!(variables(&json!(["A"])), None);
    }

    #[test]
    fn values_of_hostile_documents_have_limits() {
        let many = |value: usize| {
            Value::Object((0..20_000).map(|at| (format!("{at}{}", "x".repeat(2_000)), json!(value))).collect())
        };
        let found = changes(&many(1), &many(2));
        assert_eq!((found.len(), found[0].name.len()), (MOST_VALUES, MOST_NAME));
    }
}
