//! Values that shells propose, of arguments that take others too.

use std::error::Error;
use std::ffi::OsStr;
use std::marker::PhantomData;
use std::str::FromStr;

use clap::builder::{PossibleValue, TypedValueParser};
use clap::{Arg, Command};

use crate::platform::TARGETS;
use crate::reference::EngineKind;

/// Reads a `T` as always, and knows words for one.
#[derive(Clone)]
pub struct Completing<T> {
    words: fn() -> Vec<String>,
    read: PhantomData<fn() -> T>,
}

/// Reads a `T`, and proposes these words.
pub fn completing<T>(words: fn() -> Vec<String>) -> Completing<T> {
    Completing { words, read: PhantomData }
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

/// Words for what is built for.
pub fn platforms() -> Vec<String> {
    let platforms = TARGETS.iter().map(|target| target.platform().to_string());
    platforms.chain(["host", "all"].map(str::to_owned)).collect()
}

/// Words for bases that are in no registry.
pub fn bases() -> Vec<String> {
    ["embedded", "scratch"].map(str::to_owned).to_vec()
}

/// Words for engines.
pub fn engines() -> Vec<String> {
    EngineKind::names().map(str::to_owned).to_vec()
}
