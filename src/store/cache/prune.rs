//! What is in the cache, what of it is right, and what goes.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use oci_spec::image::Descriptor;

use super::{Cache, DAY, open_blob};
use crate::image::MediaType;
use crate::image::digest::{Digest, VerifyReader};
use crate::image::manifest::sniff;
use crate::store::MOST_DOCUMENT_BYTES;

/// What a cache holds that nobody has said anything about.
pub const DEFAULT: Limits =
    Limits { older_than: Some(Duration::from_secs(30 * 24 * 60 * 60)), max_size: Some(10 << 30) };

/// What stays in a cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Nothing whose last use is longer ago.
    pub older_than: Option<Duration>,
    /// No more bytes than this: what was used last stays.
    pub max_size: Option<u64>,
}

/// A blob of the cache.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CachedBlob {
    /// Its name.
    pub digest: Digest,
    /// In bytes.
    pub size: u64,
    /// When it was used last, to a day.
    pub used: SystemTime,
    /// What it looks like.
    pub kind: BlobKind,
}

/// What the first bytes of a blob look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BlobKind {
    /// An index of images.
    Index,
    /// The manifest of an image.
    Manifest,
    /// Another document: mostly the config of an image.
    Document,
    /// What gzip has compressed.
    Gzip,
    /// What zstd has compressed.
    Zstd,
    /// Anything else: mostly a tar.
    Other,
}

/// What was removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Removed {
    /// How many blobs.
    pub blobs: usize,
    /// Their bytes together.
    pub bytes: u64,
}

/// A file of the cache, and what is known of it without reading it.
struct BlobFile {
    path: PathBuf,
    size: u64,
    used: SystemTime,
}

impl Cache {
    /// The folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// All blobs, the one that was used last at the end.
    pub fn blobs(&self) -> Vec<CachedBlob> {
        let blob = |(digest, found): (Digest, BlobFile)| {
            let kind = kind(&found);
            CachedBlob { digest, size: found.size, used: found.used, kind }
        };
        self.found().into_iter().map(blob).collect()
    }

    /// Removes what is beyond the limits. Who uses it meanwhile has it open, or fetches it again.
    pub fn prune(&self, limits: Limits) -> Removed {
        let now = SystemTime::now();
        let is_old = |found: &BlobFile| {
            let age = now.duration_since(found.used).unwrap_or_default();
            limits.older_than.is_some_and(|most| age >= most)
        };
        let blobs = self.found();
        let mut left: u64 = blobs.iter().map(|(_, found)| found.size).sum();
        let mut removed = Removed::default();
        for (_, found) in blobs {
            let is_too_much = limits.max_size.is_some_and(|most| left > most);
            if (is_old(&found) || is_too_much) && fs::remove_file(&found.path).is_ok() {
                left -= found.size;
                removed = Removed { blobs: removed.blobs + 1, bytes: removed.bytes + found.size };
            }
        }
        // What is remembered is small: it goes by its age alone, or with the last blob.
        for found in files(&self.memory()).filter(|found| is_old(found) || limits.max_size == Some(0)) {
            let _ = fs::remove_file(found.path);
        }
        removed
    }

    /// Hashes all blobs, and removes those that are not what their names say.
    pub fn verify(&self) -> Vec<(Digest, String)> {
        let mut wrong = Vec::new();
        for (digest, found) in self.found() {
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

    /// Prunes once a day, by the time of the lock.
    pub(super) fn prune_daily(&self, lock: &File) {
        let now = SystemTime::now();
        let last = lock.metadata().and_then(|found| found.modified());
        if last.is_ok_and(|last| now.duration_since(last).is_ok_and(|age| age > DAY)) {
            self.prune(DEFAULT);
            let _ = lock.set_modified(now);
        }
    }

    /// The files with names of blobs, the one that was used last at the end.
    fn found(&self) -> Vec<(Digest, BlobFile)> {
        let mut all = Vec::new();
        for algorithm in ["sha256", "sha512"] {
            for found in files(&self.root.join("blobs").join(algorithm)) {
                let hex = found.path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
                let digest = Digest::try_from(format!("{algorithm}:{hex}"));
                all.extend(digest.ok().map(|digest| (digest, found)));
            }
        }
        all.sort_by(|(digest, one), (other, two)| (one.used, digest.as_ref()).cmp(&(two.used, other.as_ref())));
        all
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
        [b'{' | b' ' | b'\n' | b'\t' | b'\r', ..] if found.size <= MOST_DOCUMENT_BYTES => {
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

    /// A cache with blobs of these contents, each used an hour after the one before, the last one hour ago.
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
    fn what_was_used_last_stays() {
        let (_folder, cache) = cache(&[b"1", b"22", b"333", b"4444"]);
        assert_eq!(left(&cache), [1, 2, 3, 4]);
        let removed = cache.prune(Limits { older_than: Some(HOUR * 7 / 2), max_size: None });
        assert_eq!((removed, left(&cache)), (Removed { blobs: 1, bytes: 1 }, vec![2, 3, 4]));
        let removed = cache.prune(Limits { older_than: None, max_size: Some(7) });
        assert_eq!((removed, left(&cache)), (Removed { blobs: 1, bytes: 2 }, vec![3, 4]));
        cache.put(RecordKind::Tag, "x", 1);
        let removed = cache.prune(Limits { older_than: None, max_size: Some(0) });
        assert_eq!((removed.blobs, left(&cache), cache.get::<u32>(RecordKind::Tag, "x")), (2, Vec::new(), None));
    }

    #[test]
    fn it_is_tidied_once_a_day_when_it_is_opened() {
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
    fn a_blob_that_is_used_gets_the_time_of_the_day() {
        let (_folder, cache) = cache(&[b"1"]);
        let (digest, before) = (sha256(b"1"), SystemTime::now() - DAY * 2);
        let descriptor = Descriptor::new(MediaType::ImageLayer, 1, digest.clone());
        File::open(cache.path(&digest)).and_then(|file| file.set_modified(before)).expect("a time");
        assert!(cache.verified(&descriptor).is_some());
        assert!(cache.blobs()[0].used > before + DAY);
    }

    #[test]
    fn what_is_wrong_is_found_and_removed() {
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
