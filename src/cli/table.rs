//! The flags that override keys of the table: one for each row of [`KEYS`] that has one.

use std::ffi::OsStr;

use clap::builder::{PossibleValue, TypedValueParser};
use clap::error::ErrorKind;
use clap::{Arg, ArgAction, ArgMatches, Args, Command, Error, FromArgMatches};

use crate::config::key::{Flag, Key, KeyDefault};
use crate::config::schema::plain_text;
use crate::config::{KEYS, Table};

impl Args for Table {
    fn augment_args(command: Command) -> Command {
        flags().fold(command, |command, (key, flag)| command.arg(arg(key, flag)))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Table::augment_args(command)
    }
}

impl FromArgMatches for Table {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Table, Error> {
        let mut table = Table::default();
        table.update_from_arg_matches(matches)?;
        Ok(table)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        for (key, _) in flags() {
            // Not every command has all of the flags.
            if let Ok(Some(values)) = matches.try_get_many::<String>(key.name) {
                let values: Vec<_> = values.map(String::as_str).collect();
                key.set(self, &values).map_err(|why| Error::raw(ErrorKind::ValueValidation, why))?;
            }
        }
        Ok(())
    }
}

/// Returns the keys that have a flag of their own, with that flag.
pub(super) fn flags() -> impl Iterator<Item = (&'static Key<Table>, Flag)> {
    KEYS.iter().filter_map(|key| Some((key, key.flag.filter(|flag| flag.is_declared_here)?)))
}

fn arg(key: &'static Key<Table>, flag: Flag) -> Arg {
    let arg = Arg::new(key.name)
        .long(flag.long)
        .value_name(flag.value_name)
        .help(help(key, flag))
        .action(if key.value.is_list { ArgAction::Append } else { ArgAction::Set })
        // Arguments of a program begin with a hyphen too.
        .allow_hyphen_values(flag.value_name == "ARG")
        .value_parser(Checked { key })
        .hide_possible_values(true);
    let arg = if flag.is_split { arg.value_delimiter(',') } else { arg };
    if let Some(short) = flag.short { arg.short(short) } else { arg }
}

fn help(key: &Key<Table>, flag: Flag) -> String {
    let default = match key.default {
        _ if !flag.shows_default => String::new(),
        KeyDefault::Value(value) => format!(" [default: {}]", plain_text(value)),
        KeyDefault::Words(words) => format!(" [default: {words}]"),
        KeyDefault::None => String::new(),
    };
    let repeatable = if key.value.is_list { " (repeatable)" } else { "" };
    let variable = key.variable.map_or_else(String::new, |variable| format!(" [env: {}]", variable.name));
    format!("{}{repeatable}{default}{variable}", key.help)
}

/// Checks a value as its key does. The key parses it again, together with the other values of the flag.
#[derive(Clone)]
struct Checked {
    key: &'static Key<Table>,
}

impl TypedValueParser for Checked {
    type Value = String;

    fn parse_ref(&self, command: &Command, arg: Option<&Arg>, value: &OsStr) -> Result<String, Error> {
        let key = self.key;
        let is_split = key.flag.is_some_and(|flag| flag.is_split);
        let check = move |text: &str| {
            // As in variables, a space may follow a comma.
            let text = if is_split { text.trim() } else { text };
            key.set(&mut Table::default(), &[text]).map(|()| text.to_owned())
        };
        TypedValueParser::parse_ref(&check, command, arg, value)
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        let words = (self.key.value.words)();
        (!words.is_empty()).then(|| Box::new(words.into_iter().map(PossibleValue::new)) as Box<dyn Iterator<Item = _>>)
    }
}
