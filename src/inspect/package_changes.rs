//! The packages of two images, or of two ages of one → what was added, removed and updated.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use serde::Serialize;

use super::packages::SbomPackage;

/// What differs between two lists of packages. All lists are sorted by name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct PackageChanges {
    /// Those that only the new list has.
    pub added: Vec<ListedPackage>,
    /// Those that only the old list has.
    pub removed: Vec<ListedPackage>,
    /// Those with another version.
    pub changed: Vec<PackageChange>,
}

/// A package with its version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ListedPackage {
    /// Its name.
    pub name: String,
    /// Its version, if the list names one.
    pub version: Option<String>,
}

/// A package that has another version now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PackageChange {
    /// Its name.
    pub name: String,
    /// The version that it had.
    pub from: Option<String>,
    /// The version that it has.
    pub to: Option<String>,
}

impl PackageChanges {
    /// Compares two lists. A crate may be there in several versions: what both lists have counts first, and of what is left,
    /// the older versions are compared with the older ones.
    pub(crate) fn between(old: &[SbomPackage], new: &[SbomPackage]) -> PackageChanges {
        let (old, mut new) = (by_name(old), by_name(new));
        let mut changes = PackageChanges::default();
        for (key, versions) in old {
            let (from, to) = without_same(&versions, &new.remove(&key).unwrap_or_default());
            let name = key.1;
            let pairs = from.len().min(to.len());
            changes.changed.extend(from.iter().zip(&to).map(|(from, to)| PackageChange {
                name: name.to_owned(),
                from: from.map(str::to_owned),
                to: to.map(str::to_owned),
            }));
            changes.removed.extend(from[pairs..].iter().map(|version| ListedPackage::new(name, *version)));
            changes.added.extend(to[pairs..].iter().map(|version| ListedPackage::new(name, *version)));
        }
        for ((_, name), versions) in new {
            changes.added.extend(versions.into_iter().map(|version| ListedPackage::new(name, version)));
        }
        changes.added.sort_by(|a, b| a.name.cmp(&b.name));
        changes.removed.sort_by(|a, b| a.name.cmp(&b.name));
        changes.changed.sort_by(|a, b| a.name.cmp(&b.name));
        changes
    }

    /// Returns whether both lists have the same packages.
    pub(crate) fn is_empty(&self) -> bool {
        self.added.is_empty() && self.removed.is_empty() && self.changed.is_empty()
    }
}

impl ListedPackage {
    fn new(name: &str, version: Option<&str>) -> ListedPackage {
        ListedPackage { name: name.to_owned(), version: version.map(str::to_owned) }
    }
}

/// The type in a package's URL, such as `deb` or `cargo`, and its name: `zlib` may be both.
type PackageKey<'a> = (&'a str, &'a str);

/// Returns the versions of each package, the oldest first.
fn by_name(packages: &[SbomPackage]) -> BTreeMap<PackageKey<'_>, Vec<Option<&str>>> {
    let mut found: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for package in packages {
        let kind = package.purl.as_deref().and_then(|purl| purl.strip_prefix("pkg:")?.split_once('/'));
        let key = (kind.map_or("", |(kind, _)| kind), package.name.as_str());
        found.entry(key).or_default().push(package.version.as_deref());
    }
    for versions in found.values_mut() {
        versions.sort_by(|a, b| by_numbers(a.unwrap_or_default(), b.unwrap_or_default()));
        versions.dedup();
    }
    found
}

/// Removes what both lists have.
fn without_same<'a>(old: &[Option<&'a str>], new: &[Option<&'a str>]) -> (Vec<Option<&'a str>>, Vec<Option<&'a str>>) {
    let gone = old.iter().copied().filter(|version| !new.contains(version)).collect();
    let come = new.iter().copied().filter(|version| !old.contains(version)).collect();
    (gone, come)
}

/// Compares versions of any scheme: their numbers by value, the rest as text.
fn by_numbers(a: &str, b: &str) -> Ordering {
    let (mut left, mut right) = (parts(a), parts(b));
    loop {
        let order = match (left.next(), right.next()) {
            (Some(a), Some(b)) => match (number(a), number(b)) {
                // As numbers of any length.
                (Some(a), Some(b)) => a.len().cmp(&b.len()).then_with(|| a.cmp(b)),
                _ => a.cmp(b),
            },
            (None, None) => return a.cmp(b),
            (a, b) => a.is_some().cmp(&b.is_some()),
        };
        if order != Ordering::Equal {
            return order;
        }
    }
}

/// Splits a version into its numbers and what is between them.
fn parts(version: &str) -> impl Iterator<Item = &str> {
    version.as_bytes().chunk_by(|a, b| a.is_ascii_digit() == b.is_ascii_digit()).scan(0, |start, chunk| {
        let begin = *start;
        *start += chunk.len();
        version.get(begin..*start)
    })
}

/// Returns the digits of a number, without zeros before it.
fn number(part: &str) -> Option<&str> {
    part.starts_with(|first: char| first.is_ascii_digit()).then(|| part.trim_start_matches('0'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(text: &str) -> SbomPackage {
        let (kind, rest) = text.split_once('/').expect("a type");
        let (name, version) = rest.split_once(' ').map_or((rest, None), |(name, version)| (name, Some(version)));
        SbomPackage {
            name: name.to_owned(),
            version: version.map(str::to_owned),
            license: None,
            purl: (!kind.is_empty()).then(|| format!("pkg:{kind}/{name}")),
        }
    }

    /// Returns what differs, as `+name version`, `-name version` and `name old → new`.
    fn changes(old: &[&str], new: &[&str]) -> Vec<String> {
        let lists = [old, new].map(|list| list.iter().map(|text| package(text)).collect::<Vec<_>>());
        let found = PackageChanges::between(&lists[0], &lists[1]);
        let text = |version: &Option<String>| version.clone().unwrap_or_default();
        let added = found.added.iter().map(|package| format!("+{} {}", package.name, text(&package.version)));
        let removed = found.removed.iter().map(|package| format!("-{} {}", package.name, text(&package.version)));
        let changed = found.changed.iter().map(|one| format!("{} {} → {}", one.name, text(&one.from), text(&one.to)));
        let all: Vec<_> = added.chain(removed).chain(changed).collect();
        assert_eq!(all.is_empty(), found.is_empty());
        all
    }

    #[test]
    fn package_changes_are_added_removed_and_changed() {
        let old = ["deb/base-files 13", "deb/tzdata 2025a", "deb/netbase 6.4"];
        let new = ["deb/tzdata 2025b", "deb/media-types 10", "deb/base-files 13"];
        assert_eq!(changes(&old, &new), ["+media-types 10", "-netbase 6.4", "tzdata 2025a → 2025b"]);
        assert!(changes(&old, &old).is_empty());
        assert_eq!(changes(&["/a"], &["/a 1"]), ["a  → 1"]);
    }

    #[test]
    fn package_changes_pair_versions_of_one_crate() {
        let old = ["cargo/syn 1.0.9", "cargo/syn 2.0.1"];
        assert_eq!(changes(&old, &["cargo/syn 1.0.9", "cargo/syn 2.0.2"]), ["syn 2.0.1 → 2.0.2"]);
        assert_eq!(
            changes(&old, &["cargo/syn 2.0.10", "cargo/syn 1.0.10"]),
            ["syn 1.0.9 → 1.0.10", "syn 2.0.1 → 2.0.10"]
        );
        assert_eq!(changes(&old, &["cargo/syn 2.0.1"]), ["-syn 1.0.9"]);
        assert_eq!(changes(&["deb/zlib 1"], &["cargo/zlib 1"]), ["+zlib 1", "-zlib 1"]);
    }

    #[test]
    fn versions_are_ordered_by_their_numbers() {
        for (older, newer) in [("1.9", "1.10"), ("2025a", "2025b"), ("1", "1.0"), ("1.007", "1.8"), ("", "0")] {
            assert_eq!(by_numbers(older, newer), Ordering::Less, "{older} {newer}");
        }
        assert_eq!(by_numbers("1.0", "1.0"), Ordering::Equal);
    }
}
