//! The crates of a binary: cargo's resolve for one target, features and packages → [`Crate`]s.
//!
//! `cargo tree --edges normal` decides which crates. `cargo metadata` has the details of each package, but merges the features
//! of all targets, build scripts and tests, and so lists packages that are not built.

use std::collections::{BTreeMap, BTreeSet};

use cargo_metadata::{Metadata, Package, TargetKind};
use serde::{Deserialize, Serialize};

use super::license::License;
use super::lock::Lock;
use super::purl::Purl;
use crate::plan::allocator::AllocatorCrate;

/// A crate of a binary.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Crate {
    /// The name.
    pub name: String,
    /// The version.
    pub version: String,
    /// The package URL.
    pub purl: String,
    /// The source: `path`, or a registry or repository as Cargo.lock names it.
    pub source: String,
    /// The SHA-256 of the archive in hexadecimal digits, from Cargo.lock.
    pub checksum: Option<String>,
    /// The license.
    pub license: Option<License>,
    /// The description.
    pub description: Option<String>,
    /// The URL of the source repository.
    pub repository: Option<String>,
    /// The URL of the home page.
    pub homepage: Option<String>,
    /// Whether it is linked into the binary. Other crates are procedural macros and their dependencies.
    pub is_linked: bool,
    /// The direct dependencies, as indices into the list of crates.
    pub needs: Vec<usize>,
}

impl Crate {
    /// Returns the crate whose C sources are an allocator.
    pub(crate) fn of_allocator(allocator: &AllocatorCrate) -> Crate {
        let checksum = format!("sha256:{}", allocator.checksum);
        let purl = Purl::new("cargo", allocator.name).version(allocator.version).qualifier("checksum", Some(&checksum));
        Crate {
            name: allocator.name.to_owned(),
            version: allocator.version.to_owned(),
            purl: purl.text(),
            source: "registry".to_owned(),
            checksum: Some(allocator.checksum.to_owned()),
            license: Some(License::Expression(allocator.license.to_owned())),
            description: Some(allocator.description.to_owned()),
            repository: Some(allocator.repository.to_owned()),
            homepage: None,
            is_linked: true,
            needs: Vec::new(),
        }
    }
}

/// Adds a crate that the first one is linked with, unless cargo has linked it too.
pub(crate) fn link(crates: &mut Vec<Crate>, added: Crate) {
    let is_same = |known: &Crate| known.name == added.name && known.version == added.version;
    let at = if let Some(at) = crates.iter().position(is_same) {
        crates[at].is_linked = true;
        at
    } else {
        crates.push(added);
        crates.len() - 1
    };
    if let Some(program) = crates.first_mut().filter(|program| !program.needs.contains(&at)) {
        program.needs.push(at);
    }
}

/// `cargo tree` lists a package that `cargo metadata` does not.
#[derive(Debug, thiserror::Error)]
#[error("`cargo tree` lists {0}, but `cargo metadata` does not")]
pub(crate) struct UnknownPackage(String);

/// Cargo's resolve for one target.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CargoResolve<'a> {
    /// The output of `cargo tree --edges normal --prefix depth --format ' {p}'`.
    pub tree: &'a str,
    /// The output of `cargo metadata`, for the same target and features.
    pub metadata: &'a Metadata,
    /// Cargo.lock.
    pub lock: &'a Lock,
}

impl CargoResolve<'_> {
    /// Returns the crates of the binaries of `root`: itself first, the others by name.
    ///
    /// # Errors
    /// Returns an error if `cargo tree` lists an unknown package. No cargo is known to do that.
    pub(crate) fn crates(&self, root: &Package) -> Result<Vec<Crate>, UnknownPackage> {
        let edges = edges(self.tree);
        let packages = Packages::of(self.metadata);
        let mut known: BTreeMap<&str, &Package> = BTreeMap::new();
        for line in edges.keys() {
            known.insert(line, packages.find(line).ok_or_else(|| UnknownPackage((*line).to_owned()))?);
        }
        let first = edges.keys().find(|line| known[**line].id == root.id);
        let first = first.ok_or_else(|| UnknownPackage(root.name.to_string()))?;
        let all = reachable(&edges, first, &|_| true);
        let linked = reachable(&edges, first, &|line| !is_macro(known[line]));
        let mut order: Vec<_> = all.into_iter().filter(|line| line != first).collect();
        order.sort_by_key(|line| (&known[line].name, &known[line].version, *line));
        order.insert(0, first);
        let crates = order.iter().map(|line| {
            let needs = edges[line].iter().filter_map(|needed| order.iter().position(|line| line == needed));
            let mut needs: Vec<_> = needs.collect();
            needs.sort_unstable();
            Crate { is_linked: linked.contains(line), needs, ..describe(known[line], self.lock) }
        });
        Ok(crates.collect())
    }
}

/// Returns the lines of `cargo tree`, each with the lines directly below it.
///
/// A package that was shown before ends with `(*)` and has nothing below it. A package that is built for the target and for a
/// procedural macro has two equal lines, whose dependencies are merged.
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

/// Returns what is reachable from `first` through lines that `may_pass` accepts, including those lines.
fn reachable<'a>(
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

/// The packages by name and version.
struct Packages<'a>(BTreeMap<(String, String), Vec<&'a Package>>);

impl<'a> Packages<'a> {
    fn of(metadata: &'a Metadata) -> Packages<'a> {
        let mut all = BTreeMap::<_, Vec<_>>::new();
        for package in &metadata.packages {
            all.entry((package.name.to_string(), package.version.to_string())).or_default().push(package);
        }
        Packages(all)
    }

    /// Returns the package of a line such as `name v1.0.0 (SOURCE)`. The source is a folder or a repository.
    fn find(&self, line: &str) -> Option<&'a Package> {
        let mut words = line.splitn(3, ' ');
        let (name, version) = (words.next()?, words.next()?.strip_prefix('v')?);
        let rest = words.next().unwrap_or_default();
        let found = self.0.get(&(name.to_owned(), version.to_owned()))?;
        let by_source = found.iter().find(|package| is_from(package, rest));
        by_source.or(found.first().filter(|_| found.len() == 1)).copied()
    }
}

/// Returns whether a package is from the source at the end of a line of `cargo tree`.
fn is_from(package: &Package, text: &str) -> bool {
    match &package.source {
        None => package.manifest_path.parent().is_some_and(|folder| text.contains(&format!("({folder})"))),
        Some(source) => match source.repr.strip_prefix("git+") {
            // `cargo tree` abbreviates the commit.
            Some(url) => text.contains(url.split('#').next().unwrap_or(url)),
            None => !text.contains("://") && !text.starts_with("(/"),
        },
    }
}

/// Returns what Cargo.toml and Cargo.lock say about a package.
fn describe(package: &Package, lock: &Lock) -> Crate {
    let (name, version) = (package.name.to_string(), package.version.to_string());
    let source = package.source.as_ref().map(|source| without_credentials(&source.repr));
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

/// Turns cargo's `git+URL?branch=…#COMMIT` into `git+URL@COMMIT` (SPDX 2.3, section 7.7).
fn at_commit(source: &str) -> String {
    let (url, commit) = source.split_once('#').unwrap_or((source, ""));
    let url = url.split('?').next().unwrap_or(url);
    if commit.is_empty() { url.to_owned() } else { format!("{url}@{commit}") }
}

/// Removes user name and password from a URL.
fn without_credentials(source: &str) -> String {
    let Some((scheme, rest)) = source.split_once("://") else { return source.to_owned() };
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    let host = host.rsplit('@').next().unwrap_or(host);
    format!("{scheme}://{host}/{path}")
}

/// Returns whether a text is a valid web URL.
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

    fn crates(tree: &str, packages: &[serde_json::Value]) -> Result<Vec<Crate>, UnknownPackage> {
        let metadata: Metadata = serde_json::from_value(serde_json::json!({
            "packages": packages, "workspace_members": [], "workspace_root": "/w", "version": 1,
            "target_directory": "/w/target", "workspace_default_members": [], "resolve": null,
        }))
        .expect("metadata");
        let text =
            format!("[[package]]\nname = \"a\"\nversion = \"1.0.0\"\nsource = \"{REGISTRY}\"\nchecksum = \"ab\"\n");
        let root =
            metadata.packages.iter().find(|package| package.name.as_str() == "app").expect("the program's").clone();
        CargoResolve { tree, metadata: &metadata, lock: &Lock::parse(&text) }.crates(&root)
    }

    #[test]
    fn crates_of_procedural_macros_are_not_linked() {
        let tree = "0 app v1.0.0 (/w/app)\n1 a v1.0.0 (registry `x`)\n1 m v1.0.0 (proc-macro)\n2 a v1.0.0 (registry `x`) (*)\n\
                    2 q v1.0.0\n\n0 other v1.0.0 (/w/other)\n1 z v1.0.0\n";
        let all =
            ["m", "q", "z"].map(|name| package(name, Some(REGISTRY), if name == "m" { "proc-macro" } else { "lib" }));
        let own = [package("app", None, "bin"), package("other", None, "bin"), package("a", Some(REGISTRY), "lib")];
        let found = crates(tree, &[&all[..], &own].concat()).expect("all are known");
        let crates: Vec<_> = found.iter().map(|made| (made.name.as_str(), made.is_linked, &made.needs[..])).collect();
        assert_eq!(crates, [("app", true, &[1, 2][..]), ("a", true, &[]), ("m", false, &[1, 3]), ("q", false, &[])]);
        let of = "repository_url=https:%2F%2Fregistry.example%2Findex";
        assert_eq!(found[1].purl, format!("pkg:cargo/a@1.0.0?checksum=sha256:ab&{of}"));
        assert_eq!((found[0].purl.as_str(), found[0].source.as_str()), ("pkg:cargo/app@1.0.0", "path"));
        assert_eq!((&found[0].repository, found[0].homepage.as_deref()), (&None, Some("https://example.org/x")));
    }

    #[test]
    fn allocator_is_linked_with_the_program() {
        let mut found = crates("0 app v1.0.0 (/w/app)\n", &[package("app", None, "bin")]).expect("all are known");
        let allocator = AllocatorCrate::of(crate::config::Allocator::Jemalloc).expect("a crate");
        for _ in 0..2 {
            link(&mut found, Crate::of_allocator(allocator));
        }
        assert_eq!((found.len(), &found[0].needs[..], found[1].is_linked), (2, &[1][..], true));
        assert!(found[1].purl.starts_with("pkg:cargo/tikv-jemalloc-sys@0.7.1%2B5.3.1"), "{}", found[1].purl);
    }

    #[test]
    fn crates_of_one_name_differ_by_source() {
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
