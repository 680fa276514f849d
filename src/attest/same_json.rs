//! Compares JSON with a value that is known, without a value of its own: what anybody may have attached could need a hundred times
//! its size in memory.

use std::collections::HashSet;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

/// Returns whether a document is this value.
pub(super) fn is_same(document: &[u8], expected: &Value) -> bool {
    let mut json = serde_json::Deserializer::from_slice(document);
    Expected(expected).deserialize(&mut json).is_ok() && json.end().is_ok()
}

/// Returns whether the predicate of a statement is this value.
pub(super) fn has_predicate(statement: &[u8], expected: &Value) -> bool {
    let mut json = serde_json::Deserializer::from_slice(statement);
    ExpectedPredicate(expected).deserialize(&mut json).is_ok_and(|found| found) && json.end().is_ok()
}

#[derive(Clone, Copy)]
struct Expected<'a>(&'a Value);

#[derive(Clone, Copy)]
struct ExpectedPredicate<'a>(&'a Value);

/// The error of what differs: the rest need not be read.
fn differs<E: Error>() -> E {
    E::custom("differs")
}

fn equal<E: Error>(is_equal: bool) -> Result<(), E> {
    if is_equal { Ok(()) } else { Err(differs()) }
}

impl<'de> DeserializeSeed<'de> for Expected<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Expected<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("the same")
    }

    fn visit_bool<E: Error>(self, found: bool) -> Result<(), E> {
        equal(*self.0 == found)
    }

    fn visit_i64<E: Error>(self, found: i64) -> Result<(), E> {
        equal(*self.0 == found)
    }

    fn visit_u64<E: Error>(self, found: u64) -> Result<(), E> {
        equal(*self.0 == found)
    }

    fn visit_f64<E: Error>(self, found: f64) -> Result<(), E> {
        equal(*self.0 == found)
    }

    fn visit_str<E: Error>(self, found: &str) -> Result<(), E> {
        equal(*self.0 == found)
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        equal(self.0.is_null())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        for expected in self.0.as_array().ok_or_else(differs)? {
            items.next_element_seed(Expected(expected))?.ok_or_else(differs)?;
        }
        equal(items.next_element::<IgnoredAny>()?.is_none())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let expected: &Map<String, Value> = self.0.as_object().ok_or_else(differs)?;
        let mut seen = HashSet::new();
        while let Some(key) = items.next_key::<String>()? {
            let (key, value) = expected.get_key_value(&key).ok_or_else(differs)?;
            items.next_value_seed(Expected(value))?;
            // A key that is there twice has two readings.
            equal(seen.insert(key))?;
        }
        equal(seen.len() == expected.len())
    }
}

impl<'de> DeserializeSeed<'de> for ExpectedPredicate<'_> {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<bool, D::Error> {
        json.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for ExpectedPredicate<'_> {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("a statement")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut items: A) -> Result<bool, A::Error> {
        let mut is_found = false;
        while let Some(key) = items.next_key::<String>()? {
            if key == "predicate" {
                equal(!is_found)?;
                items.next_value_seed(Expected(self.0))?;
                is_found = true;
            } else {
                items.next_value::<IgnoredAny>()?;
            }
        }
        Ok(is_found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn document_is_compared_as_its_value() {
        let value = json!({ "a": [1, -2, 2.5, "x\n", null, true], "b": { "c": {} }, "d": [] });
        let same = r#" {"b" : {"c":{}}, "d":[], "a":[1,-2,2.5,"x\u000a",null,true]} "#;
        assert!(is_same(same.as_bytes(), &value));
        for other in [
            "",
            "{}",
            "[]",
            "null",
            "1",
            r#"{"a":[1,-2,2.5,"x\n",null],"b":{"c":{}},"d":[]}"#,
            r#"{"a":[1,-2,2.5,"x\n",null,true,1],"b":{"c":{}},"d":[]}"#,
            r#"{"a":[1,-2,2.5,"x\n",null,false],"b":{"c":{}},"d":[]}"#,
            r#"{"a":[1,-2,2.5,"y",null,true],"b":{"c":{}},"d":[]}"#,
            r#"{"a":[1,-2,2.5,"x\n",null,true],"b":{"c":{"e":1}},"d":[]}"#,
            r#"{"a":[1,-2,2.5,"x\n",null,true],"b":{"c":{}}}"#,
            r#"{"a":[1,-2,2.5,"x\n",null,true],"b":{"c":{}},"d":[],"e":1}"#,
            r#"{"b":{"c":{}},"b":{"c":{}},"d":[]}"#,
            r#"{"a":[1,-2,2.5,"x\n",null,true],"b":{"c":{}},"d":[]} x"#,
        ] {
            assert!(!is_same(other.as_bytes(), &value), "{other}");
            assert_ne!(
                serde_json::from_str(other).ok().filter(|_| !other.contains("\"b\":{\"c\":{}},\"b\"")),
                Some(value.clone())
            );
        }
    }

    #[test]
    fn predicate_of_a_statement_is_compared() {
        let value = json!({ "a": 1 });
        let same = |text: &str| has_predicate(text.as_bytes(), &value);
        assert!(same(r#"{"_type":"x","predicate":{"a":1},"subject":[]}"#));
        for other in [
            "{}",
            "[]",
            r#"{"predicate":{"a":2}}"#,
            r#"{"predicate":{"a":1},"predicate":{"a":1}}"#,
            r#"{"predicate":{"a":1}"#,
        ] {
            assert!(!same(other), "{other}");
        }
    }
}
