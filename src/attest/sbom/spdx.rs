//! A [`Bom`] as SPDX 2.3 JSON.

use serde_json::{Value, json};

use super::bom::{Bom, Component, ComponentKind};
use super::license::License;
use crate::image::canonical_json;
use crate::image::digest::sha256;

const DOCUMENT: &str = "SPDXRef-DOCUMENT";
/// The value of an unknown field (section 4.3).
const UNKNOWN: &str = "NOASSERTION";

/// Returns the SPDX document.
pub(super) fn document(bom: &Bom) -> Value {
    with_namespace(content(bom), &bom.components[&bom.root].name)
}

/// Returns the SPDX document without its name.
pub(super) fn content(bom: &Bom) -> Value {
    let root = &bom.components[&bom.root];
    let mut packages: Vec<_> = bom.components.iter().map(|(id, made)| package(id, made)).collect();
    let mut relationships = vec![relationship(DOCUMENT, "DESCRIBES", &name(&bom.root, root))];
    for (id, made) in &bom.components {
        let own = name(id, made);
        let needs = bom.needs(id);
        relationships.extend(needs.map(|(needed, other)| dependency(&own, made, &name(needed, other), other)));
    }
    sort(&mut packages, &mut relationships);
    json!({
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": DOCUMENT,
        "name": root.name,
        "creationInfo": {
            "created": bom.created.to_string(),
            "creators": [format!("Tool: cargo-oci-{}", env!("CARGO_PKG_VERSION"))],
        },
        "packages": packages,
        "relationships": relationships,
    })
}

/// Sorts both lists, and leaves each entry once, so that documents with the same content are the same.
pub(super) fn sort(packages: &mut Vec<Value>, relationships: &mut Vec<Value>) {
    packages.sort_by_cached_key(|package| package["SPDXID"].to_string());
    packages.dedup_by(|one, other| one["SPDXID"] == other["SPDXID"]);
    relationships.sort_by_cached_key(Value::to_string);
    relationships.dedup();
}

/// Adds the name of a document: unique, but equal for equal content (section 6.5).
pub(super) fn with_namespace(mut document: Value, name: &str) -> Value {
    let unique = sha256(&canonical_json(&document));
    let namespace = format!("https://spdx.org/spdxdocs/{}-{}", plain(name), unique.digest());
    document["documentNamespace"] = json!(namespace);
    document
}

pub(super) fn package(id: &str, made: &Component) -> Value {
    let purpose = match made.kind {
        ComponentKind::Image | ComponentKind::Base => "CONTAINER",
        ComponentKind::Program => "APPLICATION",
        ComponentKind::Crate => "LIBRARY",
        ComponentKind::Tool => "OTHER",
    };
    // The download URL of a package in a registry is the registry's choice; a git repository has a URL.
    let repository = made.source.as_deref().filter(|source| source.starts_with("git+"));
    let location = repository.map(|repository| repository.replacen('#', "@", 1));
    let mut package = json!({
        "SPDXID": name(id, made),
        "name": made.name,
        "downloadLocation": location.unwrap_or_else(|| UNKNOWN.to_owned()),
        "filesAnalyzed": false,
        "primaryPackagePurpose": purpose,
        "supplier": UNKNOWN,
        "copyrightText": UNKNOWN,
        "licenseConcluded": UNKNOWN,
        "licenseDeclared": UNKNOWN,
    });
    if let Some(version) = &made.version {
        package["versionInfo"] = json!(version);
    }
    if let Some(description) = &made.description {
        package["description"] = json!(description);
    }
    if let Some(homepage) = made.homepage.as_ref().or(made.repository.as_ref()) {
        package["homepage"] = json!(homepage);
    }
    match &made.license {
        Some(License::Expression(expression)) => package["licenseDeclared"] = json!(expression),
        Some(License::Text(text)) => package["licenseComments"] = json!(text),
        None => {}
    }
    if let Some(sha256) = &made.sha256 {
        package["checksums"] = json!([{ "algorithm": "SHA256", "checksumValue": sha256 }]);
    }
    let names = [("PACKAGE-MANAGER", "purl", &made.purl), ("SECURITY", "cpe23Type", &made.cpe)];
    let names = names.iter().filter_map(|(category, kind, name)| {
        let name = name.as_ref()?;
        Some(json!({ "referenceCategory": category, "referenceType": kind, "referenceLocator": name }))
    });
    let names: Vec<_> = names.collect();
    if !names.is_empty() {
        package["externalRefs"] = json!(names);
    }
    package
}

/// Returns the relationship of a component to a dependency (section 11.1).
fn dependency(own: &str, made: &Component, others: &str, other: &Component) -> Value {
    match (made.kind, other.kind) {
        (ComponentKind::Image, ComponentKind::Base) => relationship(own, "DESCENDANT_OF", others),
        (ComponentKind::Image, _) => relationship(own, "CONTAINS", others),
        (ComponentKind::Program, ComponentKind::Crate) => relationship(own, "GENERATED_FROM", others),
        (_, ComponentKind::Tool) => relationship(others, "BUILD_TOOL_OF", own),
        _ if made.is_shipped && !other.is_shipped => relationship(others, "BUILD_DEPENDENCY_OF", own),
        _ => relationship(own, "DEPENDS_ON", others),
    }
}

/// Returns a relationship between two elements (section 11.1).
pub(super) fn relationship(one: &str, kind: &str, other: &str) -> Value {
    json!({ "spdxElementId": one, "relationshipType": kind, "relatedSpdxElement": other })
}

/// Returns a unique identifier of letters, digits, `.` and `-` (section 7.2).
pub(super) fn name(id: &str, made: &Component) -> String {
    let unique = sha256(id.as_bytes());
    format!("SPDXRef-{}-{}", plain(&made.name), &unique.digest()[..16])
}

fn plain(text: &str) -> String {
    text.trim_start_matches('/').replace(|c: char| !c.is_ascii_alphanumeric() && c != '.', "-")
}
