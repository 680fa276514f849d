//! Checksums of packages, as Cargo.lock has them.

use std::collections::HashMap;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// The SHA-256 of packages, in hexadecimal digits, by name, version and source.
#[derive(Debug, Default)]
pub struct Lock(HashMap<[String; 3], String>);

impl Lock {
    /// Reads a Cargo.lock; what is none has no checksums. Cargo has read it before, and would have refused it.
    pub fn read(text: &str) -> Lock {
        let Ok(document) = DeTable::parse(text) else { return Lock::default() };
        let packages = document.get_ref().get("package").and_then(|packages| packages.get_ref().as_array());
        let checksum = |package: &Spanned<DeValue>| {
            let package = package.get_ref().as_table()?;
            let text = |key: &str| package.get(key).and_then(|value| value.get_ref().as_str()).map(str::to_owned);
            Some(([text("name")?, text("version")?, text("source")?], text("checksum")?))
        };
        Lock(packages.into_iter().flat_map(|packages| packages.iter()).filter_map(checksum).collect())
    }

    /// That of one package; nothing for a package of git or of a folder.
    pub fn checksum(&self, name: &str, version: &str, source: &str) -> Option<&String> {
        self.0.get(&[name, version, source].map(str::to_owned))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_package_with_a_source_and_a_checksum_has_one() {
        let text = "version = 4\n[[package]]\nname = \"a\"\nversion = \"1.0.0\"\nsource = \"registry+x\"\nchecksum = \"ab\"\n\
                    [[package]]\nname = \"b\"\nversion = \"1.0.0\"\n";
        let lock = Lock::read(text);
        assert_eq!(lock.checksum("a", "1.0.0", "registry+x").map(String::as_str), Some("ab"));
        assert_eq!(lock.checksum("a", "1.0.0", "registry+y"), None);
        assert_eq!(lock.0.len(), 1);
        assert!(Lock::read("[").0.is_empty());
    }
}
