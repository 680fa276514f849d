//! Values of cargo's configuration, and how those of several files are merged.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use miette::{Report, miette};
use serde_json::Value;
use toml::de::{DeTable, DeValue};

use crate::error::Result;

/// A value, and where it is set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ConfigValue {
    /// The value.
    pub data: ConfigData,
    /// Where it is set.
    pub origin: Origin,
}

/// The value itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ConfigData {
    Table(BTreeMap<String, ConfigValue>),
    List(Vec<ConfigValue>),
    Text(String),
    Bool(bool),
    /// A number or a date, which no key that is read here has.
    Other(String),
}

/// Where a value is set, in the order of precedence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// In a file that cargo finds by itself.
    File(PathBuf),
    /// In an environment variable.
    Variable,
    /// By `--config`, in this file if it names one.
    Argument(Option<PathBuf>),
}

/// Which of two values counts if both are set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Precedence {
    /// The value that was there before.
    Former,
    /// The value that is added.
    Latter,
}

impl Origin {
    /// Returns the folder that relative paths start from: the parent of the file's folder.
    pub(super) fn root<'a>(&'a self, current: &'a Path) -> &'a Path {
        match self {
            Origin::File(file) | Origin::Argument(Some(file)) => file.ancestors().nth(2).unwrap_or(current),
            Origin::Variable | Origin::Argument(None) => current,
        }
    }

    /// Returns whether variables take precedence over it.
    pub(super) fn is_below_variables(&self) -> bool {
        matches!(self, Origin::File(_))
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::File(file) | Origin::Argument(Some(file)) => file.display().fmt(f),
            Origin::Variable => f.write_str("the environment"),
            Origin::Argument(None) => f.write_str("--config"),
        }
    }
}

impl ConfigValue {
    /// Creates an empty table.
    pub(super) fn empty(origin: Origin) -> ConfigValue {
        ConfigValue { data: ConfigData::Table(BTreeMap::new()), origin }
    }

    /// Reads a whole document.
    ///
    /// # Errors
    /// Returns an error if it is not valid TOML.
    pub(super) fn parse(text: &str, origin: &Origin) -> Result<ConfigValue> {
        let document =
            DeTable::parse(text).map_err(|error| miette!("{origin} is not valid TOML: {}", error.message()))?;
        Ok(ConfigValue::of_table(document.get_ref(), origin))
    }

    fn of_table(table: &DeTable, origin: &Origin) -> ConfigValue {
        let entries = table.iter().map(|(key, value)| (key.get_ref().to_string(), Self::of(value.get_ref(), origin)));
        ConfigValue { data: ConfigData::Table(entries.collect()), origin: origin.clone() }
    }

    fn of(value: &DeValue, origin: &Origin) -> ConfigValue {
        let data = match value {
            DeValue::Table(table) => return ConfigValue::of_table(table, origin),
            DeValue::Array(list) => {
                ConfigData::List(list.iter().map(|value| Self::of(value.get_ref(), origin)).collect())
            }
            DeValue::String(text) => ConfigData::Text(text.to_string()),
            DeValue::Boolean(value) => ConfigData::Bool(*value),
            DeValue::Integer(number) => ConfigData::Other(number.as_str().to_owned()),
            DeValue::Float(number) => ConfigData::Other(number.as_str().to_owned()),
            DeValue::Datetime(date) => ConfigData::Other(date.to_string()),
        };
        ConfigValue { data, origin: origin.clone() }
    }

    /// Merges another value into this one, as cargo does: tables key by key, lists are joined with the one that counts last,
    /// and of other values one counts.
    ///
    /// # Errors
    /// Returns an error if one of them is a table or a list, and the other is not.
    pub(super) fn merge(&mut self, other: ConfigValue, precedence: Precedence) -> Result<()> {
        match (&mut self.data, other.data) {
            (ConfigData::Table(own), ConfigData::Table(others)) => {
                for (key, value) in others {
                    match own.entry(key) {
                        std::collections::btree_map::Entry::Vacant(entry) => {
                            entry.insert(value);
                        }
                        std::collections::btree_map::Entry::Occupied(mut entry) => {
                            let key = entry.key().clone();
                            entry.get_mut().merge(value, precedence).map_err(|error| error.wrap_err(in_key(&key)))?;
                        }
                    }
                }
            }
            (ConfigData::List(own), ConfigData::List(mut others)) => {
                if precedence == Precedence::Former {
                    std::mem::swap(own, &mut others);
                }
                own.append(&mut others);
            }
            (own @ (ConfigData::Table(_) | ConfigData::List(_)), data)
            | (own, data @ (ConfigData::Table(_) | ConfigData::List(_))) => {
                return Err(conflict((own.kind(), &self.origin), (data.kind(), &other.origin)));
            }
            (own, data) => {
                if precedence == Precedence::Latter {
                    *own = data;
                    self.origin = other.origin;
                }
            }
        }
        Ok(())
    }

    /// Returns the value of a path of keys, or `None` if it is not set.
    pub(super) fn get(&self, keys: &[&str]) -> Option<&ConfigValue> {
        keys.iter().try_fold(self, |value, key| value.table()?.get(*key))
    }

    /// Returns the entries, or `None` if it is no table.
    pub(super) fn table(&self) -> Option<&BTreeMap<String, ConfigValue>> {
        if let ConfigData::Table(table) = &self.data { Some(table) } else { None }
    }

    /// Returns all values in it that are no tables, each with its keys.
    pub(super) fn leaves(&self) -> Vec<(Vec<String>, Value)> {
        let Some(table) = self.table() else { return vec![(Vec::new(), self.data.json())] };
        let mut leaves = Vec::new();
        for (key, value) in table {
            for (mut keys, leaf) in value.leaves() {
                keys.insert(0, key.clone());
                leaves.push((keys, leaf));
            }
        }
        leaves
    }

    /// Returns the text, or `None` if it is none.
    pub(super) fn text(&self) -> Option<&str> {
        if let ConfigData::Text(text) = &self.data { Some(text) } else { None }
    }

    /// Returns the words of a list, or of a string that spaces separate, each with its origin.
    pub(super) fn words(&self) -> Vec<(&str, &Origin)> {
        match &self.data {
            ConfigData::Text(text) => text.split_whitespace().map(|word| (word, &self.origin)).collect(),
            ConfigData::List(list) => list.iter().filter_map(|value| Some((value.text()?, &value.origin))).collect(),
            ConfigData::Table(_) | ConfigData::Bool(_) | ConfigData::Other(_) => Vec::new(),
        }
    }
}

impl ConfigData {
    fn json(&self) -> Value {
        match self {
            ConfigData::Table(table) => table.iter().map(|(key, value)| (key.clone(), value.data.json())).collect(),
            ConfigData::List(items) => items.iter().map(|item| item.data.json()).collect(),
            ConfigData::Text(text) => text.as_str().into(),
            ConfigData::Bool(value) => (*value).into(),
            ConfigData::Other(text) => text.parse::<i64>().map_or_else(|_| text.as_str().into(), Value::from),
        }
    }

    fn kind(&self) -> &'static str {
        match self {
            ConfigData::Table(_) => "a table",
            ConfigData::List(_) => "an array",
            ConfigData::Text(_) => "a string",
            ConfigData::Bool(_) => "a boolean",
            ConfigData::Other(_) => "a number",
        }
    }
}

fn in_key(key: &str) -> String {
    format!("cannot merge the key `{key}`")
}

fn conflict(own: (&str, &Origin), other: (&str, &Origin)) -> Report {
    miette!("expected {} as in {}, found {} in {}", own.0, own.1, other.0, other.1)
}
