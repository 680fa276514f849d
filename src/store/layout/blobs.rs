//! The blobs of a layout that is being written.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fs;
use std::path::Path;
use std::time::SystemTime;

use crate::store::atomic;
use crate::store::fingerprint::Fingerprint;

/// The fingerprints of verified blobs, by their paths relative to the root.
pub(crate) type Fingerprints = BTreeMap<String, Fingerprint>;

/// What a run knows of the blobs, by their paths relative to the root.
#[derive(Debug, Default)]
pub(crate) struct BlobSets {
    /// The blobs of the new layout.
    pub kept: BTreeSet<String>,
    /// The blobs that did not exist before.
    pub added: HashSet<String>,
    /// The blobs that this run has written.
    written: HashSet<String>,
    /// The blobs that were verified, in this run or an earlier one.
    pub verified: Fingerprints,
}

impl BlobSets {
    /// Records a blob that this run has written.
    pub(crate) fn record_written(&mut self, path: String, is_new: bool) {
        if is_new {
            self.added.insert(path.clone());
        }
        self.verified.remove(&path);
        self.written.insert(path.clone());
        self.kept.insert(path);
    }

    /// Returns the fingerprints of the blobs to keep. Omits blobs that could change within the tick of the clock.
    pub(crate) fn fingerprints(&self, root: &Path) -> Fingerprints {
        let now = SystemTime::now();
        let mut fingerprints = Fingerprints::new();
        for path in &self.kept {
            let Ok(metadata) = fs::symlink_metadata(root.join(path)) else { continue };
            let fingerprint = Fingerprint::of(&metadata).filter(|found| metadata.is_file() && found.is_settled_at(now));
            if let Some(fingerprint) = fingerprint
                && (self.written.contains(path) || self.verified.get(path) == Some(&fingerprint))
            {
                fingerprints.insert(path.clone(), fingerprint);
            }
        }
        fingerprints
    }
}

/// Removes temporary files, and the blobs for which `is_unwanted` returns true. Failing to do so is harmless: nothing
/// refers to them.
pub(crate) fn sweep(root: &Path, is_unwanted: impl Fn(&str) -> bool) {
    for algorithm in ["sha256", "sha512"] {
        let folder = root.join("blobs").join(algorithm);
        for file in fs::read_dir(folder).into_iter().flatten().flatten() {
            let name = file.file_name().to_string_lossy().into_owned();
            let is_blob = is_hex(&name) && is_unwanted(&format!("blobs/{algorithm}/{name}"));
            if is_blob || name.starts_with(atomic::TEMP_PREFIX) {
                let _ = fs::remove_file(file.path());
            }
        }
    }
    for file in fs::read_dir(root).into_iter().flatten().flatten() {
        if file.file_name().to_string_lossy().starts_with(atomic::TEMP_PREFIX) {
            let _ = fs::remove_file(file.path());
        }
    }
}

fn is_hex(name: &str) -> bool {
    name.len() >= 64 && name.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// Returns whether a file has exactly these bytes.
pub(crate) fn has_content(path: &Path, bytes: &[u8]) -> bool {
    let same_size = fs::symlink_metadata(path).is_ok_and(|found| found.is_file() && found.len() == bytes.len() as u64);
    same_size && fs::read(path).is_ok_and(|found| found == bytes)
}
