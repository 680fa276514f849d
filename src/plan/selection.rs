//! Which packages, and what is linked into their programs: cargo's flags with cargo's meaning.

use std::collections::{HashMap, HashSet};

use cargo_metadata::{DependencyKind, Metadata, Node, Package, PackageId, TargetKind};
use globset::Glob;
use miette::{Report, miette};

use super::CPackage;
use crate::cli::CargoArgs;
use crate::error::Result;
use crate::suggest::nearest;

/// The packages that the arguments select.
///
/// # Errors
/// A name that no package of the workspace has; no name where the workspace has no package of its own.
pub fn packages<'a>(metadata: &'a Metadata, args: &CargoArgs) -> Result<Vec<&'a Package>> {
    let members = metadata.workspace_packages();
    if args.workspace {
        let is_excluded = |member: &&Package| args.exclude.iter().any(|spec| is_named(member, spec));
        return Ok(members.into_iter().filter(|member| !is_excluded(member)).collect());
    }
    if !args.packages.is_empty() {
        return named(&members, &args.packages);
    }
    if let Some(package) = metadata.root_package() {
        return Ok(vec![package]);
    }
    // `default-members`, where it narrows the members down.
    let default = metadata.workspace_default_packages();
    if default.len() < members.len() {
        return Ok(default);
    }
    Err(miette!(
        help = format!("choose with `--package NAME` ({}), or take all with `--workspace`", with_binaries(&members)),
        "{} is a workspace without a package of its own, and no package was chosen",
        metadata.workspace_root.join("Cargo.toml")
    ))
}

/// What `--exclude` names and no member is, as cargo warns of it.
pub fn unknown_exclusions(metadata: &Metadata, args: &CargoArgs) -> Vec<String> {
    let members = metadata.workspace_packages();
    let unknown = args.exclude.iter().filter(|spec| !members.iter().any(|member| is_named(member, spec)));
    let (patterns, names): (Vec<&String>, Vec<&String>) = unknown.partition(|spec| spec.contains(WILDCARDS));
    let warning = |what: &str, specs: Vec<&String>| {
        let specs: Vec<_> = specs.into_iter().map(|spec| format!("`{spec}`")).collect();
        let root = &metadata.workspace_root;
        (!specs.is_empty()).then(|| format!("excluded {what} {} not found in workspace `{root}`", specs.join(", ")))
    };
    [warning("package(s)", names), warning("package pattern(s)", patterns)].into_iter().flatten().collect()
}

/// Whether a package is what `spec` names: its name, its name and version, its id, or a pattern of its name.
fn is_named(member: &Package, spec: &str) -> bool {
    let with_version = format!("{}@{}", member.name, member.version);
    [member.name.as_str(), &with_version, &member.id.repr].contains(&spec) || fits(spec, member.name.as_str())
}

/// What makes a name a pattern (cargo's `is_glob_pattern`).
const WILDCARDS: [char; 4] = ['*', '?', '[', ']'];

/// Whether `name` fits a pattern with `*`, `?` and `[…]`, as cargo reads them.
fn fits(pattern: &str, name: &str) -> bool {
    // Braces mean nothing there.
    let pattern = pattern.replace('{', "[{]").replace('}', "[}]");
    pattern.contains(WILDCARDS) && Glob::new(&pattern).is_ok_and(|glob| glob.compile_matcher().is_match(name))
}

fn with_binaries(members: &[&Package]) -> String {
    let names: Vec<_> =
        members.iter().filter(|member| !binaries(member).is_empty()).map(|member| member.name.as_str()).collect();
    names.join(", ")
}

/// The members with these names, each once.
fn named<'a>(members: &[&'a Package], specs: &[String]) -> Result<Vec<&'a Package>> {
    let mut found: Vec<&Package> = Vec::new();
    for spec in specs {
        let before = found.len();
        let fitting = members.iter().copied().filter(|member| is_named(member, spec));
        let fitting: Vec<_> = fitting.collect();
        if fitting.is_empty() {
            return Err(unknown_package(members, spec));
        }
        let fresh: Vec<_> = fitting.into_iter().filter(|member| !found[..before].contains(member)).collect();
        found.extend(fresh);
    }
    Ok(found)
}

fn unknown_package(members: &[&Package], spec: &str) -> Report {
    let names: Vec<_> = members.iter().map(|member| member.name.as_str()).collect();
    let help = match nearest(spec, names.iter().copied()) {
        Some(name) => format!("did you mean `{name}`?"),
        None => format!("its packages are {}", names.join(", ")),
    };
    miette!(help = help, "the workspace has no package `{spec}`")
}

/// The names of a package's binaries.
pub fn binaries(package: &Package) -> Vec<&str> {
    let targets = package.targets.iter().filter(|target| target.kind.contains(&TargetKind::Bin));
    targets.map(|target| target.name.as_str()).collect()
}

/// Build-dependencies by which a package tells that it compiles C code. `links` does not: it is also set by packages
/// that only want to be there once.
const C_BUILDERS: [&str; 7] = ["cc", "cmake", "bindgen", "cxx-build", "autotools", "nasm-rs", "cpp_build"];

/// The packages that binaries of `roots` are linked with and that compile C code, in the order of their names.
///
/// Build scripts and procedural macros run here, and are compiled for here: what they use does not count.
pub fn c_packages<'a>(metadata: &Metadata, roots: impl Iterator<Item = &'a PackageId>) -> Vec<CPackage> {
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
        let name = |id: &PackageId| packages.get(id).map_or("", |package| package.name.as_str());
        if dependencies(node, DependencyKind::Build).any(|id| C_BUILDERS.contains(&name(id))) {
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

    /// Writes a package without code, whose build script (if it has build-dependencies) does nothing.
    fn package(root: &Path, name: &str, rest: &str) {
        let folder = root.join(name);
        std::fs::create_dir_all(folder.join("src")).expect("a folder");
        let manifest = format!("[package]\nname = \"{name}\"\nversion = \"1.0.0\"\nedition = \"2024\"\n{rest}\n");
        for (path, text) in [("Cargo.toml", manifest.as_str()), ("src/lib.rs", ""), ("build.rs", "fn main() {}")] {
            std::fs::write(folder.join(path), text).expect("a file");
        }
    }

    #[test]
    fn patterns_are_cargos() {
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
            // This one takes no time, however often a star could stand for something else.
            ("*a".repeat(30).as_str(), "ab".repeat(30).as_str(), false),
        ] {
            assert_eq!(fits(pattern, name), is, "{pattern} {name}");
        }
    }

    #[test]
    fn c_code_counts_where_it_is_linked_for_linux() {
        let folder = tempfile::tempdir().expect("a folder");
        let root = folder.path();
        let on = |kind: &str, name: &str| format!("[{kind}.{name}]\npath = \"../{name}\"\n");
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
