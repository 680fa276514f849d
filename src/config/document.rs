//! Values of TOML → values of Rust, or what is wrong with them and where.

use std::borrow::Cow;
use std::fmt::Display;
use std::str::FromStr;

use serde_json::{Map, Value as Json};
use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue};

use super::check::check_line;
use super::error::ValueError;

/// Returns the error that `value` is not what was expected, such as "a string".
pub fn wrong_type(value: &Spanned<DeValue>, expected: &str) -> ValueError {
    let found = value.get_ref().type_str();
    let article = if found.starts_with(['a', 'i', 'o']) { "an" } else { "a" };
    ValueError {
        message: format!("expected {expected}, found {article} {found}"),
        at: value.span(),
        label: format!("expected {expected}"),
        help: None,
    }
}

/// Returns the error that `value` is of the right type, but wrong.
pub fn wrong_value(value: &Spanned<DeValue>, message: String) -> ValueError {
    ValueError { message, at: value.span(), label: "here".to_owned(), help: None }
}

/// Returns the entries in the order they are written, which the map does not keep.
pub fn in_order<'a, 'i>(table: &'a DeTable<'i>) -> Vec<(&'a Spanned<Cow<'i, str>>, &'a Spanned<DeValue<'i>>)> {
    let mut entries: Vec<_> = table.iter().collect();
    entries.sort_by_key(|(key, _)| key.span().start);
    entries
}

/// Reads a string that Linux can pass to a program: any without NUL.
pub fn any_string(value: &Spanned<DeValue>) -> Result<String, ValueError> {
    match value.get_ref() {
        DeValue::String(text) if text.contains('\0') => {
            Err(wrong_value(value, "NUL characters cannot be passed to a program".to_owned()))
        }
        DeValue::String(text) => Ok(text.to_string()),
        _ => Err(wrong_type(value, "a string")),
    }
}

/// Reads what a program gets as text: a string, or a number or a boolean as it is written.
pub fn scalar(value: &Spanned<DeValue>) -> Result<String, ValueError> {
    match value.get_ref() {
        DeValue::Integer(number) if number.radix() == 10 => Ok(number.as_str().to_owned()),
        DeValue::Float(number) => Ok(number.as_str().to_owned()),
        DeValue::Boolean(is) => Ok(is.to_string()),
        _ => any_string(value),
    }
}

/// Reads a string without control characters.
pub fn string(value: &Spanned<DeValue>) -> Result<String, ValueError> {
    checked(value, any_string(value)?)
}

/// Reads a string without control characters, or what stands for one.
pub fn line(value: &Spanned<DeValue>) -> Result<String, ValueError> {
    checked(value, scalar(value)?)
}

fn checked(value: &Spanned<DeValue>, text: String) -> Result<String, ValueError> {
    check_line(&text).map_err(|why| wrong_value(value, why))?;
    Ok(text)
}

/// Reads a string that is parsed as a `T`.
pub fn parsed<T: FromStr<Err: Display>>(value: &Spanned<DeValue>) -> Result<T, ValueError> {
    string(value)?.parse().map_err(|error: T::Err| wrong_value(value, error.to_string()))
}

/// Reads a string, or a number that stands for its digits, and parses it as a `T`.
pub fn parsed_number<T: FromStr<Err: Display>>(value: &Spanned<DeValue>) -> Result<T, ValueError> {
    let DeValue::Integer(number) = value.get_ref() else { return parsed(value) };
    let Ok(number) = u64::from_str_radix(number.as_str(), number.radix()) else {
        return Err(wrong_value(value, format!("`{}` is negative or too large", number.as_str())));
    };
    number.to_string().parse().map_err(|error: T::Err| wrong_value(value, error.to_string()))
}

/// Reads an array.
pub fn array<'a, 'i>(value: &'a Spanned<DeValue<'i>>, expected: &str) -> Result<&'a DeArray<'i>, ValueError> {
    value.get_ref().as_array().ok_or_else(|| wrong_type(value, expected))
}

/// Reads an array of strings.
pub fn strings<'a, 'i>(value: &'a Spanned<DeValue<'i>>) -> Result<&'a DeArray<'i>, ValueError> {
    array(value, "an array of strings")
}

/// Reads an array of strings that must not be empty: then there would be nothing to build, start or name.
pub fn some_strings<'a, 'i>(value: &'a Spanned<DeValue<'i>>) -> Result<&'a DeArray<'i>, ValueError> {
    let items = strings(value)?;
    if items.is_empty() {
        return Err(wrong_value(value, "the array must not be empty: remove the key for the default".to_owned()));
    }
    Ok(items)
}

/// Reads a table.
pub fn table<'a, 'i>(value: &'a Spanned<DeValue<'i>>, expected: &str) -> Result<&'a DeTable<'i>, ValueError> {
    value.get_ref().as_table().ok_or_else(|| wrong_type(value, expected))
}

/// Reads a table of strings and the like, in the order it is written.
pub fn pairs<T>(
    value: &Spanned<DeValue>,
    item: fn(&Spanned<DeValue>) -> Result<T, ValueError>,
) -> Result<Vec<(String, T)>, ValueError> {
    let mut pairs = Vec::new();
    for (key, value) in in_order(table(value, "a table of strings")?) {
        let name = key.get_ref().as_ref();
        check_name(name).map_err(|message| ValueError {
            message,
            at: key.span(),
            label: "here".to_owned(),
            help: None,
        })?;
        pairs.push((name.to_owned(), item(value)?));
    }
    Ok(pairs)
}

fn check_name(name: &str) -> Result<(), String> {
    if name.is_empty() {
        return Err("names must not be empty".to_owned());
    }
    if name.contains('=') {
        return Err(format!("invalid name `{name}`: names must not contain `=`"));
    }
    check_line(name)
}

/// Returns a TOML document as JSON, as editors do that check it against a JSON Schema.
///
/// # Errors
/// Returns the parser's message if it is not TOML.
pub fn as_json(document: &str) -> Result<Json, String> {
    let table = DeTable::parse(document).map_err(|error| error.message().to_owned())?;
    Ok(table_as_json(table.get_ref()))
}

fn table_as_json(table: &DeTable) -> Json {
    let entries = table.iter().map(|(key, value)| (key.get_ref().to_string(), value_as_json(value.get_ref())));
    Json::Object(entries.collect::<Map<_, _>>())
}

fn value_as_json(value: &DeValue) -> Json {
    match value {
        DeValue::String(text) => Json::from(text.as_ref()),
        DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix()).map_or(Json::Null, Json::from),
        DeValue::Float(number) => number.as_str().parse::<f64>().map_or(Json::Null, Json::from),
        DeValue::Boolean(value) => Json::from(*value),
        DeValue::Datetime(time) => Json::from(time.to_string()),
        DeValue::Array(items) => items.iter().map(|item| value_as_json(item.get_ref())).collect(),
        DeValue::Table(table) => table_as_json(table),
    }
}
