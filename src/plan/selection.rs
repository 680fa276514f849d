//! The packages that are built: cargo's flags with cargo's meaning.

use cargo_metadata::{Metadata, Package, TargetKind};
use globset::Glob;
use miette::{Report, miette};

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
        let included = members.into_iter().filter(|member| !args.exclude.iter().any(|spec| is_named(member, spec)));
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
    let unknown = args.exclude.iter().filter(|spec| !members.iter().any(|member| is_named(member, spec)));
    let (patterns, names): (Vec<&String>, Vec<&String>) = unknown.partition(|spec| spec.contains(WILDCARDS));
    let warning = |what: &str, specs: Vec<&String>| {
        let specs: Vec<_> = specs.into_iter().map(|spec| format!("`{spec}`")).collect();
        let root = &metadata.workspace_root;
        (!specs.is_empty()).then(|| format!("excluded {what} {} not found in workspace `{root}`", specs.join(", ")))
    };
    [warning("package(s)", names), warning("package pattern(s)", patterns)].into_iter().flatten().collect()
}

/// Returns whether `spec` matches a package: its name, its name and version, its id, or a pattern for its name.
fn is_named(member: &Package, spec: &str) -> bool {
    let with_version = format!("{}@{}", member.name, member.version);
    [member.name.as_str(), &with_version, &member.id.repr].contains(&spec) || matches(spec, member.name.as_str())
}

/// The characters that make a name a pattern (cargo's `is_glob_pattern`).
const WILDCARDS: [char; 4] = ['*', '?', '[', ']'];

/// Returns whether `name` matches a pattern with `*`, `?` and `[…]`, as in cargo.
fn matches(pattern: &str, name: &str) -> bool {
    // Braces have no meaning in cargo.
    let pattern = pattern.replace('{', "[{]").replace('}', "[}]");
    pattern.contains(WILDCARDS) && Glob::new(&pattern).is_ok_and(|glob| glob.compile_matcher().is_match(name))
}

fn with_binaries(members: &[&Package]) -> String {
    let names: Vec<_> =
        members.iter().filter(|member| !binaries(member).is_empty()).map(|member| member.name.as_str()).collect();
    names.join(", ")
}

/// Returns the members with these names, each once.
fn named<'a>(members: &[&'a Package], specs: &[String]) -> Result<Vec<&'a Package>> {
    let mut found: Vec<&Package> = Vec::new();
    for spec in specs {
        let before = found.len();
        let matching: Vec<_> = members.iter().copied().filter(|member| is_named(member, spec)).collect();
        if matching.is_empty() {
            return Err(unknown_package(members, spec));
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
    let help = match nearest(spec, names.iter().copied()) {
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

#[cfg(test)]
mod tests {
    use super::*;

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
            assert_eq!(matches(pattern, name), is, "{pattern} {name}");
        }
    }
}
