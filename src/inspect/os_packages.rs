//! The packages of a distribution in an image, as its package manager lists them: dpkg's `status` and, in distroless images,
//! `status.d`, and apk's `installed`.

use std::collections::BTreeSet;

use super::packages::SbomPackage;

/// A file that lists packages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PackageList {
    /// dpkg's: stanzas as in deb822(5).
    Dpkg,
    /// apk's: one letter a field.
    Apk,
}

impl PackageList {
    /// Returns the format of the file with this path in an image, or `None` if it lists no packages.
    pub(crate) fn at(path: &str) -> Option<PackageList> {
        match path.trim_start_matches('/') {
            "var/lib/dpkg/status" => Some(PackageList::Dpkg),
            "lib/apk/db/installed" | "usr/lib/apk/db/installed" => Some(PackageList::Apk),
            path => {
                let name = path.strip_prefix("var/lib/dpkg/status.d/")?;
                (!name.contains('/') && !name.ends_with(".md5sums")).then_some(PackageList::Dpkg)
            }
        }
    }

    /// Returns the packages that the file lists as installed, sorted by name. What is no stanza of a package is passed over.
    pub(crate) fn packages(self, text: &str) -> Vec<SbomPackage> {
        let found: BTreeSet<_> = stanzas(text).filter_map(|stanza| self.package(stanza)).collect();
        found.into_iter().collect()
    }

    fn package(self, stanza: &str) -> Option<SbomPackage> {
        let (kind, name, version) = match self {
            PackageList::Dpkg => ("deb", "Package:", "Version:"),
            PackageList::Apk => ("apk", "P:", "V:"),
        };
        // `deinstall ok config-files`: only its configuration is left.
        let status = (self == PackageList::Dpkg).then(|| field(stanza, "Status:")).flatten();
        if status.is_some_and(|status| status.split_whitespace().next_back() != Some("installed")) {
            return None;
        }
        let name = field(stanza, name)?.to_owned();
        let purl = Some(format!("pkg:{kind}/{name}"));
        Some(SbomPackage { version: field(stanza, version).map(str::to_owned), license: None, purl, name })
    }
}

/// Splits a text at its empty lines.
fn stanzas(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let (stanza, after) = rest.split_once("\n\n").unwrap_or((rest, ""));
        rest = after;
        Some(stanza)
    })
}

fn field<'a>(stanza: &'a str, name: &str) -> Option<&'a str> {
    let value = stanza.lines().find_map(|line| line.strip_prefix(name))?.trim();
    (!value.is_empty()).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(list: PackageList, text: &str) -> Vec<String> {
        let shown = |package: SbomPackage| format!("{} {}", package.name, package.version.unwrap_or_default());
        list.packages(text).into_iter().map(shown).collect()
    }

    #[test]
    fn packages_of_dpkg_are_those_installed() {
        let text = "Package: zlib1g\nStatus: install ok installed\nVersion: 1:1.3\nDescription: x\n Version: no\n\n\
                    Package: gone\nStatus: deinstall ok config-files\nVersion: 1\n\n\n\
                    Package: base-files\nVersion: 13.8\n";
        assert_eq!(shown(PackageList::Dpkg, text), ["base-files 13.8", "zlib1g 1:1.3"]);
        assert!(shown(PackageList::Dpkg, "").is_empty());
        assert!(shown(PackageList::Dpkg, "\u{0}no stanza").is_empty());
    }

    #[test]
    fn packages_of_apk_are_read() {
        let text = "C:Q1x=\nP:musl\nV:1.2.5-r0\nA:x86_64\n\nP:busybox\nV:1.36.1-r29\nF:bin\nR:busybox\n";
        assert_eq!(shown(PackageList::Apk, text), ["busybox 1.36.1-r29", "musl 1.2.5-r0"]);
    }

    #[test]
    fn package_lists_are_known_by_their_paths() {
        for (path, list) in [
            ("/var/lib/dpkg/status", Some(PackageList::Dpkg)),
            ("var/lib/dpkg/status.d/tzdata", Some(PackageList::Dpkg)),
            ("/lib/apk/db/installed", Some(PackageList::Apk)),
            ("/var/lib/dpkg/status.d/tzdata.md5sums", None),
            ("/var/lib/dpkg/status.d/a/b", None),
            ("/var/lib/dpkg/status-old", None),
        ] {
            assert_eq!(PackageList::at(path), list, "{path}");
        }
    }
}
