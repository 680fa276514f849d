//! Listing, verifying and pruning the blobs of the cache.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use oci_spec::image::Descriptor;

use super::blobs::{Cache, DAY};
use super::private::open_blob;
use crate::image::MediaType;
use crate::image::digest::{Digest, VerifyReader};
use crate::image::manifest::sniff;
use crate::store::source::MAX_DOCUMENT_BYTES;

/// The limits of the daily prune.
pub(crate) const DEFAULT: Limits =
    Limits { older_than: Some(Duration::from_secs(30 * 24 * 60 * 60)), max_size: Some(10 << 30) };

/// What to keep in a cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Removes blobs that were not used for this long.
    pub older_than: Option<Duration>,
    /// Removes the least recently used blobs beyond this total size in bytes.
    pub max_size: Option<u64>,
}

/// A blob of the cache.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CachedBlob {
    /// The digest.
    pub digest: Digest,
    /// The size in bytes.
    pub size: u64,
    /// The time of the last use, to a day.
    pub used: SystemTime,
    /// The type, by its content.
    pub kind: BlobKind,
}

/// The type of a blob, detected by its first bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BlobKind {
    /// An index of images.
    Index,
    /// The manifest of an image.
    Manifest,
    /// Another JSON document, usually the config of an image.
    Document,
    /// Data compressed with gzip.
    Gzip,
    /// Data compressed with zstd.
    Zstd,
    /// Anything else, usually a tar.
    Other,
}

/// The result of pruning.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pruned {
    /// The number of removed blobs.
    pub blobs: usize,
    /// Their total size in bytes.
    pub bytes: u64,
}

/// The metadata of a file of the cache.
struct BlobFile {
    path: PathBuf,
    size: u64,
    used: SystemTime,
}

impl Cache {
    /// Returns all blobs, least recently used first.
    pub fn blobs(&self) -> Vec<CachedBlob> {
        let files = self.blob_files().into_iter();
        files.map(|(digest, file)| CachedBlob { digest, size: file.size, used: file.used, kind: kind(&file) }).collect()
    }

    /// Removes what exceeds the limits. A run that uses a removed blob has it open, or fetches it again.
    pub fn prune(&self, limits: Limits) -> Pruned {
        let now = SystemTime::now();
        let blobs = self.blob_files();
        let mut total: u64 = blobs.iter().map(|(_, file)| file.size).sum();
        let mut pruned = Pruned::default();
        for (_, file) in blobs {
            let is_too_much = limits.max_size.is_some_and(|max_size| total > max_size);
            if (file.is_expired(limits, now) || is_too_much) && fs::remove_file(&file.path).is_ok() {
                total -= file.size;
                pruned = Pruned { blobs: pruned.blobs + 1, bytes: pruned.bytes + file.size };
            }
        }
        // Records are small: they are removed by their age alone, or with the last blob.
        for file in files(&self.records_folder()) {
            if file.is_expired(limits, now) || limits.max_size == Some(0) {
                let _ = fs::remove_file(file.path);
            }
        }
        pruned
    }

    /// Verifies all blobs. Removes those that are corrupted, and returns them with the error.
    pub fn verify(&self) -> Vec<(Digest, String)> {
        let mut wrong = Vec::new();
        for (digest, found) in self.blob_files() {
            let descriptor = Descriptor::new(MediaType::Other(String::new()), found.size, digest.clone());
            let read = open_blob(&found.path)
                .and_then(|file| io::copy(&mut VerifyReader::new(file, &descriptor), &mut io::sink()));
            match read {
                Err(error) if crate::interrupt::is_set() || error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => {
                    let _ = fs::remove_file(&found.path);
                    wrong.push((digest, error.to_string()));
                }
                Ok(_) => {}
            }
        }
        wrong
    }

    /// Prunes once a day. The mtime of the lock is that of the last time.
    pub(super) fn prune_daily(&self, lock: &File) {
        let now = SystemTime::now();
        let last = lock.metadata().and_then(|found| found.modified());
        if last.is_ok_and(|last| now.duration_since(last).is_ok_and(|age| age > DAY)) {
            self.prune(DEFAULT);
            let _ = lock.set_modified(now);
        }
    }

    /// Returns the files named like blobs, least recently used first.
    fn blob_files(&self) -> Vec<(Digest, BlobFile)> {
        let mut all = Vec::new();
        for algorithm in ["sha256", "sha512"] {
            for found in files(&self.root().join("blobs").join(algorithm)) {
                let hex = found.path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
                let digest = Digest::try_from(format!("{algorithm}:{hex}"));
                all.extend(digest.ok().map(|digest| (digest, found)));
            }
        }
        all.sort_by(|(digest, one), (other, two)| (one.used, digest.as_ref()).cmp(&(two.used, other.as_ref())));
        all
    }
}

impl BlobFile {
    fn is_expired(&self, limits: Limits, now: SystemTime) -> bool {
        let age = now.duration_since(self.used).unwrap_or_default();
        limits.older_than.is_some_and(|max_age| age >= max_age)
    }
}

fn files(folder: &Path) -> impl Iterator<Item = BlobFile> {
    let files = fs::read_dir(folder).into_iter().flatten().flatten();
    files.filter_map(|file| {
        let metadata = file.metadata().ok()?;
        Some(BlobFile { path: file.path(), size: metadata.len(), used: metadata.modified().ok()? })
    })
}

fn kind(found: &BlobFile) -> BlobKind {
    let mut begin = Vec::new();
    let read = open_blob(&found.path).and_then(|file| file.take(4).read_to_end(&mut begin));
    match &begin[..] {
        _ if read.is_err() => BlobKind::Other,
        [0x1f, 0x8b, ..] => BlobKind::Gzip,
        [0x28, 0xb5, 0x2f, 0xfd] => BlobKind::Zstd,
        [b'{' | b' ' | b'\n' | b'\t' | b'\r', ..] if found.size <= MAX_DOCUMENT_BYTES => {
            match fs::read(&found.path).ok().as_deref().and_then(sniff) {
                Some(MediaType::ImageIndex) => BlobKind::Index,
                Some(MediaType::ImageManifest) => BlobKind::Manifest,
                _ => BlobKind::Document,
            }
        }
        _ => BlobKind::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::digest::sha256;
    use crate::store::cache::records::RecordKind;
    use crate::store::{Memory, Sink};

    const HOUR: Duration = Duration::from_secs(60 * 60);

    /// Creates a cache with these blobs, each used an hour after the one before, the last one an hour ago.
    fn cache(contents: &[&[u8]]) -> (tempfile::TempDir, Cache) {
        let folder = tempfile::tempdir().expect("a folder");
        let cache = Cache::open(folder.path().to_owned()).expect("a cache");
        let hours = (1..=contents.len()).rev();
        for (content, hours) in contents.iter().zip(hours) {
            let descriptor = Descriptor::new(MediaType::ImageLayer, content.len() as u64, sha256(content));
            let memory = Memory::default();
            memory.put(&descriptor, content.to_vec());
            cache.push(&descriptor, &memory).expect("stores");
            let used = SystemTime::now() - HOUR * u32::try_from(hours).expect("few");
            File::open(cache.path(descriptor.digest())).and_then(|file| file.set_modified(used)).expect("a time");
        }
        (folder, cache)
    }

    fn left(cache: &Cache) -> Vec<u64> {
        cache.blobs().iter().map(|blob| blob.size).collect()
    }

    #[test]
    fn prune_keeps_most_recently_used_blobs() {
        let (_folder, cache) = cache(&[b"1", b"22", b"333", b"4444"]);
        assert_eq!(left(&cache), [1, 2, 3, 4]);
        let removed = cache.prune(Limits { older_than: Some(HOUR * 7 / 2), max_size: None });
        assert_eq!((removed, left(&cache)), (Pruned { blobs: 1, bytes: 1 }, vec![2, 3, 4]));
        let removed = cache.prune(Limits { older_than: None, max_size: Some(7) });
        assert_eq!((removed, left(&cache)), (Pruned { blobs: 1, bytes: 2 }, vec![3, 4]));
        cache.put(RecordKind::Tag, "x", 1);
        let removed = cache.prune(Limits { older_than: None, max_size: Some(0) });
        assert_eq!((removed.blobs, left(&cache), cache.get::<u32>(RecordKind::Tag, "x")), (2, Vec::new(), None));
    }

    #[test]
    fn cache_is_pruned_daily_when_opened() {
        let (folder, cache) = cache(&[b"1", b"22"]);
        let old = cache.path(&sha256(b"1"));
        File::open(&old).and_then(|file| file.set_modified(SystemTime::now() - DAY * 31)).expect("a time");
        drop(cache);
        assert_eq!(left(&Cache::open(folder.path().to_owned()).expect("a cache")), [1, 2]);
        let lock = File::options().write(true).open(folder.path().join("lock")).expect("a lock");
        lock.set_modified(SystemTime::now() - DAY * 2).expect("a time");
        assert_eq!(left(&Cache::open(folder.path().to_owned()).expect("a cache")), [2]);
    }

    #[test]
    fn using_a_blob_updates_its_mtime() {
        let (_folder, cache) = cache(&[b"1"]);
        let (digest, before) = (sha256(b"1"), SystemTime::now() - DAY * 2);
        let descriptor = Descriptor::new(MediaType::ImageLayer, 1, digest.clone());
        File::open(cache.path(&digest)).and_then(|file| file.set_modified(before)).expect("a time");
        assert!(cache.verified(&descriptor).is_some());
        assert!(cache.blobs()[0].used > before + DAY);
    }

    #[test]
    fn verify_removes_corrupted_blobs() {
        let (_folder, cache) = cache(&[b"1", b"22", b"{}", &[0x1f, 0x8b, 8]]);
        fs::write(cache.path(&sha256(b"22")), "23").expect("corrupts");
        let wrong = cache.verify();
        assert_eq!(wrong.len(), 1);
        assert_eq!(wrong[0].0, sha256(b"22"));
        assert_eq!(cache.verify(), []);
        let kinds: Vec<_> = cache.blobs().iter().map(|blob| blob.kind).collect();
        assert_eq!(kinds, [BlobKind::Other, BlobKind::Document, BlobKind::Gzip]);
    }
}
