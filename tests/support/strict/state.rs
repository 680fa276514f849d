//! What a registry holds: repositories with blobs, manifests and tags.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

/// All repositories, by name.
#[derive(Debug, Default)]
pub struct Repositories(BTreeMap<String, Repository>);

/// One repository.
#[derive(Clone, Debug, Default)]
pub struct Repository {
    /// By digest.
    pub blobs: BTreeMap<String, Arc<[u8]>>,
    /// Manifests and indexes, by digest.
    pub manifests: BTreeMap<String, Manifest>,
    /// The digests that tags stand for.
    pub tags: BTreeMap<String, String>,
}

/// A manifest or an index, as it was put.
#[derive(Clone, Debug)]
pub struct Manifest {
    /// Its Content-Type.
    pub media_type: String,
    /// As they came.
    pub bytes: Arc<[u8]>,
}

impl Repositories {
    /// The repository; an empty one where there is none.
    pub fn get(&mut self, name: &str) -> &mut Repository {
        self.0.entry(name.to_owned()).or_default()
    }
}

impl Repository {
    /// Takes a manifest away, and the tags on it. Returns whether it was there.
    pub fn remove(&mut self, digest: &str) -> bool {
        self.tags.retain(|_, of| of != digest);
        self.manifests.remove(digest).is_some()
    }

    /// The digest that a tag or a digest stands for.
    pub fn digest(&self, reference: &str) -> Option<String> {
        if is_digest(reference) { Some(reference.to_owned()) } else { self.tags.get(reference).cloned() }
    }

    /// What a manifest names and is not here: an image's config and layers, an index's manifests.
    pub fn lacks(&self, manifest: &Value) -> Vec<String> {
        let list = |key: &str| manifest[key].as_array().into_iter().flatten();
        let digest = |descriptor: &Value| descriptor["digest"].as_str().unwrap_or("no digest").to_owned();
        let blobs = manifest.get("config").into_iter().chain(list("layers")).map(digest);
        let blobs = blobs.filter(|digest| !self.blobs.contains_key(digest));
        let manifests = list("manifests").map(digest).filter(|digest| !self.manifests.contains_key(digest));
        blobs.chain(manifests).collect()
    }
}

/// Whether a reference is a digest, else it is a tag.
pub fn is_digest(reference: &str) -> bool {
    reference.contains(':')
}

/// The sha256 of `content`, as a digest. Not made by the code under test, and fast without optimisation.
pub fn digest(content: &[u8]) -> String {
    let hash = ring::digest::digest(&ring::digest::SHA256, content);
    let hex: String = hash.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{hex}")
}
