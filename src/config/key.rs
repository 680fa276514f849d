//! What is known about a key of the table.

use serde_json::Value as Json;
use toml::Spanned;
use toml::de::DeValue;

use super::error::ValueError;

/// A key of the table `T`: all that is known about it, in one place.
pub struct Key<T> {
    /// The name in Cargo.toml.
    pub name: &'static str,
    /// The description, in the documentation and in the help of its flag.
    pub help: &'static str,
    /// The default.
    pub default: KeyDefault,
    /// A value, as TOML.
    pub example: &'static str,
    /// The flag that overrides it.
    pub flag: Option<Flag>,
    /// The environment variable that overrides it.
    pub variable: Option<Variable>,
    /// The functions for the type of its value.
    pub value: ValueFunctions<T>,
}

/// The default of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyDefault {
    /// This value, as TOML.
    Value(&'static str),
    /// The default in words.
    Words(&'static str),
    /// Nothing.
    None,
}

/// A flag that overrides a key.
#[derive(Clone, Copy, Debug)]
pub struct Flag {
    /// The name, without dashes.
    pub long: &'static str,
    /// The name of one letter.
    pub short: Option<char>,
    /// The name of its value in the help.
    pub value_name: &'static str,
    /// Whether a value holds several items, with commas between them.
    pub is_split: bool,
    /// Whether the help shows the default of the key: some commands have another.
    pub shows_default: bool,
    /// Whether all commands that build have it because of this row. Other flags are declared where cargo's own flags are,
    /// or with the commands that have them.
    pub is_declared_here: bool,
}

/// An environment variable that overrides a key.
#[derive(Clone, Copy, Debug)]
pub struct Variable {
    /// The name.
    pub name: &'static str,
    /// A value, as a shell reads it.
    pub example: &'static str,
    /// Whether it holds several items, with commas between them.
    pub is_split: bool,
    /// Whether an empty value is an error, and not as good as none: it says where an image goes.
    pub must_be_filled: bool,
}

/// The functions for the type of a key's value.
pub struct ValueFunctions<T> {
    /// The type, as the documentation names it.
    pub type_name: &'static str,
    /// Whether the value has several items.
    pub is_list: bool,
    /// The JSON Schema of the value.
    pub schema: fn() -> Json,
    /// The values that shells propose.
    pub words: fn() -> Vec<String>,
    /// Sets the key from TOML.
    pub(super) read: fn(&mut T, &Spanned<DeValue>) -> Result<(), ValueError>,
    /// Sets the key from the values of a flag or a variable.
    pub(super) parse: fn(&mut T, &[&str]) -> Result<(), String>,
    /// Merges the key of a table with that of the table it inherits from.
    pub(super) inherit: fn(&mut T, &mut T),
}

impl Flag {
    /// Defines a flag of all commands that build.
    pub const fn new(long: &'static str, value_name: &'static str) -> Flag {
        Flag { long, short: None, value_name, is_split: false, shows_default: true, is_declared_here: true }
    }

    /// Names a flag that is declared elsewhere.
    pub const fn declared_elsewhere(long: &'static str) -> Flag {
        Flag { is_declared_here: false, ..Flag::new(long, "") }
    }

    /// Adds a name of one letter.
    #[must_use]
    pub const fn short(self, short: char) -> Flag {
        Flag { short: Some(short), ..self }
    }

    /// Leaves the default out of the help.
    #[must_use]
    pub const fn hide_default(self) -> Flag {
        Flag { shows_default: false, ..self }
    }

    /// Splits values at commas.
    #[must_use]
    pub const fn split(self) -> Flag {
        Flag { is_split: true, ..self }
    }
}

impl Variable {
    /// Defines a variable that holds one value.
    pub const fn new(name: &'static str, example: &'static str) -> Variable {
        Variable { name, example, is_split: false, must_be_filled: false }
    }

    /// Makes an empty value an error.
    #[must_use]
    pub const fn filled(self) -> Variable {
        Variable { must_be_filled: true, ..self }
    }

    /// Splits the value at commas.
    #[must_use]
    pub const fn split(self) -> Variable {
        Variable { is_split: true, ..self }
    }
}
