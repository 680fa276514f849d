//! JSON that knows where it stands in its file: for errors that point, and for changes that leave the rest alone.

use std::fmt;
use std::ops::Range;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::error::Category;
use serde_json::value::RawValue;

use super::mistake::Mistake;

/// A value, as it is written.
#[derive(Clone, Copy, Debug)]
pub struct Value<'a> {
    text: &'a str,
    start: usize,
}

/// An object, its entries in the order they are written.
#[derive(Debug)]
pub struct Object<'a> {
    /// Where its braces are, from the one to behind the other.
    pub at: Range<usize>,
    /// Its keys and values.
    pub entries: Vec<(String, Value<'a>)>,
}

impl<'a> Value<'a> {
    /// Where it is in the file.
    pub fn at(&self) -> Range<usize> {
        self.start..self.start + self.text.len()
    }

    /// The string that it is; nothing for `null`, which stands for nothing in Docker's files.
    pub fn string(&self, key: &str) -> Result<Option<String>, Mistake> {
        let wrong = |_| Mistake::new(format!("the value of {key} should be a string"), self.at(), "this is no string");
        serde_json::from_str(self.text).map_err(wrong)
    }

    /// The object that it is; nothing for `null`.
    pub fn object(&self, key: &str) -> Result<Option<Object<'a>>, Mistake> {
        if self.text == "null" {
            return Ok(None);
        }
        let wrong = |_| Mistake::new(format!("the value of {key} should be an object"), self.at(), "this is no object");
        let Entries(entries) = serde_json::from_str(self.text).map_err(wrong)?;
        let place = |raw: &'a RawValue| Value { text: raw.get(), start: self.start + offset(self.text, raw.get()) };
        Ok(Some(Object { at: self.at(), entries: entries.into_iter().map(|(key, raw)| (key, place(raw))).collect() }))
    }
}

impl<'a> Object<'a> {
    /// Reads a whole file; one with nothing in it is as good as an object with nothing in it.
    ///
    /// # Errors
    /// The place where it stops being JSON, or that it is no object. Nothing of the content is in the words.
    pub fn parse(file: &'a str) -> Result<Object<'a>, Mistake> {
        if file.trim_ascii().is_empty() {
            return Ok(Object { at: 0..file.len(), entries: Vec::new() });
        }
        let whole: &RawValue = serde_json::from_str(file).map_err(|error| broken(file, &error))?;
        let value = Value { text: whole.get(), start: offset(file, whole.get()) };
        let object = value.object("the file")?;
        object.ok_or_else(|| Mistake::new("the file should hold an object".to_owned(), value.at(), "this is none"))
    }

    /// The value of a key; the last one counts where there are several, as in other programs.
    pub fn get(&self, key: &str) -> Option<Value<'a>> {
        self.entries.iter().rev().find(|(name, _)| name == key).map(|(_, value)| *value)
    }

    /// The object in a key.
    pub fn object(&self, key: &str) -> Result<Option<Object<'a>>, Mistake> {
        self.get(key).map_or(Ok(None), |value| value.object(&format!("`{key}`")))
    }

    /// The string in a key; `place` is how the key is called in an error. An empty one says nothing.
    pub fn string(&self, key: &str, place: &str) -> Result<Option<String>, Mistake> {
        let text = self.get(key).map_or(Ok(None), |value| value.string(place))?;
        Ok(text.filter(|text| !text.is_empty()))
    }
}

/// Where `part` begins in `whole`, which it was cut from.
fn offset(whole: &str, part: &str) -> usize {
    part.as_ptr().addr() - whole.as_ptr().addr()
}

/// The place at which serde_json stopped, which it counts in lines and in bytes of a line from 1 on.
fn broken(file: &str, error: &serde_json::Error) -> Mistake {
    let before: usize = file.split_inclusive('\n').take(error.line().saturating_sub(1)).map(str::len).sum();
    let at = (before + error.column().saturating_sub(1)).min(file.len().saturating_sub(1));
    let why = match error.classify() {
        Category::Eof => "it ends too early".to_owned(),
        // These words are about characters, and hold none of the text.
        _ => error.to_string().split(" at line ").next().unwrap_or_default().to_owned(),
    };
    let message = format!("this is not JSON, in line {}, column {}", error.line(), error.column().max(1));
    Mistake::new(message, at..at + 1, &why)
}

/// Reads an object's entries in order.
struct Entries<'a>(Vec<(String, &'a RawValue)>);

impl<'de> Deserialize<'de> for Entries<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;
        impl<'de> Visitor<'de> for InOrder {
            type Value = Entries<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Entries<'de>, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Entries(entries))
            }
        }
        deserializer.deserialize_map(InOrder)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_know_where_they_are() {
        let file = " {\"a\": {\"b\": \"c\"},\n \"d\": null}\n";
        let whole = Object::parse(file).expect("reads");
        let inner = whole.object("a").expect("reads").expect("an object");
        assert_eq!(&file[inner.at.clone()], "{\"b\": \"c\"}");
        assert_eq!(&file[inner.get("b").expect("there").at()], "\"c\"");
        assert_eq!(inner.string("b", "b").expect("reads").as_deref(), Some("c"));
        assert!(whole.object("d").expect("null is nothing").is_none());
    }

    #[test]
    fn a_mistake_is_where_it_is_and_repeats_nothing() {
        let broken = |file: &str| {
            let mistake = Object::parse(file).expect_err(file);
            (mistake.message, mistake.at, mistake.label)
        };
        let (message, at, label) = broken("{\n  \"auth\": sesame\n}");
        assert_eq!(message, "this is not JSON, in line 2, column 11");
        assert_eq!((at, label.as_str()), (12..13, "expected value"));
        assert_eq!(broken("{\"a\": 1").2, "it ends too early");
        assert_eq!(broken("\"sesame\"").0, "the value of the file should be an object");
        assert_eq!(broken("null").0, "the file should hold an object");
        let whole = Object::parse(r#"{"auths": "sesame"}"#).expect("reads");
        assert_eq!(whole.object("auths").expect_err("a string").message, "the value of `auths` should be an object");
    }
}
