//! The packages that are built: cargo's flags with cargo's meaning.

use std::path::Path;

use cargo_metadata::{Metadata, Package, TargetKind};
use miette::{Report, miette};

use super::spec::PackageSpec;
use crate::cli::CargoArgs;
use crate::error::Result;
use crate::suggest::nearest;

/// Returns the packages that the arguments select.
///
/// # Errors
/// Returns an error if no package of the workspace has a given name, or if none is given for a virtual workspace.
pub(crate) fn packages<'a>(metadata: &'a Metadata, args: &CargoArgs) -> Result<Vec<&'a Package>> {
    let members = metadata.workspace_packages();
    if args.workspace {
        let excluded: Vec<_> = args.exclude.iter().map(|spec| PackageSpec::parse(spec)).collect();
        let included = members.into_iter().filter(|member| !excluded.iter().any(|spec| spec.matches(member)));
        return Ok(included.collect());
    }
    if !args.packages.is_empty() {
        return named(&members, &args.packages);
    }
    if let Some(package) = metadata.root_package() {
        return Ok(vec![package]);
    }
    // `default-members`, if they are not all members.
    let default = metadata.workspace_default_packages();
    if default.len() < members.len() {
        return Ok(default);
    }
    Err(miette!(
        help =
            format!("choose a package with `--package NAME` ({}), or all with `--workspace`", with_binaries(&members)),
        "{} is a virtual workspace, and no package is selected",
        metadata.workspace_root.join("Cargo.toml")
    ))
}

/// Returns warnings about `--exclude` that match no member, with cargo's words.
pub(crate) fn unknown_exclusions(metadata: &Metadata, args: &CargoArgs) -> Vec<String> {
    let members = metadata.workspace_packages();
    let unknown = args.exclude.iter().filter(|text| {
        let spec = PackageSpec::parse(text);
        !members.iter().any(|member| spec.matches(member))
    });
    let (patterns, names): (Vec<&String>, Vec<&String>) =
        unknown.partition(|text| PackageSpec::parse(text).is_pattern());
    let warning = |what: &str, specs: Vec<&String>| {
        let specs: Vec<_> = specs.into_iter().map(|spec| format!("`{spec}`")).collect();
        let root = &metadata.workspace_root;
        (!specs.is_empty()).then(|| format!("excluded {what} {} not found in workspace `{root}`", specs.join(", ")))
    };
    [warning("package(s)", names), warning("package pattern(s)", patterns)].into_iter().flatten().collect()
}

fn with_binaries(members: &[&Package]) -> String {
    let names: Vec<_> =
        members.iter().filter(|member| !binaries(member).is_empty()).map(|member| member.name.as_str()).collect();
    names.join(", ")
}

/// Returns the members with these names, each once.
fn named<'a>(members: &[&'a Package], specs: &[String]) -> Result<Vec<&'a Package>> {
    let mut found: Vec<&Package> = Vec::new();
    for text in specs {
        let before = found.len();
        let spec = PackageSpec::parse(text);
        let matching: Vec<_> = members.iter().copied().filter(|member| spec.matches(member)).collect();
        if matching.is_empty() {
            return Err(unknown_package(members, text));
        }
        for member in matching {
            if !found[..before].contains(&member) {
                found.push(member);
            }
        }
    }
    Ok(found)
}

fn unknown_package(members: &[&Package], spec: &str) -> Report {
    let names: Vec<_> = members.iter().map(|member| member.name.as_str()).collect();
    // Cargo takes no paths, but URLs.
    let of_folder = members.iter().find(|member| {
        let folder = member.manifest_path.parent().and_then(|folder| folder.canonicalize().ok());
        folder.is_some_and(|folder| Path::new(spec).canonicalize().is_ok_and(|given| given == folder))
    });
    let help = match of_folder.map(|member| member.name.as_str()).or_else(|| nearest(spec, names.iter().copied())) {
        Some(name) => format!("did you mean `{name}`?"),
        None => format!("its packages are {}", names.join(", ")),
    };
    miette!(help = help, "the workspace has no package `{spec}`")
}

/// Returns the names of a package's binaries.
pub(crate) fn binaries(package: &Package) -> Vec<&str> {
    let targets = package.targets.iter().filter(|target| target.kind.contains(&TargetKind::Bin));
    targets.map(|target| target.name.as_str()).collect()
}
