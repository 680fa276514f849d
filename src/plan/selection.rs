//! The packages that are built: cargo's flags with cargo's meaning.

use cargo_metadata::{Metadata, Package, TargetKind};
use globset::Glob;
use miette::{Report, miette};

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

#[cfg(test)]
mod tests {
    use super::*;

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
}
