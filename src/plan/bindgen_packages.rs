//! Packages that read C headers with bindgen. It starts no compiler that could name the headers of each target.

use std::collections::{HashMap, HashSet};

use cargo_metadata::{DependencyKind, Metadata, Node, PackageId, TargetKind};

/// A package whose build script reads C headers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BindgenPackage {
    /// Its id in cargo's messages.
    pub id: PackageId,
    /// Its name and version.
    pub name: String,
}

/// The package that does it.
const BINDGEN: &str = "bindgen";

/// Returns the packages that binaries of `roots` are linked with and whose build scripts use bindgen, by name.
///
/// Build scripts and procedural macros run on this machine and are compiled for it: what they are linked with does not count.
pub(crate) fn bindgen_packages<'a>(
    metadata: &'a Metadata,
    roots: impl Iterator<Item = &'a PackageId>,
) -> Vec<BindgenPackage> {
    let packages: HashMap<_, _> = metadata.packages.iter().map(|package| (&package.id, package)).collect();
    let nodes = metadata.resolve.iter().flat_map(|resolve| &resolve.nodes);
    let nodes: HashMap<_, _> = nodes.map(|node| (&node.id, node)).collect();
    let mut found = Vec::new();
    // Most graphs have none, and are not walked.
    let bindgen = metadata.packages.iter().filter(|package| package.name == BINDGEN);
    let using = with_dependents(bindgen.map(|package| &package.id).collect(), &nodes);
    if using.is_empty() {
        return found;
    }
    let mut seen = HashSet::new();
    let mut left: Vec<_> = roots.collect();
    while let Some(id) = left.pop() {
        let (Some(package), Some(node)) = (packages.get(id), nodes.get(id)) else {
            continue;
        };
        let is_macro = package.targets.iter().any(|target| target.kind.contains(&TargetKind::ProcMacro));
        if is_macro || !seen.insert(id) {
            continue;
        }
        if dependencies(node, DependencyKind::Build).any(|id| using.contains(id)) {
            found.push(BindgenPackage { id: id.clone(), name: format!("{} v{}", package.name, package.version) });
        }
        left.extend(dependencies(node, DependencyKind::Normal));
    }
    found.sort_by(|a, b| a.name.cmp(&b.name));
    found
}

/// Returns packages, and those that are linked with them.
fn with_dependents<'a>(
    mut found: HashSet<&'a PackageId>,
    nodes: &HashMap<&'a PackageId, &'a Node>,
) -> HashSet<&'a PackageId> {
    loop {
        let before = found.len();
        let new =
            nodes.iter().filter(|(_, node)| dependencies(node, DependencyKind::Normal).any(|id| found.contains(id)));
        let new: Vec<_> = new.map(|(id, _)| *id).collect();
        found.extend(new);
        if found.len() == before {
            return found;
        }
    }
}

fn dependencies(node: &Node, kind: DependencyKind) -> impl Iterator<Item = &PackageId> {
    let of_kind =
        move |dependency: &&cargo_metadata::NodeDep| dependency.dep_kinds.iter().any(|info| info.kind == kind);
    node.deps.iter().filter(of_kind).map(|dependency| &dependency.pkg)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    /// Writes a package without code and with an empty build script.
    fn package(root: &Path, name: &str, rest: &str) {
        let folder = root.join(name);
        std::fs::create_dir_all(folder.join("src")).expect("a folder");
        let manifest = format!("[package]\nname = \"{name}\"\nversion = \"1.0.0\"\nedition = \"2024\"\n{rest}\n");
        for (path, text) in [("Cargo.toml", manifest.as_str()), ("src/lib.rs", ""), ("build.rs", "fn main() {}")] {
            std::fs::write(folder.join(path), text).expect("a file");
        }
    }

    fn on(kind: &str, name: &str) -> String {
        format!("[{kind}.{name}]\npath = \"../{name}\"\n")
    }

    #[test]
    fn bindgen_packages_are_those_linked_for_linux() {
        let folder = tempfile::tempdir().expect("a folder");
        let root = folder.path();
        package(root, "bindgen", "");
        package(root, "bindings", &on("dependencies", "bindgen"));
        package(
            root,
            "app",
            &[
                on("dependencies", "wrapper"),
                on("dependencies", "c-alone"),
                on("dependencies", "macros"),
                on("build-dependencies", "c-for-the-host"),
                on("target.'cfg(windows)'.dependencies", "c-for-windows"),
            ]
            .concat(),
        );
        package(root, "wrapper", &format!("{}{}", on("dependencies", "c-linked"), on("dependencies", "c-indirect")));
        package(root, "c-alone", "links = \"x\"");
        package(root, "macros", &format!("[lib]\nproc-macro = true\n{}", on("dependencies", "c-in-a-macro")));
        for name in ["c-linked", "c-for-the-host", "c-for-windows", "c-in-a-macro"] {
            package(root, name, &on("build-dependencies", "bindgen"));
        }
        package(root, "c-indirect", &on("build-dependencies", "bindings"));
        let metadata = cargo_metadata::MetadataCommand::new()
            .manifest_path(root.join("app/Cargo.toml"))
            .other_options(["--offline", "--filter-platform", "x86_64-unknown-linux-musl"].map(str::to_owned))
            .exec()
            .expect("metadata");
        let app = &metadata.root_package().expect("a package").id;
        let found = bindgen_packages(&metadata, [app].into_iter());
        let names: Vec<_> = found.into_iter().map(|package| package.name).collect();
        assert_eq!(names, ["c-indirect v1.0.0", "c-linked v1.0.0"]);
    }
}
