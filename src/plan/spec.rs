//! Package ids, as cargo's `--package` and `--exclude` take them: `cargo help pkgid`.

use cargo_metadata::Package;
use cargo_metadata::semver::{Op, Version, VersionReq};
use globset::Glob;

/// The characters that make a name a pattern (cargo's `is_glob_pattern`).
const WILDCARDS: [char; 4] = ['*', '?', '[', ']'];

/// Which packages an argument means.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum PackageSpec<'a> {
    /// Packages whose name matches a pattern with `*`, `?` and `[…]`.
    Pattern(&'a str),
    /// `name`, `name@version`, `URL`, `URL#version` or `URL#name@version`.
    Id {
        /// The URL of its folder, without a kind in front.
        url: Option<&'a str>,
        /// The name.
        name: &'a str,
        /// The version, or the beginning of it.
        version: Option<&'a str>,
    },
}

impl<'a> PackageSpec<'a> {
    /// Parses an argument. What cargo does not accept matches no package.
    pub(crate) fn parse(text: &'a str) -> PackageSpec<'a> {
        let Some((scheme, _)) = text.split_once("://") else {
            if text.contains(WILDCARDS) {
                return PackageSpec::Pattern(text);
            }
            let (name, version) = name_and_version(text).unwrap_or((text, None));
            return PackageSpec::Id { url: None, name, version };
        };
        let url = if scheme == "path+file" { &text["path+".len()..] } else { text };
        let (url, fragment) = url.split_once('#').map_or((url, None), |(url, fragment)| (url, Some(fragment)));
        let last = url.rsplit('/').next().unwrap_or_default();
        let (name, version) = match fragment {
            None => (last, None),
            Some(text) => match name_and_version(text) {
                Some(both) => both,
                None if text.starts_with(char::is_alphabetic) => (text, None),
                None => (last, Some(text)),
            },
        };
        PackageSpec::Id { url: Some(url), name, version }
    }

    /// Returns whether it is a pattern.
    pub(crate) fn is_pattern(&self) -> bool {
        matches!(self, PackageSpec::Pattern(_))
    }

    /// Returns whether it means a package of the workspace.
    pub(crate) fn matches(&self, member: &Package) -> bool {
        match self {
            PackageSpec::Pattern(pattern) => matches_pattern(pattern, member.name.as_str()),
            PackageSpec::Id { url, name, version } => {
                member.name.as_str() == *name
                    && version.is_none_or(|version| begins_with(&member.version, version))
                    && url.is_none_or(|url| url_of(&member.id.repr) == Some(url))
            }
        }
    }
}

fn name_and_version(text: &str) -> Option<(&str, Option<&str>)> {
    let (name, version) =
        text.rsplit_once('@').or_else(|| text.rsplit_once(':').filter(|(name, _)| !name.ends_with(':')))?;
    Some((name, Some(version)))
}

/// Returns the URL of a local package: of `path+file:///folder#1.0.0`, or of `name 1.0.0 (path+file:///folder)` in cargo
/// before 1.77.
fn url_of(id: &str) -> Option<&str> {
    let (_, url) = id.split_once("path+")?;
    url.split(['#', ')']).next()
}

/// Returns whether a version is the given one, or begins with it. A pre-release must be named.
fn begins_with(version: &Version, given: &str) -> bool {
    if let Ok(given) = given.parse::<Version>() {
        let has_build = given.build.is_empty() || given.build == version.build;
        return has_build && given.cmp_precedence(version).is_eq();
    }
    let Ok(given_as_requirement) = given.parse::<VersionReq>() else { return false };
    let [part] = &given_as_requirement.comparators[..] else { return false };
    part.op == Op::Caret
        && !given.starts_with('^')
        && version.pre.is_empty()
        && part.major == version.major
        && part.minor.is_none_or(|minor| minor == version.minor)
        && part.patch.is_none_or(|patch| patch == version.patch)
}

/// Returns whether `name` matches a pattern with `*`, `?` and `[…]`, as in cargo.
fn matches_pattern(pattern: &str, name: &str) -> bool {
    // Braces have no meaning in cargo.
    let pattern = pattern.replace('{', "[{]").replace('}', "[}]");
    Glob::new(&pattern).is_ok_and(|glob| glob.compile_matcher().is_match(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(name: &str, version: &str, id: &str) -> Package {
        serde_json::from_value(serde_json::json!({
            "name": name, "version": version, "id": id, "source": null, "manifest_path": "/x/Cargo.toml",
            "dependencies": [], "targets": [], "features": {},
        }))
        .expect("a package")
    }

    #[test]
    fn package_ids_match_as_in_cargo() {
        let [a, b] = ["path+file:///src/a#1.2.3", "path+file:///src/x#b@0.1.0-rc.1"];
        let (a, b) = (member("a", "1.2.3", a), member("b", "0.1.0-rc.1", b));
        let old = member("a", "1.2.3", "a 1.2.3 (path+file:///src/a)");
        for (text, is_a, is_b) in [
            ("a", true, false),
            ("a@1", true, false),
            ("a@1.2", true, false),
            ("a@1.2.3", true, false),
            ("a:1.2.3", true, false),
            ("a:1.2", true, false),
            ("a@1.2.4", false, false),
            ("a@1.3", false, false),
            ("a@2", false, false),
            ("a@^1.2", false, false),
            ("a@1.2.3-rc", false, false),
            ("a@", false, false),
            ("file:///src/a", true, false),
            ("path+file:///src/a", true, false),
            ("path+file:///src/a#1.2.3", true, false),
            ("path+file:///src/a#a@1.2.3", true, false),
            ("file:///src/a#a", true, false),
            ("file:///src/a#1.2", true, false),
            ("file:///src/a#a:1", true, false),
            ("file:///src/a#2", false, false),
            ("file:///src/other#a", false, false),
            ("registry+https://example.org/index#a@1.2.3", false, false),
            ("https://example.org/a", false, false),
            ("b", false, true),
            ("b@0.1.0", false, false),
            ("b@0.1.0-rc.1", false, true),
            ("path+file:///src/x#b@0.1.0-rc.1", false, true),
            ("file:///src/x", false, false),
            ("*", true, true),
            ("./a", false, false),
        ] {
            let spec = PackageSpec::parse(text);
            assert_eq!((spec.matches(&a), spec.matches(&b)), (is_a, is_b), "{text}");
            assert_eq!(spec.matches(&old), is_a, "{text}");
        }
    }

    #[test]
    fn package_patterns_match_as_in_cargo() {
        for (pattern, name, is) in [
            ("serv*", "server", true),
            ("*", "x", true),
            ("s?rver", "server", true),
            ("serv", "server", false),
            ("*er", "serve", false),
            ("m[12]", "m2", true),
            ("m[!12]", "m2", false),
            ("m[a-c]?", "mb1", true),
            ("{a,b}", "a", false),
            ("m[", "m[", false),
            // This one must not take exponential time.
            ("*a".repeat(30).as_str(), "ab".repeat(30).as_str(), false),
        ] {
            let package = member(name, "1.0.0", "path+file:///src/x#1.0.0");
            assert_eq!(PackageSpec::parse(pattern).matches(&package), is, "{pattern} {name}");
        }
    }
}
