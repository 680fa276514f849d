//! What a key holds: read from TOML, from flags and from variables, merged, and described for editors.

use std::fmt::Display;
use std::str::FromStr;

use serde_json::{Value as Json, json};
use toml::Spanned;
use toml::de::DeValue;

use super::document::{parsed, parsed_number, scalar, some_strings, strings, wrong_type, wrong_value};
use super::error::ValueError;

/// The type of a key's value.
pub(crate) trait KeyValue: Sized {
    /// The type as the documentation names it.
    const TYPE: &'static str;
    /// Whether it has several items: then a flag for it can be repeated.
    const IS_LIST: bool = false;

    /// Reads a value of TOML.
    ///
    /// # Errors
    /// Returns an error if it is of another type, or wrong.
    fn read(value: &Spanned<DeValue>) -> Result<Self, ValueError>;

    /// Reads the values of a flag or a variable; one unless it is a list.
    ///
    /// # Errors
    /// Returns an error for the first invalid value.
    fn parse(texts: &[&str]) -> Result<Self, String>;

    /// Returns the JSON Schema of a value of TOML.
    fn schema() -> Json;

    /// Returns the values that a shell proposes.
    fn words() -> Vec<String> {
        Vec::new()
    }

    /// Merges this value with the one that it would inherit.
    #[must_use]
    fn over(self, _inherited: Self) -> Self {
        self
    }
}

/// A value that is written as one string.
pub(crate) trait Text: FromStr<Err: Display> {
    /// Whether TOML may have a number in its place.
    const MAY_BE_NUMBER: bool = false;

    /// Returns the JSON Schema of the string.
    fn schema() -> Json {
        json!({ "type": "string" })
    }

    /// Returns the values that a shell proposes.
    fn words() -> Vec<String> {
        Vec::new()
    }
}

/// An array that must not be empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NonEmpty<T>(pub Vec<T>);

/// A program and its first arguments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entrypoint(pub Vec<String>);

/// Arguments, which may be any strings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arguments(pub Vec<String>);

/// Reads one string, or one number where it may be one.
fn text<T: Text>(value: &Spanned<DeValue>) -> Result<T, ValueError> {
    if T::MAY_BE_NUMBER { parsed_number(value) } else { parsed(value) }
}

fn parse_all<T: FromStr<Err: Display>>(texts: &[&str]) -> Result<Vec<T>, String> {
    texts.iter().map(|text| text.parse().map_err(|error: T::Err| error.to_string())).collect()
}

impl<T: Text> KeyValue for T {
    const TYPE: &'static str = "string";

    fn read(value: &Spanned<DeValue>) -> Result<T, ValueError> {
        text(value)
    }

    fn parse(texts: &[&str]) -> Result<T, String> {
        texts.last().copied().unwrap_or_default().parse().map_err(|error: T::Err| error.to_string())
    }

    fn schema() -> Json {
        <T as Text>::schema()
    }

    fn words() -> Vec<String> {
        <T as Text>::words()
    }
}

/// An array that may be empty, which removes what is inherited.
impl<T: Text> KeyValue for Vec<T> {
    const TYPE: &'static str = "array of strings";
    const IS_LIST: bool = true;

    fn read(value: &Spanned<DeValue>) -> Result<Vec<T>, ValueError> {
        strings(value)?.iter().map(text).collect()
    }

    fn parse(texts: &[&str]) -> Result<Vec<T>, String> {
        parse_all(texts)
    }

    fn schema() -> Json {
        json!({ "type": "array", "items": <T as Text>::schema() })
    }

    fn words() -> Vec<String> {
        <T as Text>::words()
    }
}

impl<T: Text> KeyValue for NonEmpty<T> {
    const TYPE: &'static str = "array of strings";
    const IS_LIST: bool = true;

    fn read(value: &Spanned<DeValue>) -> Result<NonEmpty<T>, ValueError> {
        some_strings(value)?.iter().map(text).collect::<Result<_, _>>().map(NonEmpty)
    }

    fn parse(texts: &[&str]) -> Result<NonEmpty<T>, String> {
        parse_all(texts).map(NonEmpty)
    }

    fn schema() -> Json {
        json!({ "type": "array", "items": <T as Text>::schema(), "minItems": 1 })
    }

    fn words() -> Vec<String> {
        <T as Text>::words()
    }
}

impl KeyValue for bool {
    const TYPE: &'static str = "boolean";

    fn read(value: &Spanned<DeValue>) -> Result<bool, ValueError> {
        value.get_ref().as_bool().ok_or_else(|| wrong_type(value, "a boolean"))
    }

    fn parse(texts: &[&str]) -> Result<bool, String> {
        let text = texts.last().copied().unwrap_or_default();
        text.parse().map_err(|_| format!("expected `true` or `false`, found `{text}`"))
    }

    fn schema() -> Json {
        json!({ "type": "boolean" })
    }

    fn words() -> Vec<String> {
        ["true", "false"].map(str::to_owned).to_vec()
    }
}

impl KeyValue for Entrypoint {
    const TYPE: &'static str = "array of strings";
    const IS_LIST: bool = true;

    fn read(value: &Spanned<DeValue>) -> Result<Entrypoint, ValueError> {
        let items = some_strings(value)?;
        let parts = items.iter().map(scalar).collect::<Result<Vec<_>, _>>()?;
        if let (Some(name), Some(item)) = (parts.first(), items.iter().next())
            && name.is_empty()
        {
            return Err(wrong_value(item, "the program name must not be empty".to_owned()));
        }
        Ok(Entrypoint(parts))
    }

    fn parse(texts: &[&str]) -> Result<Entrypoint, String> {
        if texts.iter().any(|text| text.is_empty()) {
            return Err("the value must not be empty".to_owned());
        }
        Ok(Entrypoint(texts.iter().map(ToString::to_string).collect()))
    }

    fn schema() -> Json {
        json!({ "type": "array", "items": [{ "type": SCALAR, "minLength": 1 }], "additionalItems": { "type": SCALAR }, "minItems": 1 })
    }
}

impl KeyValue for Arguments {
    const TYPE: &'static str = "array of strings";
    const IS_LIST: bool = true;

    fn read(value: &Spanned<DeValue>) -> Result<Arguments, ValueError> {
        strings(value)?.iter().map(scalar).collect::<Result<_, _>>().map(Arguments)
    }

    fn parse(texts: &[&str]) -> Result<Arguments, String> {
        Ok(Arguments(texts.iter().map(ToString::to_string).collect()))
    }

    fn schema() -> Json {
        json!({ "type": "array", "items": { "type": SCALAR } })
    }
}

/// What programs get as text, in JSON Schema.
pub(super) const SCALAR: [&str; 3] = ["string", "number", "boolean"];
/// Names that tables of strings may have.
pub(super) const NAMES: &str = "^[^=\\x00-\\x1f\\x7f]+$";
