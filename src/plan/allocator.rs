//! Where the allocators of the key `allocator` come from, and whether a program may want one.

use std::collections::HashSet;
use std::path::PathBuf;

use cargo_metadata::{Metadata, PackageId};

use crate::config::Allocator;

/// The crate whose archive has the C sources of an allocator. Nothing else of it is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct AllocatorCrate {
    /// The name.
    pub name: &'static str,
    /// The version.
    pub version: &'static str,
    /// The SHA-256 of the archive.
    pub checksum: &'static str,
    /// The license, as SPDX writes it.
    pub license: &'static str,
    /// What is in it.
    pub description: &'static str,
    /// The URL of its source repository.
    pub repository: &'static str,
}

const MIMALLOC: AllocatorCrate = AllocatorCrate {
    name: "libmimalloc-sys",
    version: "0.1.49",
    checksum: "6a45a52f43e1c16f667ccfe4dd8c85b7f7c204fd5e3bf46c5b0db9a5c3c0b8e9",
    license: "MIT",
    description: "The allocator mimalloc 3.3.2",
    repository: "https://github.com/purpleprotocol/mimalloc_rust",
};

const JEMALLOC: AllocatorCrate = AllocatorCrate {
    name: "tikv-jemalloc-sys",
    version: "0.7.1+5.3.1-0-g81034ce1f1373e37dc865038e1bc8eeecf559ce8",
    checksum: "1a2825c78386b4ae0314074867860ba9577875de945f05992c38815cbec327f0",
    license: "MIT OR Apache-2.0",
    description: "The allocator jemalloc 5.3.1",
    repository: "https://github.com/tikv/jemallocator",
};

impl AllocatorCrate {
    /// Returns the crate of an allocator, or `None` if the C library has it.
    pub(crate) fn of(allocator: Allocator) -> Option<&'static AllocatorCrate> {
        match allocator {
            Allocator::System => None,
            Allocator::Mimalloc => Some(&MIMALLOC),
            Allocator::Jemalloc => Some(&JEMALLOC),
        }
    }
}

/// Advice about an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Advice {
    /// The layout of the image: it is given once for each.
    pub layout: PathBuf,
    /// The text.
    pub text: String,
}

/// Crates that have an allocator for Rust programs.
const ALLOCATORS: [&str; 8] = [
    "mimalloc",
    "tikv-jemallocator",
    "jemallocator",
    "snmalloc-rs",
    "rpmalloc",
    "tcmalloc",
    "tcmalloc-better",
    "dlmalloc",
];

/// Returns the crate by which a package uses many threads, or `None` if there is none, or if it has an allocator of its own.
pub(crate) fn many_threads(metadata: &Metadata, package: &PackageId) -> Option<&'static str> {
    let nodes = metadata.resolve.iter().flat_map(|resolve| &resolve.nodes).collect::<Vec<_>>();
    let mut seen = HashSet::new();
    let mut left = vec![package];
    let mut found = None;
    while let Some(id) = left.pop() {
        let Some(node) = nodes.iter().find(|node| node.id == *id).filter(|_| seen.insert(id)) else { continue };
        let name = metadata[id].name.as_str();
        if ALLOCATORS.contains(&name) {
            return None;
        }
        let is_parallel = node.features.iter().any(|feature| feature.as_str() == "rt-multi-thread");
        match name {
            "tokio" if is_parallel => found = Some("tokio"),
            "rayon-core" => found = found.or(Some("rayon")),
            _ => {}
        }
        let is_normal = |kind: &cargo_metadata::DepKindInfo| kind.kind == cargo_metadata::DependencyKind::Normal;
        left.extend(node.deps.iter().filter(|dep| dep.dep_kinds.iter().any(is_normal)).map(|dep| &dep.pkg));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn metadata(dependencies: &[(&str, &str, &[&str])]) -> Metadata {
        let names = ["app"].into_iter().chain(dependencies.iter().map(|(name, ..)| *name));
        let packages: Vec<Value> = names
            .map(|name| {
                json!({
                    "name": name, "version": "1.0.0", "id": name, "manifest_path": format!("/{name}/Cargo.toml"),
                    "dependencies": [], "targets": [], "features": {},
                })
            })
            .collect();
        let edge = |(name, kind, _): &(&str, &str, &[&str])| {
            let kind = if *kind == "normal" { Value::Null } else { json!(kind) };
            json!({ "name": name, "pkg": name, "dep_kinds": [{ "kind": kind, "target": null }] })
        };
        let app = json!({ "id": "app", "dependencies": [], "features": [],
                          "deps": dependencies.iter().map(edge).collect::<Vec<_>>() });
        let leaf = |(name, _, features): &(&str, &str, &[&str])| json!({ "id": name, "dependencies": [], "deps": [], "features": features });
        let nodes: Vec<_> = [app].into_iter().chain(dependencies.iter().map(leaf)).collect();
        serde_json::from_value(json!({
            "packages": packages, "workspace_members": ["app"], "workspace_root": "/", "version": 1, "target_directory": "/t",
            "workspace_default_members": [], "resolve": { "nodes": nodes, "root": "app" },
        }))
        .expect("metadata")
    }

    #[test]
    fn many_threads_are_those_of_tokio_and_rayon() {
        let app = PackageId { repr: "app".to_owned() };
        let threads = |dependencies: &[(&str, &str, &[&str])]| many_threads(&metadata(dependencies), &app);
        assert_eq!(threads(&[("tokio", "normal", &["rt", "rt-multi-thread"])]), Some("tokio"));
        assert_eq!(threads(&[("tokio", "normal", &["rt"])]), None);
        assert_eq!(threads(&[("rayon-core", "normal", &[])]), Some("rayon"));
        assert_eq!(threads(&[("rayon-core", "build", &[])]), None, "a build script");
        assert_eq!(threads(&[("mimalloc", "normal", &[]), ("rayon-core", "normal", &[])]), None);
    }
}
