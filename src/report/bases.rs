//! The bases of a workspace → lines.

use std::fmt::Write as _;

use super::lines::{plural, size};
use crate::inspect::base_pins::{BaseAge, BaseChanges, CheckedBase, CheckedBases, FieldChange, PinState};
use crate::inspect::package_changes::ListedPackage;
use crate::sanitize::sanitize;

/// Returns the lines of all bases: the base and its state, and below it what there is to know.
pub(crate) fn lines(found: &CheckedBases) -> String {
    sanitize(&found.bases.iter().map(base).collect::<String>())
}

fn base(base: &CheckedBase) -> String {
    let state = match base.state {
        PinState::Current => "current",
        PinState::Behind => "behind",
        PinState::NotPinned => "not pinned: `cargo oci base pin` pins it",
        PinState::NoTag => "cannot be checked: no tag",
        PinState::NotInRegistry => "not in a registry",
    };
    let name = base.base.split('@').next().unwrap_or(&base.base);
    let mut text = format!("{name}  {state}\n");
    let mut line = |what: &str, value: &str| {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "  {what:<12}  {value}");
    };
    line("images", &base.images.join(", "));
    match (&base.manifest, &base.table) {
        (Some(manifest), Some(table)) => line("in", &format!("{table} of {manifest}")),
        _ => line("in", "no table: it is the default"),
    }
    if let Some(pinned) = &base.pinned {
        line("pinned", &age(pinned));
    }
    if let Some(current) = base.current.as_ref().filter(|_| base.state != PinState::Current) {
        line("current", &age(current));
    }
    if let Some(changes) = &base.changes {
        for (what, value) in changed(changes) {
            line(what, &value);
        }
    }
    if let Some(problem) = &base.problem {
        line("problem", problem);
    }
    text
}

/// Returns the digest, and the day if it is more than what tools write that build reproducibly.
fn age(age: &BaseAge) -> String {
    let day = age.created.as_deref().and_then(|created| created.split('T').next());
    let created = day.filter(|day| !day.starts_with("1970-") && !day.starts_with("1980-") && !day.starts_with("0001-"));
    created.map_or_else(|| age.digest.to_string(), |day| format!("{}  created {day}", age.digest))
}

fn changed(changes: &BaseChanges) -> Vec<(&'static str, String)> {
    let layers = &changes.layers;
    let mut found = vec![(
        "layers",
        format!(
            "{} new {}, {}; {} kept ({})",
            layers.added,
            plural(layers.added, "layer"),
            size(layers.bytes),
            layers.kept,
            changes.platform
        ),
    )];
    let version = |version: &Option<String>| version.clone().unwrap_or_else(|| "?".to_owned());
    let listed =
        |sign: char| move |package: &ListedPackage| format!("{sign}{} {}", package.name, version(&package.version));
    let packages = &changes.packages;
    if packages.is_empty() {
        found.push(("packages", "the same".to_owned()));
    }
    let all = packages
        .changed
        .iter()
        .map(|one| format!("{} {} → {}", one.name, version(&one.from), version(&one.to)))
        .chain(packages.added.iter().map(listed('+')))
        .chain(packages.removed.iter().map(listed('-')));
    found.extend(all.map(|package| ("package", package)));
    let certificates = &changes.certificates;
    if certificates.added + certificates.removed > 0 {
        found.push(("certificates", format!("+{} -{}", certificates.added, certificates.removed)));
    }
    let field = |change: &FieldChange| {
        let value = |value: &Option<String>| value.clone().unwrap_or_else(|| "nothing".to_owned());
        ("os-release", format!("{} {} → {}", change.key, value(&change.from), value(&change.to)))
    };
    found.extend(changes.os_release.iter().map(field));
    found
}
