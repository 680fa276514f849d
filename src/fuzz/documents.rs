//! Manifests, indexes and configs of untrusted images.

use oci_spec::image::MediaType;
use serde_json::{Value, json};

use crate::bundle::config::{RuntimeConfig, args};
use crate::bundle::validate;
use crate::filesystem::ProcessUser;
use crate::image::config::{History, Object, Settings, assemble};
use crate::image::digest::{DiffId, sha256};
use crate::image::exact_number;
use crate::image::manifest::{Manifest, ManifestContent, platform_of, sniff};
use crate::image::{canonical_json, canonical_json_pretty};
use crate::platform::Platform;

pub(super) const WORDS: &[&str] = &[
    "\"schemaVersion\":2",
    "\"mediaType\":",
    "\"manifests\":[",
    "\"layers\":[",
    "\"config\":{",
    "\"digest\":\"sha256:",
    "\"size\":",
    "\"platform\":{",
    "\"os\":\"linux\"",
    "\"architecture\":\"arm64\"",
    "\"variant\":\"v8\"",
    "\"annotations\":{",
    "\"subject\":",
    "\"artifactType\":\"a/b\"",
    "\"application/vnd.oci.image.manifest.v1+json\"",
    "\"application/vnd.oci.image.index.v1+json\"",
    "\"application/vnd.docker.distribution.manifest.v2+json\"",
    "\"Env\":[\"A=b\"]",
    "\"Cmd\":null",
    "\"Entrypoint\":[\"/a\"]",
    "\"rootfs\":{\"diff_ids\":[",
    "\"history\":[{\"empty_layer\":true}]",
    "\"Volumes\":{\"/a\":{}}",
    "\"User\":\"1:2\"",
    "\"WorkingDir\":\"a\"",
    "\"Labels\":{",
    "\"StopSignal\":\"9\"",
    "null",
    "[]",
    "{}",
    "18446744073709551616",
    "-1",
    "1e400",
    "\"\\u0000\"",
    "\"\\ud800\"",
    ",",
    "}",
    "]",
];

/// The content of a manifest as JSON, to compare.
fn shown(manifest: &Manifest) -> Value {
    let content = match &manifest.content {
        ManifestContent::Index(entries) => json!(entries),
        ManifestContent::Image { config, layers } => json!([config, layers]),
    };
    json!([content, manifest.annotations, manifest.artifact_type, manifest.subject, manifest.invalid_entries])
}

pub(super) fn documents(data: &[u8]) {
    let sniffed = sniff(data);
    for media_type in [MediaType::ImageIndex, MediaType::ImageManifest].into_iter().chain(sniffed) {
        let Ok(manifest) = Manifest::parse(&media_type, data) else { continue };
        let children = manifest.children();
        assert!(children.len() <= 1_001);
        assert!(
            manifest.is_index() == (media_type == MediaType::ImageIndex)
                || !matches!(media_type, MediaType::ImageIndex)
        );
        for child in &children {
            let _ = platform_of(child);
        }
        // Written anew, it is the same document.
        let json: Value = serde_json::from_slice(data).expect("it was parsed");
        for bytes in [canonical_json(&json), canonical_json_pretty(&json)] {
            let again = Manifest::parse(&media_type, &bytes).expect("the same document");
            assert_eq!(shown(&again), shown(&manifest));
        }
        assert_eq!(
            canonical_json(&serde_json::from_slice(&canonical_json(&json)).expect("JSON")),
            canonical_json(&json)
        );
    }
}

fn settings() -> Settings {
    Settings {
        entrypoint: vec!["/app/x".to_owned()],
        env: vec![("LOG".to_owned(), "info".to_owned())],
        path: "/app".to_owned(),
        volumes: vec!["/data".to_owned()],
        labels: [("a".to_owned(), Some("b".to_owned())), ("c".to_owned(), None)].into(),
        created: "1970-01-01T00:00:00Z".to_owned(),
        ..Settings::default()
    }
}

fn diff_ids(config: &Object) -> usize {
    config["rootfs"]["diff_ids"].as_array().map_or(0, Vec::len)
}

/// The config of any base becomes that of an image, and that of a runtime.
pub(super) fn image_config(data: &[u8]) {
    let Ok(Value::Object(base)) = serde_json::from_slice(data) else { return };
    let exact = exact_number::serialize(exact_number::parse(data).expect("an object"));
    assert_eq!(serde_json::from_slice::<Object>(&exact).expect("an object"), base, "what is read is written");
    let platform: Platform = "linux/arm/v7".parse().expect("a platform");
    let layer = History { diff_id: DiffId(sha256(data)), created_by: "fuzz".to_owned() };
    let layers = [layer.clone(), layer];
    let image = assemble(&base, &platform, &settings(), &layers).expect("no variable is unknown");
    let again = assemble(&image, &platform, &settings(), &layers).expect("no variable is unknown");
    assert_eq!(diff_ids(&again), diff_ids(&image) + 2);
    assert_eq!(again["config"], image["config"], "settings are the same the second time");
    let own = ["os", "architecture", "variant", "created", "config", "rootfs", "history"];
    for (key, value) in base.iter().filter(|(key, _)| !own.contains(&key.as_str())) {
        assert_eq!(&image[key], value, "{key} is kept");
    }
    for config in [&base, &image] {
        runtime_config(config);
    }
    assert!(args(&image).is_ok_and(|args| args == ["/app/x"]));
}

fn runtime_config(image: &Object) {
    let user = ProcessUser::default();
    let made = RuntimeConfig { image, name: "x", user: &user, volumes: &[], rootless: None };
    let (checked, made) = (validate::check(image), made.document());
    let Ok(made) = made else { return };
    let process = &made["process"];
    assert!(process["args"].as_array().is_some_and(|args| !args.is_empty()));
    assert!(process["cwd"].as_str().is_some_and(|cwd| cwd.starts_with('/')));
    assert!(checked.is_err() || !has_nul(process), "{process}");
}

fn has_nul(json: &Value) -> bool {
    match json {
        Value::String(text) => text.contains('\0'),
        Value::Array(items) => items.iter().any(has_nul),
        Value::Object(object) => object.iter().any(|(key, value)| key.contains('\0') || has_nul(value)),
        _ => false,
    }
}
