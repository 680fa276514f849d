//! What is kept between runs, in one folder of the user's.
//!
//! | path | what it is |
//! | --- | --- |
//! | `blobs/<algorithm>/<hex>` | content by digest: of bases, and layers that were made here |
//! | `memory/…` | what was found of tags, files and layouts ([`records`]) |
//! | `unfinished/…` | files that are being written |
//! | `lock` | held by every run; its time is that of the last tidying ([`prune`]) |
//!
//! A blob is there whole or not at all, and it is hashed again by each run that uses it: the folder is the user's, but
//! disks and other programs err, and layouts may have it under a second name ([`share`](super::reflink)).

pub mod prune;
mod pull_through;
pub mod records;

use std::collections::HashMap;
use std::fs::{self, File, TryLockError};
use std::io::{self, Read, Seek};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use oci_spec::image::Descriptor;

use super::fingerprint::Fingerprint;
use super::reflink::ShareableFile;
use super::{MOST_DOCUMENT_BYTES, Missing, Sink, Source, atomic, open};
use crate::error::{Result, on_path};
use crate::image::digest::{Digest, VerifyReader};
use crate::image::manifest::sniff;
use crate::parallel::lock;

pub use self::pull_through::PullThrough;

/// The time of a blob is that of its last use, to a day: who uses it writes seldom.
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// The cache folder.
#[derive(Debug)]
pub struct Cache {
    root: PathBuf,
    /// Held while this is used, with others: who has it alone knows that no unfinished file is anybody's.
    lock: Option<File>,
    /// What this run has hashed.
    verified: Mutex<HashMap<Digest, Fingerprint>>,
}

impl Cache {
    /// The cache in `root`, which is made if it is not there. What runs that were killed left unfinished is removed, and
    /// once a day what was not used for long.
    ///
    /// # Errors
    /// A folder that others can write to, or that is somebody else's: what is in it could be anything.
    pub fn open(root: PathBuf) -> Result<Cache> {
        if let Ok(metadata) = fs::metadata(&root) {
            refuse_foreign(&root, &metadata)?;
        }
        let failed = |error: io::Error| on_path("use the cache", &root, error);
        let open = || {
            create_private(&root.join("unfinished"))?;
            File::options().write(true).create(true).truncate(false).open(root.join("lock"))
        };
        let mut cache = Cache { root: root.clone(), lock: None, verified: Mutex::default() };
        let lock = match open() {
            Ok(lock) => lock,
            // What is there can be used all the same.
            Err(error) if is_read_only(&error) => return Ok(cache),
            Err(error) => return Err(failed(error)),
        };
        match lock.try_lock() {
            Ok(()) => {
                cache.sweep();
                cache.prune_daily(&lock);
                lock.unlock().map_err(failed)?;
            }
            Err(TryLockError::WouldBlock) => {}
            Err(TryLockError::Error(error)) => ignore_unsupported(error).map_err(failed)?,
        }
        lock.lock_shared().or_else(ignore_unsupported).map_err(failed)?;
        cache.lock = Some(lock);
        Ok(cache)
    }

    /// Whether nothing can be stored: content then only passes by.
    pub fn is_read_only(&self) -> bool {
        self.lock.is_none()
    }

    fn path(&self, digest: &Digest) -> PathBuf {
        let algorithm = self.root.join("blobs").join(digest.algorithm().as_ref());
        algorithm.join(digest.digest())
    }

    fn unfinished(&self) -> PathBuf {
        self.root.join("unfinished")
    }

    /// Whether a blob of that name and size is there; what is in it is checked when it is read.
    fn has(&self, descriptor: &Descriptor) -> bool {
        let metadata = fs::metadata(self.path(descriptor.digest()));
        metadata.is_ok_and(|found| found.len() == descriptor.size())
    }

    /// The same, by one who goes on as if it was used.
    fn has_for_use(&self, descriptor: &Descriptor) -> bool {
        let blob = open_blob(&self.path(descriptor.digest())).ok();
        blob.inspect(|blob| self.used(blob, SystemTime::now())).is_some() && self.has(descriptor)
    }

    /// The blob, opened and hashed, once in a run; nothing where it is missing or not what its name says.
    fn verified(&self, descriptor: &Descriptor) -> Option<File> {
        let now = SystemTime::now();
        let mut file = open_blob(&self.path(descriptor.digest())).ok()?;
        self.used(&file, now);
        let stamp =
            file.metadata().ok().filter(|found| found.len() == descriptor.size()).as_ref().and_then(Fingerprint::of);
        let settled = stamp.filter(|stamp| stamp.is_settled_at(now));
        if settled.is_some() && lock(&self.verified).get(descriptor.digest()) == settled.as_ref() {
            return Some(file);
        }
        io::copy(&mut VerifyReader::new(&file, descriptor), &mut io::sink()).ok()?;
        file.rewind().ok()?;
        if let Some(stamp) = settled {
            lock(&self.verified).insert(descriptor.digest().clone(), stamp);
        }
        Some(file)
    }

    /// Makes the time of a blob that of its last use, where that is another day's.
    fn used(&self, blob: &File, now: SystemTime) {
        let last = blob.metadata().and_then(|found| found.modified());
        if !self.is_read_only() && last.is_ok_and(|last| now.duration_since(last).is_ok_and(|age| age > DAY)) {
            let _ = blob.set_modified(now);
        }
    }

    /// Takes a blob in that is right and lies elsewhere, sharing its bytes where that can be. What goes wrong costs a
    /// later run some time, and nothing else.
    pub fn adopt(&self, descriptor: &Descriptor, blob: &ShareableFile) {
        if self.is_read_only() || self.has(descriptor) && self.verified(descriptor).is_some() {
            return;
        }
        let path = self.path(descriptor.digest());
        let take = || -> io::Result<()> {
            let folder = path.parent().unwrap_or(&self.root);
            create_private(folder)?;
            blob.put(&path, &self.unfinished(), &blob.path)?;
            atomic::sync_folder(folder);
            Ok(())
        };
        if take().is_err() {
            let copy = File::open(&blob.path).map_err(|error| on_path("read", &blob.path, error));
            let _ = copy.and_then(|mut copy| self.write(descriptor, &mut VerifyReader::new(&mut copy, descriptor)));
        }
    }

    /// Writes a blob of content that ends in an error where it is not the described one.
    fn write(&self, descriptor: &Descriptor, content: &mut dyn Read) -> Result<()> {
        let path = self.path(descriptor.digest());
        let folder = path.parent().unwrap_or(&self.root);
        let failed = |error: io::Error| on_path("write", &path, error);
        create_private(folder).map_err(|error| on_path("create", folder, error))?;
        let unfinished = self.unfinished();
        let mut file = atomic::create_in(&unfinished).map_err(|error| on_path("write in", &unfinished, error))?;
        atomic::fill(&mut file, content, &path)?;
        file.as_file().sync_all().map_err(failed)?;
        let file = file.persist(&path).map_err(|error| failed(error.error))?;
        atomic::sync_folder(folder);
        if let Some(stamp) = file.metadata().ok().as_ref().and_then(Fingerprint::of) {
            lock(&self.verified).insert(descriptor.digest().clone(), stamp);
        }
        Ok(())
    }

    /// This cache in front of `origin`: content comes from the cache, and goes there first where it is missing; layers
    /// only where they are to be `keep`ed, for what is only passed on need not touch the disk.
    pub fn pull_through<'a>(self: &Arc<Cache>, origin: Box<dyn Source + Send + 'a>, keep: bool) -> PullThrough<'a> {
        PullThrough { cache: Arc::clone(self), origin, keep }
    }

    /// Removes unfinished files.
    fn sweep(&self) {
        for file in fs::read_dir(self.unfinished()).into_iter().flatten().flatten() {
            let _ = fs::remove_file(file.path());
        }
    }
}

/// Where files cannot be locked, cargo goes on too.
fn ignore_unsupported(error: io::Error) -> io::Result<()> {
    if error.kind() == io::ErrorKind::Unsupported { Ok(()) } else { Err(error) }
}

fn is_read_only(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem)
}

#[cfg(unix)]
fn refuse_foreign(root: &Path, metadata: &fs::Metadata) -> Result<()> {
    use std::os::unix::fs::MetadataExt;
    let user = rustix::process::geteuid().as_raw();
    let why = match (metadata.uid() == user, metadata.mode() & 0o002 == 0) {
        (true, true) => return Ok(()),
        (false, _) => format!("belongs to the user {}, not to you ({user})", metadata.uid()),
        (true, false) => "can be written to by everyone".to_owned(),
    };
    Err(miette::miette!(
        help = "make it yours alone (`chown`, `chmod 700`), or set CARGO_OCI_CACHE_DIR to a folder that is",
        "the cache {} {why}: what is in it could be anything",
        root.display()
    ))
}

/// The user's cache folder is the user's alone where the system keeps users apart by folders.
#[cfg(not(unix))]
fn refuse_foreign(_: &Path, _: &fs::Metadata) -> Result<()> {
    Ok(())
}

/// Opens a blob: a file, not a link to one, and one that nobody else may write to. It may have other names: those of
/// layouts.
fn open_blob(path: &Path) -> io::Result<File> {
    let mut options = File::options();
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::custom_flags(
        &mut options,
        (rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK).bits().cast_signed(),
    );
    let file = options.read(true).open(path)?;
    let metadata = file.metadata()?;
    match metadata.is_file() && is_ours(&metadata) {
        true => Ok(file),
        false => Err(io::Error::other("not a file of the cache")),
    }
}

#[cfg(unix)]
fn is_ours(metadata: &fs::Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;
    metadata.uid() == rustix::process::geteuid().as_raw() && metadata.mode() & 0o002 == 0
}

#[cfg(not(unix))]
fn is_ours(_: &fs::Metadata) -> bool {
    true
}

/// Creates a folder and its parents; on Unix for the user alone.
fn create_private(folder: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.recursive(true).create(folder)
}

impl Source for Cache {
    fn resolve(&self, name: Option<&str>) -> Result<Descriptor> {
        let missing = || Missing { name: name.unwrap_or("name").to_owned(), location: self.location() };
        let digest = name.and_then(|name| Digest::try_from(name).ok()).ok_or_else(missing)?;
        let file = open_blob(&self.path(&digest)).map_err(|_| missing())?;
        let mut bytes = Vec::new();
        file.take(MOST_DOCUMENT_BYTES)
            .read_to_end(&mut bytes)
            .map_err(|error| on_path("read", &self.path(&digest), error))?;
        // What the bytes say counts only when they are the bytes of that name.
        let descriptor = sniff(&bytes).map(|media_type| Descriptor::new(media_type, bytes.len() as u64, digest));
        let descriptor = descriptor.ok_or_else(missing)?;
        let mut content = VerifyReader::new(&bytes[..], &descriptor);
        io::copy(&mut content, &mut io::sink()).map_err(|_| missing())?;
        Ok(descriptor)
    }

    fn exists(&self, descriptor: &Descriptor) -> Result<bool> {
        Ok(self.has(descriptor))
    }

    fn fetch(&self, descriptor: &Descriptor) -> Result<Box<dyn Read + Send + '_>> {
        let file = self.verified(descriptor);
        let file = file.ok_or_else(|| Missing::blob(descriptor, self.location()))?;
        Ok(Box::new(file))
    }

    fn shareable(&self, descriptor: &Descriptor) -> Option<ShareableFile> {
        let file = self.verified(descriptor)?;
        Some(ShareableFile { file, path: self.path(descriptor.digest()) })
    }

    fn location(&self) -> String {
        format!("the cache {}", self.root.display())
    }
}

impl Sink for Cache {
    fn exists(&self, descriptor: &Descriptor) -> Result<bool> {
        Ok(self.verified(descriptor).is_some())
    }

    fn push(&self, descriptor: &Descriptor, source: &dyn Source) -> Result<()> {
        self.write(descriptor, &mut open(source, descriptor)?)
    }

    /// A cache knows no names but digests.
    fn tag(&self, _: &Descriptor, _: &str) -> Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::digest::sha256;
    use crate::store::{Memory, copy, read};
    use oci_spec::image::MediaType;

    fn blob(bytes: &[u8]) -> (Memory, Descriptor) {
        let (memory, descriptor) =
            (Memory::default(), Descriptor::new(MediaType::ImageLayer, bytes.len() as u64, sha256(bytes)));
        memory.put(&descriptor, bytes.to_vec());
        (memory, descriptor)
    }

    fn files(folder: &Path) -> usize {
        fs::read_dir(folder.join("blobs/sha256")).expect("a folder").count()
    }

    #[test]
    fn content_comes_from_the_origin_once() {
        let folder = tempfile::tempdir().expect("a folder");
        let cache = Arc::new(Cache::open(folder.path().to_owned()).expect("a cache"));
        let (origin, descriptor) = blob(b"abc");
        assert_eq!(read(&cache.pull_through(Box::new(&origin), true), &descriptor).expect("reads"), b"abc");
        assert_eq!(
            read(&cache.pull_through(Box::new(Memory::default()), true), &descriptor).expect("is there"),
            b"abc"
        );
    }

    #[test]
    fn a_corrupted_blob_is_fetched_again() {
        let folder = tempfile::tempdir().expect("a folder");
        let cache = Arc::new(Cache::open(folder.path().to_owned()).expect("a cache"));
        let (origin, descriptor) = blob(b"abc");
        copy(&origin, cache.as_ref(), std::slice::from_ref(&descriptor)).expect("copies");
        fs::write(cache.path(descriptor.digest()), b"abd").expect("corrupts");
        assert!(read(cache.as_ref(), &descriptor).is_err());
        assert_eq!(read(&cache.pull_through(Box::new(&origin), true), &descriptor).expect("reads"), b"abc");
        assert_eq!(read(cache.as_ref(), &descriptor).expect("is mended"), b"abc");
    }

    #[test]
    fn wrong_content_never_gets_in_and_leaves_nothing_behind() {
        let folder = tempfile::tempdir().expect("a folder");
        let cache = Arc::new(Cache::open(folder.path().to_owned()).expect("a cache"));
        let (origin, descriptor) = blob(b"abc");
        for wrong in [&b"abd"[..], b"ab", b"abcd"] {
            origin.put(&descriptor, wrong.to_vec());
            assert!(copy(&origin, cache.as_ref(), std::slice::from_ref(&descriptor)).is_err());
            assert_eq!(files(folder.path()), 0);
        }
    }

    #[test]
    fn what_a_killed_run_left_is_removed_when_nobody_else_is_there() {
        let folder = tempfile::tempdir().expect("a folder");
        let left = folder.path().join("unfinished/.new-left");
        fs::create_dir_all(left.parent().expect("a folder")).expect("a folder");
        fs::write(&left, "half").expect("writes");
        let first = Cache::open(folder.path().to_owned()).expect("a cache");
        assert!(!left.exists());
        fs::write(&left, "half").expect("writes");
        let second = Cache::open(folder.path().to_owned()).expect("a cache");
        assert!(left.exists(), "it may be the first one's");
        drop((first, second));
        drop(Cache::open(folder.path().to_owned()));
        assert!(!left.exists());
    }

    #[cfg(unix)]
    #[test]
    fn a_folder_that_others_can_write_to_is_refused_and_so_are_links() {
        use std::os::unix::fs::{PermissionsExt, symlink};
        let folder = tempfile::tempdir().expect("a folder");
        let root = folder.path().join("cache");
        let cache = Cache::open(root.clone()).expect("a cache");
        assert_eq!(fs::metadata(&root).expect("a folder").permissions().mode() & 0o777, 0o700);
        let (origin, descriptor) = blob(b"abc");
        copy(&origin, &cache, std::slice::from_ref(&descriptor)).expect("copies");
        let path = cache.path(descriptor.digest());
        fs::rename(&path, root.join("elsewhere")).expect("moves");
        symlink(root.join("elsewhere"), &path).expect("links");
        assert!(read(&cache, &descriptor).is_err());
        fs::rename(root.join("elsewhere"), &path).expect("moves");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).expect("opens");
        assert!(read(&cache, &descriptor).is_err());
        fs::set_permissions(&root, fs::Permissions::from_mode(0o777)).expect("opens");
        let error = Cache::open(root).unwrap_err();
        assert!(error.to_string().contains("can be written to by everyone"), "{error}");
    }

    #[cfg(unix)]
    #[test]
    fn bytes_are_shared_with_a_layout_and_a_change_there_is_noticed() {
        let folder = tempfile::tempdir().expect("a folder");
        let cache = Cache::open(folder.path().join("cache")).expect("a cache");
        let layout = folder.path().join("layout");
        fs::create_dir(&layout).expect("a folder");
        let (_, descriptor) = blob(b"abc");
        let path = layout.join("abc");
        fs::write(&path, "abc").expect("writes");
        let adopt = |path: &Path| {
            let file = File::open(path).expect("a file");
            cache.adopt(&descriptor, &ShareableFile { file, path: path.to_owned() });
        };
        adopt(&path);
        assert_eq!(read(&cache, &descriptor).expect("is there"), b"abc");
        let put = |name: &str| {
            let shared = cache.shareable(&descriptor).expect("is right");
            shared.put(&layout.join(name), &layout, &path).expect("shares");
        };
        // Twice, for a link over another name of the same file is no link at all.
        put("copy");
        put("copy");
        assert_eq!(fs::read(layout.join("copy")).expect("a file"), b"abc");
        assert_eq!(fs::read_dir(&layout).expect("a folder").count(), 2);
        assert_eq!(fs::read_dir(cache.unfinished()).expect("a folder").count(), 0);
        // Written to under its other name, or in its own place where the file system made a copy then.
        fs::write(layout.join("copy"), "abd").expect("writes");
        fs::write(cache.path(descriptor.digest()), "abd").expect("writes");
        assert!(cache.shareable(&descriptor).is_none());
    }

    #[test]
    fn a_file_that_is_not_the_blob_is_not_adopted_where_it_is_copied() {
        let folder = tempfile::tempdir().expect("a folder");
        let cache = Cache::open(folder.path().join("cache")).expect("a cache");
        let (origin, descriptor) = blob(b"abc");
        origin.put(&descriptor, b"abd".to_vec());
        assert!(cache.push(&descriptor, &origin).is_err());
        assert!(!cache.has(&descriptor));
    }
}
