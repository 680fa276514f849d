//! Which crates a program is built from: cargo's own resolve for one target, features and packages → [`Crate`]s.
//!
//! `cargo tree --edges normal` is what is believed. `cargo metadata` knows more of each package, but joins the features of
//! all targets, of build scripts and of tests, and with them names packages that are not built at all.

use std::collections::{BTreeMap, BTreeSet};

use cargo_metadata::{Metadata, Package, TargetKind};
use serde::{Deserialize, Serialize};

use super::license::License;
use super::lock::Lock;
use super::purl::Purl;

/// A crate that a program is built from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Crate {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Its package URL.
    pub purl: String,
    /// Where cargo has it from: `path`, or a registry or repository as Cargo.lock writes it.
    pub source: String,
    /// The SHA-256 of its archive, in hexadecimal digits, as Cargo.lock has it.
    pub checksum: Option<String>,
    /// Its licence.
    pub license: Option<License>,
    /// What it says of itself.
    pub description: Option<String>,
    /// Where its sources are developed.
    pub repository: Option<String>,
    /// Where it is presented.
    pub homepage: Option<String>,
    /// Whether it is linked into the program; else it is a procedural macro, or a part of one, and runs in the compiler
    /// alone.
    pub is_linked: bool,
    /// Those it is built from, by their places in the list.
    pub needs: Vec<usize>,
}

/// Cargo names a package that it did not describe.
#[derive(Debug, thiserror::Error)]
#[error("`cargo tree` names {0}, which `cargo metadata` does not know")]
pub struct Unknown(String);

/// What cargo was asked, and answered.
#[derive(Clone, Copy, Debug)]
pub struct Answers<'a> {
    /// Of `cargo tree --edges normal --prefix depth --format ' {p}'`, for one target.
    pub tree: &'a str,
    /// Of `cargo metadata`, for the same target and features.
    pub metadata: &'a Metadata,
    /// Cargo.lock.
    pub lock: &'a Lock,
}

impl Answers<'_> {
    /// The crates that the programs of `root` are built from, itself first, the others by their names.
    ///
    /// # Errors
    /// [`Unknown`], which no cargo has made happen yet.
    pub fn crates(&self, root: &Package) -> Result<Vec<Crate>, Unknown> {
        let edges = edges(self.tree);
        let packages = Packages::of(self.metadata);
        let find = |line: &str| packages.find(line).ok_or_else(|| Unknown(line.to_owned()));
        let mut known: BTreeMap<&str, &Package> = BTreeMap::new();
        for line in edges.keys() {
            known.insert(line, find(line)?);
        }
        let is_root = |line: &&&str| known[**line].id == root.id;
        let first = edges.keys().find(is_root).ok_or_else(|| Unknown(root.name.to_string()))?;
        let all = reached(&edges, first, &|_| true);
        let linked = reached(&edges, first, &|line| !is_macro(known[line]));
        let mut order: Vec<_> = all.into_iter().filter(|line| line != first).collect();
        order.sort_by_key(|line| (&known[line].name, &known[line].version, *line));
        order.insert(0, first);
        let place = |wanted: &&str| order.iter().position(|line| line == wanted);
        let made = order.iter().map(|line| {
            let mut needs: Vec<_> = edges[line].iter().filter_map(place).collect();
            needs.sort_unstable();
            Crate { is_linked: linked.contains(line), needs, ..described(known[line], self.lock) }
        });
        Ok(made.collect())
    }
}

/// The lines that `cargo tree` names packages by, and those directly below each.
///
/// A package that was shown before has `(*)` behind it and nothing below. The same package may be there twice, built for the
/// target and for a procedural macro: its lines are the same, and what is below one of them is below both.
fn edges(tree: &str) -> BTreeMap<&str, BTreeSet<&str>> {
    let mut edges: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    let mut above: Vec<&str> = Vec::new();
    for line in tree.lines() {
        let Some((depth, package)) = line.split_once(' ') else { continue };
        let Ok(depth) = depth.parse::<usize>() else { continue };
        let package = package.trim_end().trim_end_matches(" (*)");
        above.truncate(depth);
        edges.entry(package).or_default();
        if let Some(parent) = above.last() {
            edges.entry(parent).or_default().insert(package);
        }
        above.push(package);
    }
    edges
}

/// What can be come to from `first` by way of those that `may_pass` lets, which are reached themselves; another is not.
fn reached<'a>(
    edges: &BTreeMap<&'a str, BTreeSet<&'a str>>,
    first: &'a str,
    may_pass: &dyn Fn(&str) -> bool,
) -> BTreeSet<&'a str> {
    let mut found = BTreeSet::new();
    let mut left = vec![first];
    while let Some(line) = left.pop() {
        if may_pass(line) && found.insert(line) {
            left.extend(edges.get(line).into_iter().flatten());
        }
    }
    found
}

fn is_macro(package: &Package) -> bool {
    package.targets.iter().any(|target| target.kind.contains(&TargetKind::ProcMacro))
}

/// Packages by name and version.
struct Packages<'a>(BTreeMap<(String, String), Vec<&'a Package>>);

impl<'a> Packages<'a> {
    fn of(metadata: &'a Metadata) -> Packages<'a> {
        let mut all = BTreeMap::<_, Vec<_>>::new();
        for package in &metadata.packages {
            all.entry((package.name.to_string(), package.version.to_string())).or_default().push(package);
        }
        Packages(all)
    }

    /// The one that is named as cargo names it for people: `name v1.0.0`, with a folder or a repository behind it where
    /// it is from there.
    fn find(&self, line: &str) -> Option<&'a Package> {
        let mut words = line.splitn(3, ' ');
        let (name, version) = (words.next()?, words.next()?.strip_prefix('v')?);
        let rest = words.next().unwrap_or_default();
        let found = self.0.get(&(name.to_owned(), version.to_owned()))?;
        let is_it = |package: &&&Package| match &package.source {
            None => package.manifest_path.parent().is_some_and(|folder| rest.contains(&format!("({folder})"))),
            Some(source) => match source.repr.strip_prefix("git+") {
                // The commit is shortened there.
                Some(url) => rest.contains(url.split('#').next().unwrap_or(url)),
                None => !rest.contains("://") && !rest.starts_with("(/"),
            },
        };
        found.iter().find(is_it).or(found.first().filter(|_| found.len() == 1)).copied()
    }
}

/// What Cargo.toml and Cargo.lock say of a package.
fn described(package: &Package, lock: &Lock) -> Crate {
    let (name, version) = (package.name.to_string(), package.version.to_string());
    let source = package.source.as_ref().map(|source| without_user(&source.repr));
    let checksum = package.source.as_ref().and_then(|source| lock.checksum(&name, &version, &source.repr)).cloned();
    let is_default = package.source.as_ref().is_none_or(cargo_metadata::Source::is_crates_io);
    let other = source.as_deref().filter(|_| !is_default);
    let registry = other.and_then(|source| {
        source.strip_prefix("registry+").or_else(|| source.starts_with("sparse+").then_some(source))
    });
    let repository = other.filter(|source| source.starts_with("git+")).map(at_commit);
    let checked = checksum.as_ref().map(|checksum| format!("sha256:{checksum}"));
    let purl = Purl::new("cargo", &name)
        .version(&version)
        .qualifier("repository_url", registry)
        .qualifier("vcs_url", repository.as_deref())
        .qualifier("checksum", checked.as_deref());
    Crate {
        purl: purl.text(),
        name,
        version,
        source: source.unwrap_or_else(|| "path".to_owned()),
        checksum,
        license: License::of(package),
        description: package.description.as_deref().map(|text| text.split_whitespace().collect::<Vec<_>>().join(" ")),
        repository: package.repository.clone().filter(|url| is_url(url)),
        homepage: package.homepage.clone().filter(|url| is_url(url)),
        is_linked: false,
        needs: Vec::new(),
    }
}

/// `git+URL?branch=…#COMMIT` as version control is named elsewhere: `git+URL@COMMIT` (SPDX 2.3, section 7.7).
fn at_commit(source: &str) -> String {
    let (place, commit) = source.split_once('#').unwrap_or((source, ""));
    let place = place.split('?').next().unwrap_or(place);
    if commit.is_empty() { place.to_owned() } else { format!("{place}@{commit}") }
}

/// A URL may hold the name and the password of who fetches it.
fn without_user(source: &str) -> String {
    let Some((scheme, rest)) = source.split_once("://") else { return source.to_owned() };
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    let host = host.rsplit('@').next().unwrap_or(host);
    format!("{scheme}://{host}/{path}")
}

/// Whether it can stand where a URL has to.
fn is_url(text: &str) -> bool {
    let is_web = ["https://", "http://"].iter().any(|start| text.starts_with(start));
    is_web
        && text.is_ascii()
        && !text.contains(|c: char| c.is_whitespace() || c.is_control() || "<>\"{}|\\^`".contains(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    const REGISTRY: &str = "registry+https://registry.example/index";

    fn package(name: &str, source: Option<&str>, kind: &str) -> serde_json::Value {
        let folder = source.map_or(format!("/w/{name}"), |_| format!("/r/{name}-1.0.0"));
        serde_json::json!({
            "name": name, "version": "1.0.0", "id": format!("{name} {source:?}"), "source": source, "license": "MIT",
            "manifest_path": format!("{folder}/Cargo.toml"), "dependencies": [], "features": {},
            "repository": "not a URL", "homepage": "https://example.org/x",
            "targets": [{ "kind": [kind], "crate_types": [kind], "name": name, "src_path": "/x", "edition": "2024" }],
        })
    }

    fn crates(tree: &str, packages: &[serde_json::Value]) -> Result<Vec<Crate>, Unknown> {
        let metadata: Metadata = serde_json::from_value(serde_json::json!({
            "packages": packages, "workspace_members": [], "workspace_root": "/w", "version": 1,
            "target_directory": "/w/target", "workspace_default_members": [], "resolve": null,
        }))
        .expect("metadata");
        let text =
            format!("[[package]]\nname = \"a\"\nversion = \"1.0.0\"\nsource = \"{REGISTRY}\"\nchecksum = \"ab\"\n");
        let root =
            metadata.packages.iter().find(|package| package.name.as_str() == "app").expect("the program's").clone();
        Answers { tree, metadata: &metadata, lock: &Lock::read(&text) }.crates(&root)
    }

    #[test]
    fn what_runs_in_the_compiler_alone_is_not_linked() {
        let tree = "0 app v1.0.0 (/w/app)\n1 a v1.0.0 (registry `x`)\n1 m v1.0.0 (proc-macro)\n2 a v1.0.0 (registry `x`) (*)\n\
                    2 q v1.0.0\n\n0 other v1.0.0 (/w/other)\n1 z v1.0.0\n";
        let all =
            ["m", "q", "z"].map(|name| package(name, Some(REGISTRY), if name == "m" { "proc-macro" } else { "lib" }));
        let own = [package("app", None, "bin"), package("other", None, "bin"), package("a", Some(REGISTRY), "lib")];
        let found = crates(tree, &[&all[..], &own].concat()).expect("all are known");
        let told: Vec<_> = found.iter().map(|made| (made.name.as_str(), made.is_linked, &made.needs[..])).collect();
        assert_eq!(told, [("app", true, &[1, 2][..]), ("a", true, &[]), ("m", false, &[1, 3]), ("q", false, &[])]);
        let of = "repository_url=https:%2F%2Fregistry.example%2Findex";
        assert_eq!(found[1].purl, format!("pkg:cargo/a@1.0.0?checksum=sha256:ab&{of}"));
        assert_eq!((found[0].purl.as_str(), found[0].source.as_str()), ("pkg:cargo/app@1.0.0", "path"));
        assert_eq!((&found[0].repository, found[0].homepage.as_deref()), (&None, Some("https://example.org/x")));
    }

    #[test]
    fn packages_of_one_name_are_told_apart_by_their_sources() {
        let git = "git+https://user:secret@example.org/a.git?branch=x#0123456789abcdef";
        let all = [package("app", None, "bin"), package("a", None, "lib"), package("a", Some(git), "lib")];
        let tree = "0 app v1.0.0 (/w/app)\n1 a v1.0.0 (/w/a)\n1 a v1.0.0 (https://user:secret@example.org/a.git?branch=x#01234567)\n";
        let found = crates(tree, &all).expect("all are known");
        let purls: Vec<_> = found.iter().map(|made| made.purl.as_str()).collect();
        let url = "git%2Bhttps:%2F%2Fexample.org%2Fa.git%400123456789abcdef";
        assert_eq!(purls[1..], ["pkg:cargo/a@1.0.0", &format!("pkg:cargo/a@1.0.0?vcs_url={url}")]);
        assert!(!format!("{found:?}").contains("secret"));
        let error = crates("0 app v1.0.0 (/w/app)\n1 b v1.0.0\n", &all).expect_err("b is nowhere");
        assert!(error.to_string().contains("b v1.0.0"));
    }
}
