//! Packages that compile C code, which need a C compiler for each target.

use std::collections::{HashMap, HashSet};

use cargo_metadata::{DependencyKind, Metadata, Node, PackageId, TargetKind};

/// A package that compiles C code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CPackage {
    /// Its id in cargo's messages.
    pub id: PackageId,
    /// Its name and version.
    pub name: String,
}

/// The build-dependencies of packages that compile C code. `links` is no sign of it: packages also set it to be linked only
/// once.
const C_BUILDERS: [&str; 7] = ["cc", "cmake", "bindgen", "cxx-build", "autotools", "nasm-rs", "cpp_build"];

/// Returns the packages that binaries of `roots` are linked with and that compile C code, by name.
///
/// Build scripts and procedural macros run on this machine and are compiled for it: their dependencies do not count.
pub(crate) fn c_packages<'a>(metadata: &Metadata, roots: impl Iterator<Item = &'a PackageId>) -> Vec<CPackage> {
    let packages: HashMap<_, _> = metadata.packages.iter().map(|package| (&package.id, package)).collect();
    let nodes = metadata.resolve.iter().flat_map(|resolve| &resolve.nodes);
    let nodes: HashMap<_, _> = nodes.map(|node| (&node.id, node)).collect();
    let mut found = Vec::new();
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
        let mut of_build = dependencies(node, DependencyKind::Build).filter_map(|id| packages.get(id));
        if of_build.any(|package| C_BUILDERS.contains(&package.name.as_str())) {
            found.push(CPackage { id: id.clone(), name: format!("{} v{}", package.name, package.version) });
        }
        left.extend(dependencies(node, DependencyKind::Normal));
    }
    found.sort_by(|a, b| a.name.cmp(&b.name));
    found
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
    fn c_packages_are_those_linked_for_linux() {
        let folder = tempfile::tempdir().expect("a folder");
        let root = folder.path();
        package(root, "cc", "");
        package(
            root,
            "app",
            &[
                on("dependencies", "wrapper"),
                on("dependencies", "links-only"),
                on("dependencies", "macros"),
                on("build-dependencies", "c-for-the-host"),
                on("target.'cfg(windows)'.dependencies", "c-for-windows"),
            ]
            .concat(),
        );
        package(root, "wrapper", &on("dependencies", "c-linked"));
        package(root, "links-only", "links = \"x\"");
        package(root, "macros", &format!("[lib]\nproc-macro = true\n{}", on("dependencies", "c-in-a-macro")));
        for name in ["c-linked", "c-for-the-host", "c-for-windows", "c-in-a-macro"] {
            package(root, name, &on("build-dependencies", "cc"));
        }
        let metadata = cargo_metadata::MetadataCommand::new()
            .manifest_path(root.join("app/Cargo.toml"))
            .other_options(["--offline", "--filter-platform", "x86_64-unknown-linux-musl"].map(str::to_owned))
            .exec()
            .expect("metadata");
        let app = &metadata.root_package().expect("a package").id;
        let found: Vec<_> = c_packages(&metadata, [app].into_iter()).into_iter().map(|package| package.name).collect();
        assert_eq!(found, ["c-linked v1.0.0"]);
    }
}
