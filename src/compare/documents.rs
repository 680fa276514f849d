//! An index, a manifest, a config → what of it is compared as values.

use serde_json::{Map, Value};

use super::values::variables;
use crate::image::config::Object;

/// Returns an index whose entries have their platforms as names, without digests and sizes: those are of what is listed.
pub(super) fn of_index(mut index: Object) -> Value {
    let mut entries = Map::new();
    for entry in index.remove("manifests").iter().filter_map(Value::as_array).flatten() {
        let mut entry = without_content(entry);
        let platform = entry.remove("platform").unwrap_or_default();
        let parts = ["os", "architecture", "variant"].map(|key| platform[key].as_str().unwrap_or_default());
        // Attestations of BuildKit are for none.
        if parts[0] != "unknown" {
            let name = parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("/");
            entries.insert(name, Value::Object(entry));
        }
    }
    index.insert("manifests".to_owned(), Value::Object(entries));
    Value::Object(index)
}

/// Removes the entries that only one of two indexes has: they are platforms more or less.
pub(super) fn keep_common_entries(a: &mut Value, b: &mut Value) {
    if let (Some(a), Some(b)) = (a["manifests"].as_object_mut(), b["manifests"].as_object_mut()) {
        a.retain(|platform, _| b.contains_key(platform));
        b.retain(|platform, _| a.contains_key(platform));
    }
}

/// Returns a manifest without the digests and sizes of config and layers. The layers are left out if `with_layers` is not set.
pub(super) fn of_manifest(mut manifest: Object, with_layers: bool) -> Value {
    if let Some(config) = manifest.get_mut("config") {
        *config = Value::Object(without_content(config));
    }
    match manifest.remove("layers") {
        Some(Value::Array(layers)) if with_layers => {
            let layers = layers.iter().map(|layer| Value::Object(without_content(layer))).collect();
            manifest.insert("layers".to_owned(), layers);
        }
        _ => {}
    }
    Value::Object(manifest)
}

/// Returns a config with its variables by name. The diffIDs are left out if `with_layers` is not set.
pub(super) fn of_config(config: Object, with_layers: bool) -> Value {
    let mut config = Value::Object(config);
    if let Some(named) = variables(&config["config"]["Env"]) {
        config["config"]["Env"] = named;
    }
    if let Some(layers) = config.get_mut("rootfs").and_then(Value::as_object_mut).filter(|_| !with_layers) {
        layers.remove("diff_ids");
    }
    config
}

fn without_content(descriptor: &Value) -> Object {
    let mut rest = descriptor.as_object().cloned().unwrap_or_default();
    rest.remove("digest");
    rest.remove("size");
    rest
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn object(value: &Value) -> Object {
        value.as_object().cloned().expect("an object")
    }

    #[test]
    fn index_entries_are_named_by_platform() {
        let entry =
            |platform: Value| json!({ "digest": "sha256:0", "size": 1, "mediaType": "m", "platform": platform });
        let index = json!({ "schemaVersion": 2, "manifests": [
            entry(json!({ "os": "linux", "architecture": "arm64", "variant": "v8" })),
            entry(json!({ "os": "unknown", "architecture": "unknown" })),
        ] });
        let mut found = of_index(object(&index));
        assert_eq!(found, json!({ "schemaVersion": 2, "manifests": { "linux/arm64/v8": { "mediaType": "m" } } }));
        let mut other = json!({ "manifests": { "linux/amd64": {} } });
        keep_common_entries(&mut found, &mut other);
        assert_eq!((&found["manifests"], &other["manifests"]), (&json!({}), &json!({})));
    }

    #[test]
    fn config_without_env_gets_none() {
        let config = json!({ "config": {}, "rootfs": { "type": "layers", "diff_ids": ["sha256:0"] } });
        assert_eq!(of_config(object(&config), false), json!({ "config": {}, "rootfs": { "type": "layers" } }));
        assert_eq!(of_config(object(&config), true), config);
        let odd = json!({ "config": null, "rootfs": null });
        assert_eq!(of_config(object(&odd), false), odd);
    }
}
