//! The crates in SBOMs, and their licenses.

use cargo_metadata::semver::Version;
use serde_json::Value;
use spdx::{Expression, LicenseReq, Licensee};

use crate::config::Policy;
use crate::image::predicate;
use crate::inspect::packages::{SbomPackage, of_json};

/// How many crates an error names.
const MOST_NAMED: usize = 5;

/// Returns which crates have a license that is not allowed, and which are denied; `None` if there are none.
pub(super) fn check(policy: &Policy, documents: &[(String, Value)]) -> (Option<String>, Option<String>) {
    let sboms = documents.iter().filter(|(kind, _)| kind == predicate::CYCLONEDX || kind == predicate::SPDX);
    let mut crates: Vec<SbomPackage> = sboms.flat_map(|(_, sbom)| of_json(sbom).unwrap_or_default()).collect();
    // A base has packages of other kinds, which are for others to judge.
    crates.retain(|package| package.purl.as_ref().is_some_and(|purl| purl.starts_with("pkg:cargo/")));
    crates.sort();
    crates.dedup();
    if crates.is_empty() {
        let nothing = |has_rule: bool| has_rule.then(|| "no SBOM lists crates".to_owned());
        return (nothing(!policy.licenses.is_empty()), nothing(!policy.deny_crates.is_empty()));
    }
    let allowed: Vec<_> = policy.licenses.iter().filter_map(|license| Licensee::parse(license).ok()).collect();
    let licenses = crates.iter().filter(|_| !allowed.is_empty()).filter_map(|package| {
        let license = package.license.as_deref().unwrap_or_default();
        let is_allowed = Expression::parse(license).is_ok_and(|expression| {
            expression.evaluate(|wanted: &LicenseReq| allowed.iter().any(|own| own.satisfies(wanted)))
        });
        let named =
            if license.is_empty() { "names no license".to_owned() } else { format!("has the license {license}") };
        (!is_allowed).then(|| format!("{} {named}", shown(package)))
    });
    let denied = crates.iter().filter_map(|package| {
        let rule = policy.deny_crates.iter().find(|rule| {
            let version = package.version.as_deref().and_then(|version| Version::parse(version).ok());
            // A version that nobody can read is none that is known to be right.
            let is_denied = |versions: &cargo_metadata::semver::VersionReq| {
                version.is_none_or(|version| versions.matches(&version))
            };
            rule.name == package.name && rule.versions.as_ref().is_none_or(is_denied)
        })?;
        Some(format!("{} is denied by {rule}", shown(package)))
    });
    (listed(licenses.collect()), listed(denied.collect()))
}

fn shown(package: &SbomPackage) -> String {
    format!("{} {}", package.name, package.version.as_deref().unwrap_or_default()).trim_end().to_owned()
}

fn listed(all: Vec<String>) -> Option<String> {
    let more = all.len().saturating_sub(MOST_NAMED);
    let named = all.into_iter().take(MOST_NAMED).collect::<Vec<_>>().join("; ");
    let more = if more > 0 { format!("; and {more} more") } else { String::new() };
    (!named.is_empty()).then(|| named + &more)
}
