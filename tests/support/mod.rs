//! Test support: projects, homes, images, registries and engines.

#![allow(dead_code)] // every test program uses a part of it

pub mod base;
pub mod cli_reference;
pub mod connect_proxy;
pub mod container;
pub mod cosign;
pub mod elf;
pub mod engine;
pub mod environment;
pub mod handmade;
pub mod home;
pub mod markdown;
pub mod process;
pub mod project;
pub mod recording;
pub mod referrers;
pub mod registry;
pub mod release;
pub mod sigstore;
pub mod slow;
pub mod snapshot;
pub mod stall;
pub mod strict;
pub mod terminal;
pub mod tls;
pub mod token_service;
pub mod trust;
pub mod wine;

use std::path::Path;

use cargo_oci::store::validate::{Problem, validate};
use cargo_oci::store::{Layout, Source};

/// Recomputes every digest, size and diffID of a layout.
pub fn problems(layout: &Path) -> Vec<Problem> {
    let layout = Layout::open(layout).expect("a layout");
    let roots = layout.entries().iter();
    roots.flat_map(|root| validate(&layout, root)).collect()
}

/// The digest of the only image in a layout.
pub fn digest(layout: &Path) -> String {
    let layout = Layout::open(layout).expect("a layout");
    layout.resolve(None).expect("one image").digest().to_string()
}

/// The file of a blob in a layout.
pub fn blob(layout: &Path, digest: &str) -> std::path::PathBuf {
    layout.join("blobs").join(digest.replace(':', "/"))
}

/// A document in a layout.
pub fn document(layout: &Path, digest: &str) -> serde_json::Value {
    let bytes = std::fs::read(blob(layout, digest)).expect("a blob");
    serde_json::from_slice(&bytes).expect("JSON")
}

/// The manifest of one platform in a layout, and its config.
pub fn image(layout: &Path, platform: &str) -> (serde_json::Value, serde_json::Value) {
    let index = document(layout, &digest(layout));
    let is_it = |entry: &&serde_json::Value| {
        let text = |key: &str| entry["platform"][key].as_str();
        let parts = [text("os"), text("architecture"), text("variant")];
        parts.into_iter().flatten().collect::<Vec<_>>().join("/") == platform
    };
    let entries = index["manifests"].as_array().expect("an index");
    let entry = entries.iter().find(is_it).unwrap_or_else(|| panic!("{platform} is not in {index}"));
    let manifest = document(layout, entry["digest"].as_str().expect("a digest"));
    let config = document(layout, manifest["config"]["digest"].as_str().expect("a digest"));
    (manifest, config)
}
