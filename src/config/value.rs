//! Values of the table → what they mean, or the mistake in them and where it is.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::check::check_line;
use super::{Folder, SbomFormat, SbomFormats};
use crate::suggest::nearest;

/// A mistake, before it is known which file it is in.
pub struct Mistake {
    pub message: String,
    pub at: Range<usize>,
    pub label: String,
    pub help: Option<String>,
}

impl Mistake {
    /// With an example of the key that it is about, where there is no better help.
    pub fn with_example(self, (key, example): &(&str, &str)) -> Mistake {
        Mistake { help: self.help.or(Some(format!("write it as in `{key} = {example}`"))), ..self }
    }
}

/// A value of another type than `wanted`.
pub fn wrong_type(value: &Spanned<DeValue>, wanted: &str, found: &DeValue) -> Mistake {
    let article = if found.type_str().starts_with(['a', 'i', 'o']) { "an" } else { "a" };
    Mistake {
        message: format!("wrong type: {wanted} is wanted here"),
        at: value.span(),
        label: format!("this is {article} {}", found.type_str()),
        help: None,
    }
}

/// The entries in the order they were written, which is not the map's.
pub fn in_order<'a, 'i>(
    table: &'a DeTable<'i>,
) -> Vec<(&'a Spanned<std::borrow::Cow<'i, str>>, &'a Spanned<DeValue<'i>>)> {
    let mut entries: Vec<_> = table.iter().collect();
    entries.sort_by_key(|(key, _)| key.span().start);
    entries
}

/// A string that Linux can hand to a program: whatever is in it, but for NUL.
pub fn any_string(value: &Spanned<DeValue>) -> Result<String, Mistake> {
    match value.get_ref() {
        DeValue::String(text) if text.contains('\0') => {
            Err(bad_value(value, "no program can be given a NUL character".to_owned()))
        }
        DeValue::String(text) => Ok(text.to_string()),
        other => Err(wrong_type(value, "a string", other)),
    }
}

/// A string without orders to a terminal.
pub fn string(value: &Spanned<DeValue>) -> Result<String, Mistake> {
    let text = any_string(value)?;
    match check_line(&text) {
        Ok(()) => Ok(text),
        Err(why) => Err(bad_value(value, why)),
    }
}

/// A program and its arguments.
pub fn program(value: &Spanned<DeValue>) -> Result<Vec<String>, Mistake> {
    let parts = list(value, any_string)?;
    match array(value)?.iter().next() {
        Some(first) if parts[0].is_empty() => Err(bad_value(first, "the program has no name".to_owned())),
        _ => Ok(parts),
    }
}

fn bad_value(value: &Spanned<DeValue>, why: String) -> Mistake {
    Mistake { message: why, at: value.span(), label: "here".to_owned(), help: None }
}

/// A string that `check` finds right.
pub fn checked(value: &Spanned<DeValue>, check: fn(&str) -> Result<(), String>) -> Result<String, Mistake> {
    let text = string(value)?;
    check(&text).map_err(|why| bad_value(value, why))?;
    Ok(text)
}

/// A string that can be read as a `T`.
pub fn parsed<T>(value: &Spanned<DeValue>) -> Result<T, Mistake>
where
    T: std::str::FromStr<Err: std::fmt::Display>,
{
    string(value)?.parse().map_err(|error: T::Err| bad_value(value, error.to_string()))
}

/// An array of strings.
pub fn array<'a, 'i>(value: &'a Spanned<DeValue<'i>>) -> Result<&'a toml::de::DeArray<'i>, Mistake> {
    array_of(value, "an array of strings")
}

/// A table.
pub fn table_of<'a, 'i>(value: &'a Spanned<DeValue<'i>>, wanted: &str) -> Result<&'a DeTable<'i>, Mistake> {
    let found = value.get_ref();
    found.as_table().ok_or_else(|| wrong_type(value, wanted, found))
}

/// True or false.
pub fn boolean(value: &Spanned<DeValue>) -> Result<bool, Mistake> {
    let found = value.get_ref();
    found.as_bool().ok_or_else(|| wrong_type(value, "true or false", found))
}

/// A string without control characters, or `false` for none.
pub fn string_or_false(value: &Spanned<DeValue>) -> Result<Option<String>, Mistake> {
    match value.get_ref() {
        DeValue::Boolean(false) => Ok(None),
        DeValue::String(_) => string(value).map(Some),
        other => Err(wrong_type(value, "a string, or false for none,", other)),
    }
}

/// Formats of SBOMs: one, several, or `false` for none.
pub fn sbom(value: &Spanned<DeValue>) -> Result<SbomFormats, Mistake> {
    let format = |value: &Spanned<DeValue>| {
        let text = string(value)?;
        text.parse::<SbomFormat>().map_err(|message| {
            let near = nearest(&text, SbomFormat::ALL.map(SbomFormat::name));
            let label = near.map_or_else(|| "no such format".to_owned(), |near| format!("did you mean `{near}`?"));
            Mistake { label, ..bad_value(value, message) }
        })
    };
    match value.get_ref() {
        DeValue::Boolean(false) => Ok(SbomFormats(Vec::new())),
        DeValue::String(_) => Ok(SbomFormats(vec![format(value)?])),
        DeValue::Array(_) => Ok(list(value, format)?.into_iter().collect()),
        other => Err(wrong_type(value, "a format of SBOMs, an array of them, or false for none,", other)),
    }
}

/// A folder that a volume can be mounted over.
pub fn volume(value: &Spanned<DeValue>) -> Result<Folder, Mistake> {
    let folder: Folder = parsed(value)?;
    match folder.is_root() {
        true => Err(bad_value(value, "the root of the image cannot be a volume".to_owned())),
        false => Ok(folder),
    }
}

/// An array, which may be empty: that takes away what is inherited.
pub fn several<T>(
    value: &Spanned<DeValue>,
    item: impl Fn(&Spanned<DeValue>) -> Result<T, Mistake>,
) -> Result<Vec<T>, Mistake> {
    array(value)?.iter().map(item).collect()
}

/// An array of what is `wanted`.
pub fn array_of<'a, 'i>(value: &'a Spanned<DeValue<'i>>, wanted: &str) -> Result<&'a toml::de::DeArray<'i>, Mistake> {
    let found = value.get_ref();
    found.as_array().ok_or_else(|| wrong_type(value, wanted, found))
}

/// An array of strings that says something: an empty one would leave nothing to build, start or name.
pub fn list<T>(
    value: &Spanned<DeValue>,
    item: impl Fn(&Spanned<DeValue>) -> Result<T, Mistake>,
) -> Result<Vec<T>, Mistake> {
    let items = array(value)?;
    if items.is_empty() {
        return Err(bad_value(
            value,
            "an empty array is not allowed here: leave the key out for the default".to_owned(),
        ));
    }
    items.iter().map(item).collect()
}

/// A table of strings and the like, in the order it was written.
pub fn pairs<T>(
    value: &Spanned<DeValue>,
    item: fn(&Spanned<DeValue>) -> Result<T, Mistake>,
) -> Result<Vec<(String, T)>, Mistake> {
    in_order(table_of(value, "a table of strings")?)
        .into_iter()
        .map(|(key, value)| {
            let name = key.get_ref().as_ref();
            match check_name(name) {
                Ok(()) => Ok((name.to_owned(), item(value)?)),
                Err(message) => Err(Mistake { message, at: key.span(), label: "here".to_owned(), help: None }),
            }
        })
        .collect()
}

fn check_name(name: &str) -> Result<(), String> {
    match name {
        "" => Err("a name cannot be empty".to_owned()),
        _ if name.contains('=') => Err(format!("`{name}` cannot be a name: `=` is not allowed in one")),
        _ => check_line(name),
    }
}
