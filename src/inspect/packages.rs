//! The packages that an SBOM lists, in either format.

use std::collections::BTreeSet;

use miette::miette;
use serde::Serialize;
use serde_json::Value;

use crate::error::Result;

/// A package in an SBOM.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct SbomPackage {
    /// Its name.
    pub name: String,
    /// Its version, if the SBOM names one.
    pub version: Option<String>,
    /// Its license, an SPDX expression as a rule, if the SBOM names one.
    pub license: Option<String>,
    /// Its package URL, if the SBOM names one.
    pub purl: Option<String>,
}

/// Returns the packages of an SBOM, sorted by name and version: the components of CycloneDX, without what is excluded from
/// the image, or the packages of SPDX 2.
///
/// # Errors
/// Returns an error if the document is neither.
pub(crate) fn packages(document: &[u8]) -> Result<Vec<SbomPackage>> {
    let json: Value = serde_json::from_slice(document)
        .map_err(|error| miette!(help = "print it as it is, without `--format`", "the SBOM is not JSON: {error}"))?;
    of_json(&json)
}

/// Returns the same of an SBOM that is parsed already.
///
/// # Errors
/// Returns an error if the document is neither.
pub(crate) fn of_json(json: &Value) -> Result<Vec<SbomPackage>> {
    let mut found = BTreeSet::new();
    if json["bomFormat"] == "CycloneDX" {
        add_components(&json["components"], &mut found);
    } else if json["spdxVersion"].is_string() {
        found.extend(items(&json["packages"]).filter_map(of_spdx));
    } else {
        return Err(miette!(
            help = "print it as it is, without `--format`",
            "the SBOM is neither CycloneDX nor SPDX 2"
        ));
    }
    Ok(found.into_iter().collect())
}

/// Adds components, and those inside them (CycloneDX 1.6, "components").
fn add_components(components: &Value, found: &mut BTreeSet<SbomPackage>) {
    for component in items(components) {
        add_components(&component["components"], found);
        if component["scope"] == "excluded" || component["type"] == "file" {
            continue;
        }
        if let Some(name) = text(&component["name"]) {
            let licenses = items(&component["licenses"]).filter_map(|choice| {
                let license = &choice["license"];
                text(&choice["expression"]).or_else(|| text(&license["id"])).or_else(|| text(&license["name"]))
            });
            let (version, purl) = (text(&component["version"]), text(&component["purl"]));
            found.insert(SbomPackage { name, version, license: joined(licenses), purl });
        }
    }
}

/// Returns a package of SPDX 2.3 (clause 7). `NOASSERTION` and `NONE` are no licenses.
fn of_spdx(package: &Value) -> Option<SbomPackage> {
    let known = |license: &String| !["NOASSERTION", "NONE"].contains(&license.as_str());
    let license = ["licenseConcluded", "licenseDeclared"].into_iter().find_map(|key| text(&package[key]).filter(known));
    let purl = items(&package["externalRefs"]).find(|entry| entry["referenceType"] == "purl");
    Some(SbomPackage {
        name: text(&package["name"])?,
        version: text(&package["versionInfo"]),
        license,
        purl: purl.and_then(|entry| text(&entry["referenceLocator"])),
    })
}

fn items(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn text(value: &Value) -> Option<String> {
    value.as_str().filter(|text| !text.is_empty()).map(str::to_owned)
}

fn joined(texts: impl Iterator<Item = String>) -> Option<String> {
    let all: Vec<_> = texts.collect();
    (!all.is_empty()).then(|| all.join(" AND "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn shown(document: &Value) -> Vec<String> {
        let found = packages(document.to_string().as_bytes()).expect("an SBOM");
        let shown = |package: SbomPackage| {
            [Some(package.name), package.version, package.license].map(Option::unwrap_or_default).join(" ")
        };
        found.into_iter().map(shown).collect()
    }

    #[test]
    fn packages_are_those_of_either_format() {
        let cyclonedx = json!({ "bomFormat": "CycloneDX", "components": [
            { "type": "library", "name": "b", "version": "2", "licenses": [{ "expression": "MIT OR Apache-2.0" }] },
            { "type": "library", "name": "a", "version": "1", "licenses": [{ "license": { "id": "MIT" } }],
              "components": [{ "type": "library", "name": "inner" }] },
            { "type": "library", "name": "build", "version": "1", "scope": "excluded" },
            { "type": "file", "name": "app" },
        ] });
        assert_eq!(shown(&cyclonedx), ["a 1 MIT", "b 2 MIT OR Apache-2.0", "inner  "]);
        let spdx = json!({ "spdxVersion": "SPDX-2.3", "packages": [
            { "name": "a", "versionInfo": "1", "licenseConcluded": "NOASSERTION", "licenseDeclared": "MIT" },
            { "name": "b", "versionInfo": "2", "licenseDeclared": "NONE" },
        ] });
        assert_eq!(shown(&spdx), ["a 1 MIT", "b 2 "]);
        assert!(packages(b"{}").is_err() && packages(b"x").is_err());
    }
}
