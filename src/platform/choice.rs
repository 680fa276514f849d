//! Platforms, as users choose them.

use std::fmt;
use std::str::FromStr;

use super::error::PlatformError;
use super::{Libc, Platform, Target};

impl FromStr for Platform {
    type Err = PlatformError;

    /// Parses `os/architecture[/variant]`.
    fn from_str(text: &str) -> Result<Self, PlatformError> {
        let parts: Vec<_> = text.split('/').collect();
        let (os, architecture, variant) = match parts[..] {
            [os, architecture] => (os, architecture, None),
            [os, architecture, variant] => (os, architecture, Some(variant)),
            _ => return Err(PlatformError::Syntax(text.to_owned())),
        };
        if parts.contains(&"") {
            return Err(PlatformError::Syntax(text.to_owned()));
        }
        Ok(Platform { os: os.to_owned(), architecture: architecture.to_owned(), variant: variant.map(str::to_owned) })
    }
}

/// A platform that a user chose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlatformChoice {
    /// One platform that has a target.
    One(Target),
    /// `all`: every platform of the base that has a target, with this C library.
    All(Libc),
}

impl PlatformChoice {
    /// Returns the same choice with this C library.
    #[must_use]
    pub fn with_libc(self, libc: Libc) -> PlatformChoice {
        match self {
            PlatformChoice::One(target) => PlatformChoice::One(target.with_libc(libc)),
            PlatformChoice::All(_) => PlatformChoice::All(libc),
        }
    }

    /// Returns the C library of its targets.
    pub fn libc(self) -> Libc {
        match self {
            PlatformChoice::One(target) => target.libc(),
            PlatformChoice::All(libc) => libc,
        }
    }
}

impl fmt::Display for PlatformChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PlatformChoice::One(target) => target.platform().fmt(f),
            PlatformChoice::All(_) => f.write_str("all"),
        }
    }
}

impl FromStr for PlatformChoice {
    type Err = PlatformError;

    /// Parses a platform, `host` or `all`.
    fn from_str(text: &str) -> Result<Self, PlatformError> {
        let platform = match text {
            "all" => return Ok(PlatformChoice::All(Libc::default())),
            "host" => Platform::host(),
            text => text.parse()?,
        };
        platform.target().map(PlatformChoice::One).ok_or_else(|| PlatformError::NoTarget(platform.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Platform {
        text.parse().expect(text)
    }

    #[test]
    fn missing_variant_means_the_default_one() {
        assert_eq!(parse("linux/arm64"), parse("linux/arm64/v8"));
        assert_eq!(parse("linux/arm"), parse("linux/arm/v7"));
        assert_ne!(parse("linux/arm/v6"), parse("linux/arm"));
        assert_ne!(parse("linux/amd64/v3"), parse("linux/amd64"));
    }

    #[test]
    fn platform_without_target_is_rejected() {
        let error = "windows/amd64".parse::<PlatformChoice>().unwrap_err().to_string();
        assert!(error.contains("windows/amd64") && error.contains("linux/riscv64"), "{error}");
        assert!(matches!("arm64".parse::<PlatformChoice>(), Err(PlatformError::Syntax(_))));
    }
}
