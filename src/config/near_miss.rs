//! Tables of a Cargo.toml that were meant to be `metadata.oci`, but are not read: cargo accepts any key below `metadata`.

use std::borrow::Cow;
use std::path::Path;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::document::in_order;
use super::error::{ConfigError, ValueError};
use super::keys::{IMAGES, KEYS, Table};
use crate::suggest::nearest;

/// The name of the table.
const OCI: &str = "oci";
/// Names that nobody else has.
const OURS: [&str; 4] = ["cargo-oci", "cargo_oci", "oci-image", "oci_image"];
/// Names that other tools have, too.
const SHARED: [&str; 5] = ["docker", "container", "image", "podman", "docker-image"];
/// Where the table is not read: a path of keys, and where it is meant to be.
const WRONG_PLACES: [(&[&str], &str); 5] = [
    (&["package", OCI], "package.metadata.oci"),
    (&["workspace", OCI], "workspace.metadata.oci"),
    (&["workspace", "package", "metadata", OCI], "workspace.metadata.oci"),
    (&["metadata", OCI], "package.metadata.oci"),
    (&[OCI], "package.metadata.oci"),
];

/// A key, and its value.
type ManifestEntry<'a, 'i> = (&'a Spanned<Cow<'i, str>>, &'a Spanned<DeValue<'i>>);

/// Returns a warning for each table or key of the Cargo.toml at `path` that is not read, but is probably meant for us.
/// `inherits` is whether there are defaults for the package in another file. What is not TOML has none: cargo tells that.
pub(crate) fn near_misses(path: &Path, text: &str, inherits: bool) -> Vec<ConfigError> {
    let Ok(document) = DeTable::parse(text) else { return Vec::new() };
    let root = document.get_ref();
    let mut found: Vec<(usize, usize, String)> = Vec::new();
    let mut add = |key: &Spanned<Cow<str>>, what: String| found.push((key.span().start, key.span().end, what));
    for (place, meant) in WRONG_PLACES {
        if let Some((key, _)) = entry(root, place) {
            add(key, format!("[{}] is not read: write [{meant}]", place.join(".")));
        }
    }
    for section in ["package", "workspace"] {
        let Some(metadata) = entry(root, &[section, "metadata"]).and_then(|(_, value)| value.get_ref().as_table())
        else {
            continue;
        };
        let is_used = metadata.contains_key(OCI) || inherits && section == "package";
        for (key, value) in in_order(metadata) {
            let name = key.get_ref().as_ref();
            if is_for_us(name, value, is_used) {
                let what = format!("[{section}.metadata.{name}] is not read: write [{section}.metadata.oci]");
                add(key, what);
            } else if !is_used && is_own_key(name, value) {
                let what = format!("`{name}` in [{section}.metadata] is not read: move it to [{section}.metadata.oci]");
                add(key, what);
            }
        }
    }
    found.sort();
    found.dedup();
    let warning = |(start, end, message): (usize, usize, String)| {
        ValueError { message, at: start..end, label: "not read".to_owned(), help: None }.within(path, text)
    };
    found.into_iter().map(warning).collect()
}

/// Finds what a path of keys leads to.
fn entry<'a, 'i>(root: &'a DeTable<'i>, path: &[&str]) -> Option<ManifestEntry<'a, 'i>> {
    let (last, tables) = path.split_last()?;
    let table = tables.iter().try_fold(root, |table, key| table.get(*key)?.get_ref().as_table())?;
    table.get_key_value(*last)
}

/// Returns whether a table of this name was meant to be ours. `is_used` is whether there is one that is read.
fn is_for_us(name: &str, value: &Spanned<DeValue>, is_used: bool) -> bool {
    let Some(table) = value.get_ref().as_table().filter(|_| name != OCI) else { return false };
    let is_known = |name: &str| name == IMAGES || KEYS.iter().any(|key| key.name == name);
    let has_own_key = table.keys().any(|key| is_known(key.get_ref()));
    if OURS.contains(&name.to_ascii_lowercase().as_str()) || name.eq_ignore_ascii_case(OCI) {
        return true;
    }
    let is_typo = nearest(name, [OCI]).is_some();
    is_typo && (has_own_key || table.is_empty()) || SHARED.contains(&name) && has_own_key && !is_used
}

/// Returns whether it is a key of the table, with a value that the key takes. Tables are often those of other tools.
fn is_own_key(name: &str, value: &Spanned<DeValue>) -> bool {
    let known = KEYS.iter().find(|known| known.name == name);
    !value.get_ref().is_table() && known.is_some_and(|known| (known.value.read)(&mut Table::default(), value).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn assert_misses(text: &str, expected: &[&str]) {
        let found = near_misses(Path::new("Cargo.toml"), text, false);
        let found: Vec<_> = found.iter().map(ConfigError::in_one_line).collect();
        let expected: Vec<_> = expected.iter().map(|miss| format!("Cargo.toml:{miss}")).collect();
        assert_eq!(found, expected, "{text}");
    }

    #[test]
    fn near_misses_are_found_by_name_and_keys() {
        let read = |section: &str| format!("is not read: write [{section}.metadata.oci]");
        for name in ["oic", "oc", "ocis", "OCI", "Oci", "cargo-oci", "Cargo-OCI", "docker", "container", "image"] {
            let table = format!("[package]\nname = \"x\"\n[package.metadata.{name}]\nbase = \"scratch\"\n");
            assert_misses(&table, &[&format!("3: [package.metadata.{name}] {}", read("package"))]);
        }
        assert_misses("[workspace.metadata.oic]", &[&format!("1: [workspace.metadata.oic] {}", read("workspace"))]);
        let moved = "2: `base` in [package.metadata] is not read: move it to [package.metadata.oci]";
        assert_misses("[package.metadata]\nbase = \"scratch\"", &[moved]);
        for (wrong, section) in [
            ("package.oci", "package"),
            ("workspace.oci", "workspace"),
            ("workspace.package.metadata.oci", "workspace"),
            ("metadata.oci", "package"),
            ("oci", "package"),
        ] {
            assert_misses(&format!("[{wrong}]\nbase = \"x\"\n"), &[&format!("1: [{wrong}] {}", read(section))]);
        }
    }

    #[test]
    fn near_misses_are_not_tables_of_others() {
        for text in [
            "[package.metadata.docker]\nmaintainer = \"x\"",
            "[package.metadata.docker]\nbase = \"x\"\n[package.metadata.oci]",
            "[package.metadata.osi]\nlicense = \"x\"",
            "[package.metadata.docs.rs]\nfeatures = [\"x\"]",
            "[package.metadata.deb]\nlabels = \"x\"",
            "[package.metadata.env]\nA = \"b\"",
            "[package.metadata]\nprofile = 3",
            "[package.metadata.oci.images.oic]\nbase = \"scratch\"",
            "[package]\nrepository = \"x\"",
            "[package",
        ] {
            assert_misses(text, &[]);
        }
        let text = "[package.metadata.docker]\nbase = \"x\"";
        assert!(near_misses(Path::new("Cargo.toml"), text, true).is_empty());
    }
}
