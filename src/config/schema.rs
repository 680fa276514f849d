//! The JSON Schema of Cargo.toml's `metadata.oci` tables, for editors.
//!
//! Editors with taplo (such as Even Better TOML) associate a schema with a whole document, so this one describes a whole
//! Cargo.toml and leaves everything but our tables open. It is draft 7, which taplo reads.

use serde_json::{Map, Value as Json, json};

use super::document::as_json;
use super::key::{Key, KeyDefault};
use super::keys::{IMAGES, IMAGES_EXAMPLE, IMAGES_HELP, KEYS, Table};
use super::policy::Policy;
use super::value::KeyValue;

/// Returns the schema, as indented JSON that ends with a line break.
pub fn schema() -> String {
    format!("{:#}\n", document())
}

/// Returns the schema of the files of `verify --policy`, as indented JSON that ends with a line break.
pub(crate) fn policy_schema() -> String {
    let mut schema = Policy::schema();
    schema["$schema"] = json!("http://json-schema.org/draft-07/schema#");
    schema["title"] = json!("cargo-oci policy");
    schema["description"] = json!("A file for `cargo oci verify --policy`");
    format!("{schema:#}\n")
}

/// Returns the schema.
pub fn document() -> Json {
    let definitions = KEYS.iter().map(|key| (key.name.to_owned(), definition(key)));
    let package =
        json!({ "anyOf": [{ "const": false, "description": "Build no image of this package" }, table(true)] });
    json!({
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "cargo-oci",
        "description": "The tables [package.metadata.oci] and [workspace.metadata.oci] of a Cargo.toml",
        "type": "object",
        "properties": { "package": with_metadata(&package), "workspace": with_metadata(&table(false)) },
        "definitions": definitions.collect::<Map<_, _>>(),
    })
}

fn with_metadata(oci: &Json) -> Json {
    json!({
        "type": "object",
        "properties": { "metadata": { "type": "object", "properties": { "oci": oci } } },
    })
}

/// A table with all keys, and with `images` if it is a package's own.
fn table(has_images: bool) -> Json {
    let keys = KEYS.iter().map(|key| (key.name.to_owned(), json!({ "$ref": format!("#/definitions/{}", key.name) })));
    let mut properties: Map<_, _> = keys.collect();
    if has_images {
        properties.insert(IMAGES.to_owned(), images());
    }
    json!({ "type": "object", "properties": properties, "additionalProperties": false })
}

fn images() -> Json {
    json!({
        "description": IMAGES_HELP,
        "type": "object",
        "additionalProperties": table(false),
        "propertyNames": { "pattern": "^[a-z0-9]+((\\.|_|__|-+)[a-z0-9]+)*$" },
        "examples": [toml_value(IMAGES_EXAMPLE)],
    })
}

fn definition(key: &Key<Table>) -> Json {
    let mut definition = (key.value.schema)();
    if let Json::Object(definition) = &mut definition {
        definition.insert("description".to_owned(), Json::from(key.help));
        definition.insert("examples".to_owned(), Json::Array(vec![toml_value(key.example)]));
        if let KeyDefault::Value(default) = key.default {
            definition.insert("default".to_owned(), toml_value(default));
        }
    }
    definition
}

/// Returns a value of TOML as JSON. The values of rows are TOML: a test reads them all.
pub(super) fn toml_value(text: &str) -> Json {
    as_json(&format!("value = {text}")).map_or(Json::Null, |document| document["value"].clone())
}

/// Returns a value of TOML as a flag takes it: without quotes, and with commas between items.
pub fn plain_text(value: &str) -> String {
    match toml_value(value) {
        Json::String(text) => text,
        Json::Array(items) => items.iter().filter_map(Json::as_str).collect::<Vec<_>>().join(","),
        other => other.to_string(),
    }
}
