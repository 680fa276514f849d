//! Licences of packages, as Cargo.toml names them.

use cargo_metadata::Package;
use serde::{Deserialize, Serialize};
use spdx::Expression;

/// What is known of a licence.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum License {
    /// An expression of licences that SPDX lists (SPDX 2.3, annex D).
    Expression(String),
    /// Other words, or the name of a file that holds the text.
    Words(String),
}

impl License {
    /// That of a package; nothing where it says none.
    pub fn of(package: &Package) -> Option<License> {
        let file = || package.license_file.as_ref()?.file_name().map(|name| License::Words(format!("see {name}")));
        package.license.as_deref().map(License::read).or_else(file)
    }

    /// Cargo once had `MIT/Apache-2.0` for `MIT OR Apache-2.0`, and many packages still do.
    fn read(text: &str) -> License {
        let text = text.trim();
        // What a `LicenseRef-` stands for is written elsewhere.
        let is_whole = |text: &String| Expression::parse(text).is_ok() && !text.contains("LicenseRef-");
        let canonical = || Expression::canonicalize(text).ok().flatten().filter(is_whole);
        let expression = Some(text.to_owned()).filter(is_whole).or_else(canonical);
        expression.map_or_else(|| License::Words(text.to_owned()), License::Expression)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slash_between_licences_is_an_or_and_words_stay_words() {
        let expression = |text: &str| License::Expression(text.to_owned());
        assert_eq!(License::read("MIT OR Apache-2.0"), expression("MIT OR Apache-2.0"));
        assert_eq!(License::read("MIT/Apache-2.0"), expression("MIT OR Apache-2.0"));
        assert_eq!(License::read("Apache-2.0 WITH LLVM-exception"), expression("Apache-2.0 WITH LLVM-exception"));
        assert_eq!(License::read("my own"), License::Words("my own".to_owned()));
    }
}
