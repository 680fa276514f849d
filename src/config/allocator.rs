//! The allocator that is linked into programs: the key `allocator`.

use std::fmt;
use std::str::FromStr;

use serde_json::{Value as Json, json};

use super::value::Text;
use crate::suggest::hint;

/// The allocator of a program: what `malloc` is in it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Allocator {
    /// That of the C library.
    #[default]
    System,
    /// mimalloc.
    Mimalloc,
    /// jemalloc.
    Jemalloc,
}

impl Allocator {
    /// All of them.
    pub const ALL: [Allocator; 3] = [Allocator::Mimalloc, Allocator::Jemalloc, Allocator::System];

    /// Returns its name in a table and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Allocator::System => "system",
            Allocator::Mimalloc => "mimalloc",
            Allocator::Jemalloc => "jemalloc",
        }
    }
}

impl FromStr for Allocator {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let names = || Allocator::ALL.map(Allocator::name);
        let found = Allocator::ALL.into_iter().find(|allocator| allocator.name() == text);
        found.ok_or_else(|| {
            format!("unknown allocator `{text}`{}: expected mimalloc, jemalloc or system", hint(text, names()))
        })
    }
}

impl Text for Allocator {
    fn schema() -> Json {
        json!({ "type": "string", "enum": Allocator::ALL.map(Allocator::name) })
    }

    fn words() -> Vec<String> {
        Allocator::ALL.map(|allocator| allocator.name().to_owned()).to_vec()
    }
}

impl fmt::Display for Allocator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn allocator_is_one_of_three_names() {
        for allocator in Allocator::ALL {
            assert_eq!(allocator.to_string().parse(), Ok(allocator));
        }
        let why = |text: &str| text.parse::<Allocator>().unwrap_err();
        let expected = "unknown allocator `mimaloc` (did you mean `mimalloc`?): expected mimalloc, jemalloc or system";
        assert_eq!(why("mimaloc"), expected);
        assert_eq!(why("musl"), "unknown allocator `musl`: expected mimalloc, jemalloc or system");
    }
}
