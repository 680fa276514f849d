//! Values that shells propose, for arguments that take other values too.

use std::error::Error;
use std::ffi::OsStr;
use std::marker::PhantomData;
use std::str::FromStr;

use clap::builder::{PossibleValue, TypedValueParser};
use clap::{Arg, Command};

use crate::reference::EngineKind;

/// Parses a `T`, and proposes words.
#[derive(Clone)]
pub(crate) struct Completing<T> {
    words: fn() -> Vec<String>,
    parsed: PhantomData<fn() -> T>,
}

/// Returns a parser for a `T` that proposes these words.
pub(crate) fn completing<T>(words: fn() -> Vec<String>) -> Completing<T> {
    Completing { words, parsed: PhantomData }
}

impl<T> TypedValueParser for Completing<T>
where
    T: FromStr<Err: Error + Send + Sync> + Clone + Send + Sync + 'static,
{
    type Value = T;

    fn parse_ref(&self, command: &Command, arg: Option<&Arg>, value: &OsStr) -> Result<T, clap::Error> {
        TypedValueParser::parse_ref(&T::from_str, command, arg, value)
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        Some(Box::new((self.words)().into_iter().map(PossibleValue::new)))
    }
}

/// Returns the names of engines.
pub(crate) fn engines() -> Vec<String> {
    EngineKind::names().map(str::to_owned).to_vec()
}
