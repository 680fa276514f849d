//! A layout, put into the registry as it is.

use std::fs;
use std::path::Path;

use serde_json::Value;

use super::StrictRegistry;

impl StrictRegistry {
    /// Puts all blobs of a layout into a repository, and a tag on its index.
    pub fn put_layout(&self, layout: &Path, repository: &str, tag: &str) {
        for blob in fs::read_dir(layout.join("blobs/sha256")).expect("blobs") {
            let content = fs::read(blob.expect("a blob").path()).expect("a blob");
            let document: Value = serde_json::from_slice(&content).unwrap_or_default();
            match document["mediaType"].as_str() {
                Some(media_type) if document.get("manifests").is_some() => {
                    self.put_manifest(repository, media_type, &content, Some(tag));
                }
                Some(media_type) => self.put_manifest(repository, media_type, &content, None),
                None => self.put_blob(repository, &content),
            }
        }
    }
}
