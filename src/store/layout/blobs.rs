//! The blobs of a layout that is being written.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fs;
use std::io::Read;
use std::path::Path;
use std::time::SystemTime;

use super::parts::check_parts;
use crate::regular_file;
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

/// Removes what killed runs left, and these blobs. Failing to do so is harmless: nothing refers to them.
pub(crate) fn sweep<'b>(root: &Path, blobs: impl IntoIterator<Item = &'b String>) {
    // Somebody may have put a link there since the layout was opened.
    if check_parts(root).is_err() {
        return;
    }
    for blob in blobs {
        let _ = fs::remove_file(root.join(blob));
    }
    for folder in ["", "blobs/sha256", "blobs/sha512"] {
        atomic::sweep(&root.join(folder));
    }
}

/// Returns whether a file has exactly these bytes.
pub(crate) fn has_content(path: &Path, bytes: &[u8]) -> bool {
    let Ok(file) = regular_file::open_no_link(path) else { return false };
    if file.metadata().is_ok_and(|found| found.len() != bytes.len() as u64) {
        return false;
    }
    let mut found = Vec::new();
    // It may grow while it is read.
    file.take(bytes.len() as u64 + 1).read_to_end(&mut found).is_ok() && found == bytes
}
