//! Checksums of packages, from Cargo.lock.

use std::collections::HashMap;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// SHA-256 checksums in hexadecimal digits, by name, version and source of the package.
#[derive(Debug, Default)]
pub(crate) struct Lock(HashMap<[String; 3], String>);

impl Lock {
    /// Parses a Cargo.lock. An invalid one has no checksums: cargo has read it before, and would have rejected it.
    pub(crate) fn parse(text: &str) -> Lock {
        let Ok(document) = DeTable::parse(text) else { return Lock::default() };
        let packages = document.get_ref().get("package").and_then(|packages| packages.get_ref().as_array());
        Lock(packages.into_iter().flatten().filter_map(entry).collect())
    }

    /// Returns the checksum of a package, or `None` if it is from git or a local path.
    pub(crate) fn checksum(&self, name: &str, version: &str, source: &str) -> Option<&String> {
        self.0.get(&[name, version, source].map(str::to_owned))
    }
}

fn entry(package: &Spanned<DeValue>) -> Option<([String; 3], String)> {
    let package = package.get_ref().as_table()?;
    let text = |key: &str| package.get(key).and_then(|value| value.get_ref().as_str()).map(str::to_owned);
    Some(([text("name")?, text("version")?, text("source")?], text("checksum")?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksum_needs_name_version_and_source() {
        let text = "version = 4\n[[package]]\nname = \"a\"\nversion = \"1.0.0\"\nsource = \"registry+x\"\nchecksum = \"ab\"\n\
                    [[package]]\nname = \"b\"\nversion = \"1.0.0\"\n";
        let lock = Lock::parse(text);
        assert_eq!(lock.checksum("a", "1.0.0", "registry+x").map(String::as_str), Some("ab"));
        assert_eq!(lock.checksum("a", "1.0.0", "registry+y"), None);
        assert_eq!(lock.0.len(), 1);
        assert!(Lock::parse("[").0.is_empty());
    }
}
