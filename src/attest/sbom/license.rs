//! Licenses of packages, from Cargo.toml.

use cargo_metadata::Package;
use serde::{Deserialize, Serialize};
use spdx::Expression;

/// The license of a package.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) enum License {
    /// A license expression (SPDX 2.3, annex D).
    Expression(String),
    /// Free text, or the name of a license file.
    #[serde(rename = "Words")]
    Text(String),
}

impl License {
    /// Returns the license of a package, or `None` if it names none.
    pub(crate) fn of(package: &Package) -> Option<License> {
        if let Some(license) = &package.license {
            return Some(License::parse(license));
        }
        let file = package.license_file.as_ref()?.file_name()?;
        Some(License::Text(format!("see {file}")))
    }

    /// Parses the field `license`. Many packages still have cargo's old form `MIT/Apache-2.0` for `MIT OR Apache-2.0`.
    fn parse(text: &str) -> License {
        let text = text.trim();
        if is_listed(text) {
            return License::Expression(text.to_owned());
        }
        match Expression::canonicalize(text) {
            Ok(Some(canonical)) if is_listed(&canonical) => License::Expression(canonical),
            _ => License::Text(text.to_owned()),
        }
    }
}

/// Returns whether an expression has nothing but listed licenses. The text of a `LicenseRef-` would be in another file.
fn is_listed(text: &str) -> bool {
    Expression::parse(text).is_ok() && !text.contains("LicenseRef-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn license_with_a_slash_is_an_or() {
        fn expression(text: &str) -> License {
            License::Expression(text.to_owned())
        }
        assert_eq!(License::parse("MIT OR Apache-2.0"), expression("MIT OR Apache-2.0"));
        assert_eq!(License::parse("MIT/Apache-2.0"), expression("MIT OR Apache-2.0"));
        assert_eq!(License::parse("Apache-2.0 WITH LLVM-exception"), expression("Apache-2.0 WITH LLVM-exception"));
        assert_eq!(License::parse("my own"), License::Text("my own".to_owned()));
    }
}
