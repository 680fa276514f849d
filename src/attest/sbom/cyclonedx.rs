//! A [`Bom`] as CycloneDX 1.6 JSON (ECMA-424).
//!
//! Written by hand: the crate `cyclonedx-bom` supports no later version than 1.5, and gives each document a random serial
//! number, which the specification does not require.

use serde_json::{Map, Value, json};

use super::bom::{Bom, Component, ComponentKind};
use super::license::License;

/// Returns the CycloneDX document.
pub(super) fn document(bom: &Bom) -> Value {
    let components = bom.components.iter().filter(|(id, _)| **id != bom.root);
    let components: Vec<_> = components.map(|(id, made)| component(id, made)).collect();
    let dependencies: Vec<_> = bom.components.keys().map(|id| dependency(bom, id)).collect();
    json!({
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "timestamp": bom.created.to_string(),
            "lifecycles": [{ "phase": "build" }],
            "tools": { "components": [
                { "type": "application", "name": "cargo-oci", "version": env!("CARGO_PKG_VERSION") },
            ] },
            "component": component(&bom.root, &bom.components[&bom.root]),
        },
        "components": components,
        "dependencies": dependencies,
    })
}

fn dependency(bom: &Bom, id: &str) -> Value {
    let needs: Vec<_> = bom.needs(id).map(|(id, _)| id).collect();
    json!({ "ref": id, "dependsOn": needs })
}

pub(super) fn component(id: &str, made: &Component) -> Value {
    let kind = match made.kind {
        ComponentKind::Image | ComponentKind::Base => "container",
        ComponentKind::Program => "file",
        ComponentKind::Crate => "library",
        ComponentKind::Tool => "application",
    };
    let mut all = Map::new();
    let mut put = |key: &str, value: Value| all.insert(key.to_owned(), value);
    put("type", json!(kind));
    put("bom-ref", json!(id));
    put("name", json!(made.name));
    let texts =
        [("version", &made.version), ("purl", &made.purl), ("cpe", &made.cpe), ("description", &made.description)];
    for (key, text) in texts {
        if let Some(text) = text {
            put(key, json!(text));
        }
    }
    if let Some(sha256) = &made.sha256 {
        put("hashes", json!([{ "alg": "SHA-256", "content": sha256 }]));
    }
    match &made.license {
        Some(License::Expression(expression)) => put("licenses", json!([{ "expression": expression }])),
        Some(License::Text(text)) => put("licenses", json!([{ "license": { "name": text } }])),
        None => None,
    };
    // "Excluded components are not reachable within a call graph at runtime" (section on `scope`).
    if !made.is_shipped {
        put("scope", json!("excluded"));
    }
    if let Some(source) = &made.source {
        put("properties", json!([{ "name": "cargo-oci:source", "value": source }]));
    }
    let links = [("vcs", &made.repository), ("website", &made.homepage)];
    let links: Vec<_> =
        links.iter().filter_map(|(kind, url)| Some(json!({ "type": kind, "url": url.as_ref()? }))).collect();
    if !links.is_empty() {
        put("externalReferences", json!(links));
    }
    Value::Object(all)
}
