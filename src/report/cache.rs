//! The blobs of the cache, and the corrupt ones → lines.

use std::time::SystemTime;

use jiff::Timestamp;

use super::lines::{plural, size, verb_column};
use crate::event::{PrunedRepository, UnneededManifest};
use crate::image::Digest;
use crate::sanitize::sanitize;
use crate::store::cache::prune::{BlobKind, CachedBlob};

/// Returns the line of a blob: `DIGEST  SIZE  AGE  KIND`.
pub(crate) fn blob(blob: &CachedBlob, now: SystemTime) -> String {
    let kind = match blob.kind {
        BlobKind::Index => "index",
        BlobKind::Manifest => "manifest",
        BlobKind::Document => "document",
        BlobKind::Gzip => "gzip",
        BlobKind::Zstd => "zstd",
        BlobKind::Other => "other",
    };
    let days = now.duration_since(blob.used).unwrap_or_default().as_secs() / (24 * 60 * 60);
    format!("{}  {:>10}  {days:>3}d  {kind}", blob.digest, size(blob.size))
}

/// Returns the lines of what nothing needs in a repository: `DIGEST  AGE  WHAT`.
pub(crate) fn unneeded(found: &PrunedRepository, now: SystemTime) -> String {
    let now = Timestamp::try_from(now).unwrap_or(Timestamp::UNIX_EPOCH);
    let line = |manifest: &UnneededManifest| {
        let days = now.duration_since(manifest.since).as_secs().max(0) / (24 * 60 * 60);
        sanitize(&format!("{}  {days:>4}d  {}", manifest.digest, manifest.kind)) + "\n"
    };
    found.unneeded.iter().map(line).collect()
}

/// Returns the line with the number of what is needed, and of what is not.
pub(crate) fn unneeded_total(found: &PrunedRepository) -> String {
    let count = found.unneeded.len();
    let (verb, way) = match (found.deleted, count) {
        (true, _) => ("Deleted", ""),
        (false, 0) => ("Found", ""),
        (false, _) => ("Found", "; `--delete` deletes them"),
    };
    let what = plural(count, "manifest");
    format!(
        "{} {count} {what} that nothing needs in {}, beside {} that are needed{way}",
        verb_column(verb),
        found.repository,
        found.needed
    )
}

/// Returns the line with the number of blobs and their size.
pub(crate) fn total(blobs: &[CachedBlob]) -> String {
    let bytes = blobs.iter().map(|blob| blob.size).fold(0, u64::saturating_add);
    format!("{} {} {}, {}", verb_column("Cached"), blobs.len(), plural(blobs.len(), "blob"), size(bytes))
}

/// Returns the line of a corrupt blob.
pub(crate) fn corrupt(digest: &Digest, problem: &str) -> String {
    sanitize(&format!("{digest}: {problem}")).replace('\n', " ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::digest::sha256;
    use std::time::Duration;

    #[test]
    fn blob_line_has_age_in_days() {
        let now = SystemTime::now();
        let used = now - Duration::from_secs(50 * 60 * 60);
        let line = blob(&CachedBlob { digest: sha256(b""), size: 1536, used, kind: BlobKind::Gzip }, now);
        assert!(line.starts_with("sha256:e3b0c442") && line.ends_with("b855     1.5 KiB    2d  gzip"), "{line}");
    }
}
