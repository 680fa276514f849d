//! The answers of a registry with one image: for registries that do one thing in another way.

use serde_json::json;

use super::answer::Answer;
use super::http::Request;
use super::state::digest;

/// The media type of manifests.
pub const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// The media type of indexes.
pub const INDEX: &str = "application/vnd.oci.image.index.v1+json";

/// The config of the image.
pub fn config() -> Vec<u8> {
    let rootfs = json!({ "type": "layers", "diff_ids": [] });
    json!({ "os": "linux", "architecture": "amd64", "rootfs": rootfs }).to_string().into_bytes()
}

/// The manifest of the image.
pub fn manifest() -> Vec<u8> {
    let config = config();
    let config = json!({
        "mediaType": "application/vnd.oci.image.config.v1+json", "digest": digest(&config), "size": config.len(),
    });
    json!({ "schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": [] }).to_string().into_bytes()
}

/// What the registry says: nothing is attached, every blob is the config, and every other manifest is that of the image.
pub fn image(request: &Request) -> Answer {
    let path = request.path();
    if path.contains("/blobs/") {
        return Answer::new(200).body(config());
    }
    if path.contains("/manifests/sha256-") || path.contains("/referrers/") {
        return Answer::error(404, "MANIFEST_UNKNOWN");
    }
    document(MANIFEST, manifest())
}

/// The answer with a manifest or an index.
pub fn document(media_type: &str, content: Vec<u8>) -> Answer {
    Answer::new(200).with("Content-Type", media_type).with("Docker-Content-Digest", digest(&content)).body(content)
}
