//! Where this cargo-oci was installed from, by cargo's own record.

use std::path::Path;

use toml::de::{DeTable, DeValue};

use crate::cli::InstallSource;

/// The file in cargo's home that lists what `cargo install` has installed.
const RECORD: &str = ".crates.toml";

/// Returns the git repository and the commit that this cargo-oci was installed from, or `None` if cargo did not install it, or
/// not from git.
pub(crate) fn source(cargo_home: &Path) -> Option<InstallSource> {
    from_record(&std::fs::read_to_string(cargo_home.join(RECORD)).ok()?)
}

/// Reads a line such as `"cargo-oci 0.1.0 (git+https://github.com/acme/cargo-oci?branch=main#COMMIT)" = ["cargo-oci"]`.
fn from_record(text: &str) -> Option<InstallSource> {
    let record = DeTable::parse(text).ok()?;
    let packages = record.get_ref().get("v1").and_then(|packages| match packages.get_ref() {
        DeValue::Table(packages) => Some(packages),
        _ => None,
    })?;
    let own = concat!(env!("CARGO_PKG_NAME"), " ", env!("CARGO_PKG_VERSION"), " (git+");
    let source = packages.keys().find_map(|package| {
        let source = package.get_ref().strip_prefix(own)?.strip_suffix(')')?;
        Some(source.to_owned())
    })?;
    let (url, commit) = source.split_once('#').map_or((&*source, None), |(url, commit)| (url, Some(commit)));
    let url = url.split('?').next()?;
    let whole = commit.map_or_else(|| url.to_owned(), |commit| format!("{url}#{commit}"));
    whole.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn source_is_that_of_this_version() {
        let record = |packages: &str| from_record(&format!("[v1]\n{packages}\n"));
        let version = env!("CARGO_PKG_VERSION");
        let found = record(&format!(
            "\"cargo-oci {version} (git+https://github.com/acme/cargo-oci?branch=main#c0ffee)\" = [\"cargo-oci\"]\n\
             \"ripgrep 14.1.0 (registry+https://example.org/index)\" = [\"rg\"]"
        ));
        let found = found.expect("a source");
        assert_eq!((&*found.url, found.rev.as_deref()), ("https://github.com/acme/cargo-oci", Some("c0ffee")));
        for other in [
            "\"cargo-oci 0.0.1 (git+https://github.com/acme/cargo-oci#c0ffee)\" = [\"cargo-oci\"]".to_owned(),
            format!("\"cargo-oci {version} (path+file:///srv/cargo-oci)\" = [\"cargo-oci\"]"),
            "\"x\" = 1".to_owned(),
        ] {
            assert_eq!(record(&other), None, "{other}");
        }
        assert_eq!(from_record("v1 = 1"), None);
        assert_eq!(from_record("no TOML"), None);
    }
}
