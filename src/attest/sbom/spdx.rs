//! A [`Bom`] as SPDX 2.3 JSON.

use serde_json::{Value, json};

use super::{Bom, Component, Kind, License};
use crate::image::canonical_json;
use crate::image::digest::sha256;

const DOCUMENT: &str = "SPDXRef-DOCUMENT";
/// Said where something is not known (section 4.3).
const UNKNOWN: &str = "NOASSERTION";

/// The document.
pub fn document(bom: &Bom) -> Value {
    let root = &bom.components[&bom.root];
    let packages: Vec<_> = bom.components.iter().map(|(id, made)| package(id, made)).collect();
    let mut relationships = vec![relationship(DOCUMENT, "DESCRIBES", &name(&bom.root, root))];
    for (id, made) in &bom.components {
        relationships.extend(bom.needs(id).map(|(needed, other)| related((id, made), (needed, other))));
    }
    let mut document = json!({
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
    });
    // Unique, and yet the same for the same content (section 6.5).
    let unique = sha256(&canonical_json(&document));
    let namespace = format!("https://spdx.org/spdxdocs/{}-{}", plain(&root.name), unique.digest());
    document["documentNamespace"] = json!(namespace);
    document
}

fn package(id: &str, made: &Component) -> Value {
    let purpose = match made.kind {
        Kind::Image | Kind::Base => "CONTAINER",
        Kind::Program => "APPLICATION",
        Kind::Crate => "LIBRARY",
        Kind::Tool => "OTHER",
    };
    // Where a package of a registry is downloaded is that registry's own to say; a repository has an address.
    let place = made.source.as_deref().filter(|source| source.starts_with("git+"));
    let place = place.map(|place| place.replacen('#', "@", 1));
    let mut package = json!({
        "SPDXID": name(id, made),
        "name": made.name,
        "downloadLocation": place.unwrap_or_else(|| UNKNOWN.to_owned()),
        "filesAnalyzed": false,
        "primaryPackagePurpose": purpose,
        "supplier": UNKNOWN,
        "copyrightText": UNKNOWN,
        "licenseConcluded": UNKNOWN,
        "licenseDeclared": UNKNOWN,
    });
    let mut put = |key: &str, value: Value| package[key] = value;
    if let Some(version) = &made.version {
        put("versionInfo", json!(version));
    }
    if let Some(description) = &made.description {
        put("description", json!(description));
    }
    if let Some(homepage) = made.homepage.as_ref().or(made.repository.as_ref()) {
        put("homepage", json!(homepage));
    }
    match &made.license {
        Some(License::Expression(expression)) => put("licenseDeclared", json!(expression)),
        Some(License::Words(words)) => put("licenseComments", json!(words)),
        None => {}
    }
    if let Some(sha256) = &made.sha256 {
        put("checksums", json!([{ "algorithm": "SHA256", "checksumValue": sha256 }]));
    }
    let names = [("PACKAGE-MANAGER", "purl", &made.purl), ("SECURITY", "cpe23Type", &made.cpe)];
    let names = names.iter().filter_map(|(category, kind, name)| {
        let name = name.as_ref()?;
        Some(json!({ "referenceCategory": category, "referenceType": kind, "referenceLocator": name }))
    });
    let names: Vec<_> = names.collect();
    if !names.is_empty() {
        put("externalRefs", json!(names));
    }
    package
}

/// How one thing is to another that it is made of (section 11.1).
fn related((id, made): (&String, &Component), (needed, other): (&String, &Component)) -> Value {
    let (own, others) = (name(id, made), name(needed, other));
    match (made.kind, other.kind) {
        (Kind::Image, Kind::Base) => relationship(&own, "DESCENDANT_OF", &others),
        (Kind::Image, _) => relationship(&own, "CONTAINS", &others),
        (Kind::Program, Kind::Crate) => relationship(&own, "GENERATED_FROM", &others),
        (_, Kind::Tool) => relationship(&others, "BUILD_TOOL_OF", &own),
        _ if made.is_shipped && !other.is_shipped => relationship(&others, "BUILD_DEPENDENCY_OF", &own),
        _ => relationship(&own, "DEPENDS_ON", &others),
    }
}

fn relationship(one: &str, kind: &str, other: &str) -> Value {
    json!({ "spdxElementId": one, "relationshipType": kind, "relatedSpdxElement": other })
}

/// An identifier of letters, digits, `.` and `-` (section 7.2), that no other thing has.
fn name(id: &str, made: &Component) -> String {
    let unique = sha256(id.as_bytes());
    format!("SPDXRef-{}-{}", plain(&made.name), &unique.digest()[..16])
}

fn plain(text: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || c == '.' { c } else { '-' };
    text.trim_start_matches('/').chars().map(plain).collect()
}
