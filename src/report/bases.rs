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
        PinState::Unknown => "unknown: the tag cannot be resolved",
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

/// Returns the digest, and the day of the image if it is known.
fn age(age: &BaseAge) -> String {
    let day = age.created.as_deref().and_then(|created| created.split('T').next());
    match (day, age.days) {
        (Some(day), Some(days)) => {
            format!(
                "{}  created {day}, {days} {} ago",
                age.digest,
                plural(usize::try_from(days).unwrap_or_default(), "day")
            )
        }
        _ => age.digest.to_string(),
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::digest::sha256;
    use crate::inspect::base_pins::{CertificateChanges, LayerChanges};
    use crate::inspect::package_changes::PackageChanges;

    #[test]
    fn base_lines_have_days_and_changes() {
        let aged = |created: &str, days: Option<i64>| {
            Some(BaseAge { digest: sha256(b""), created: Some(created.to_owned()), days })
        };
        let base = CheckedBase {
            base: "a.io/b:1@sha256:x".to_owned(),
            state: PinState::Behind,
            images: vec!["x".to_owned(), "y\u{1b}".to_owned()],
            manifest: None,
            table: None,
            pinned: aged("1970-01-01T00:00:00Z", None),
            current: aged("2026-11-20T10:00:00Z", Some(9)),
            changes: Some(BaseChanges {
                platform: "linux/amd64".to_owned(),
                layers: LayerChanges { added: 2, kept: 1, bytes: 2048 },
                packages: PackageChanges::default(),
                certificates: CertificateChanges::default(),
                os_release: vec![FieldChange { key: "ID".to_owned(), from: None, to: Some("debian".to_owned()) }],
            }),
            problem: Some("gone".to_owned()),
        };
        let digest = sha256(b"");
        assert_eq!(
            lines(&CheckedBases { bases: vec![base] }),
            format!(
                "a.io/b:1  behind\n  images        x, y\\u{{1b}}\n  in            no table: it is the default\n  \
                 pinned        {digest}\n  current       {digest}  created 2026-11-20, 9 days ago\n  \
                 layers        2 new layers, 2.0 KiB; 1 kept (linux/amd64)\n  packages      the same\n  \
                 os-release    ID nothing → debian\n  problem       gone\n"
            )
        );
    }
}
