//! The C libraries that programs for Linux are linked with.

use std::fmt;
use std::str::FromStr;

use super::{GNU_TARGETS, TARGETS, Target};

/// A C library.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Libc {
    /// musl: programs are static.
    #[default]
    Musl,
    /// glibc: programs are dynamic, and need a base that has it.
    Gnu,
}

impl Libc {
    /// All of them.
    pub(crate) const ALL: [Libc; 2] = [Libc::Musl, Libc::Gnu];
}

impl fmt::Display for Libc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Libc::Musl => "musl",
            Libc::Gnu => "gnu",
        })
    }
}

impl FromStr for Libc {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Libc::ALL.into_iter().find(|libc| libc.to_string() == text);
        found.ok_or_else(|| format!("unknown C library `{text}`: expected musl or gnu"))
    }
}

impl Target {
    /// Returns the C library of the target.
    pub fn libc(&self) -> Libc {
        if self.triple.contains("-gnu") { Libc::Gnu } else { Libc::Musl }
    }

    /// Returns the target for the same platform with this C library. One outside the tables stays as it is.
    #[must_use]
    pub fn with_libc(self, libc: Libc) -> Target {
        let known = TARGETS.iter().zip(GNU_TARGETS).find(|(musl, gnu)| **musl == self || *gnu == self);
        known.map_or(self, |(musl, gnu)| match libc {
            Libc::Musl => *musl,
            Libc::Gnu => gnu,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gnu_targets_are_for_the_same_platforms() {
        for (musl, gnu) in TARGETS.into_iter().zip(GNU_TARGETS) {
            assert_eq!(gnu.triple, musl.triple.replace("-musl", "-gnu"));
            assert_eq!((gnu.platform(), gnu.elf()), (musl.platform(), musl.elf()));
            assert_eq!((musl.with_libc(Libc::Gnu), gnu.with_libc(Libc::Musl)), (gnu, musl));
            assert_eq!((musl.libc(), gnu.libc(), gnu.is_static()), (Libc::Musl, Libc::Gnu, false));
            assert_eq!(gnu.triple.parse(), Ok(gnu));
        }
    }

    #[test]
    fn libc_is_one_of_two_words() {
        assert_eq!("gnu".parse(), Ok(Libc::Gnu));
        assert_eq!("glibc".parse::<Libc>(), Err("unknown C library `glibc`: expected musl or gnu".to_owned()));
    }
}
