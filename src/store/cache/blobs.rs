//! The cache as a store of blobs.

use std::collections::HashMap;
use std::fs::{self, File, TryLockError};
use std::io::{self, Read, Seek};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, SystemTime};

use oci_spec::image::Descriptor;

use super::private::{check_links, check_owner, create_private, open_blob};
use crate::error::{Result, cannot_read, on_path};
use crate::image::digest::{Digest, VerifyReader};
use crate::image::manifest::sniff;
use crate::interrupt;
use crate::parallel::lock;
use crate::reference::TagOrDigest;
use crate::regular_file;
use crate::store::atomic::{self, Audience};
use crate::store::error::Missing;
use crate::store::fingerprint::Fingerprint;
use crate::store::reflink::ShareableFile;
use crate::store::sink::Sink;
use crate::store::source::{MAX_DOCUMENT_BYTES, Source, open};

/// The mtime of a blob is that of its last use, to a day, so that most uses write nothing.
pub(crate) const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// The cache folder.
#[derive(Debug)]
pub struct Cache {
    root: PathBuf,
    /// A shared lock. A run that gets it exclusively knows that no other run writes unfinished files.
    lock: Option<File>,
    /// The blobs that this run has verified.
    verified: Mutex<HashMap<Digest, Fingerprint>>,
}

impl Cache {
    /// Opens or creates the cache in `root`. Removes what killed runs left, and prunes once a day.
    ///
    /// # Errors
    /// Returns an error if the folder belongs to somebody else or others can write to it, or if it cannot be used.
    pub fn open(root: PathBuf) -> Result<Cache> {
        if let Ok(metadata) = fs::metadata(&root) {
            check_owner(&root, &metadata)?;
            check_links(&root)?;
        }
        let mut cache = Cache { root, lock: None, verified: Mutex::default() };
        let cannot_use = |error: io::Error| on_path("use the cache", &cache.root, error);
        let lock = match cache.open_lock() {
            Ok(lock) => lock,
            // The blobs can still be read.
            Err(error) if is_read_only(&error) => return Ok(cache),
            Err(error) => return Err(cannot_use(error)),
        };
        match lock.try_lock() {
            Ok(()) => {
                cache.remove_unfinished();
                cache.prune_daily(&lock);
                // Wine reports an error although it has unlocked the file. A lock that stays is only a shared one below.
                let _ = lock.unlock();
            }
            Err(TryLockError::WouldBlock) => {}
            Err(TryLockError::Error(error)) => ignore_unsupported(error).map_err(cannot_use)?,
        }
        interrupt::blocking::lock_shared(&lock).or_else(ignore_unsupported).map_err(cannot_use)?;
        cache.lock = Some(lock);
        Ok(cache)
    }

    fn open_lock(&self) -> io::Result<File> {
        create_private(&self.unfinished())?;
        let mut options = File::options();
        options.write(true).create(true).truncate(false);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        options.open(self.root.join("lock"))
    }

    /// Returns the folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Returns whether nothing can be stored.
    pub fn is_read_only(&self) -> bool {
        self.lock.is_none()
    }

    /// Returns the path of a blob.
    pub(super) fn path(&self, digest: &Digest) -> PathBuf {
        let algorithm = self.root.join("blobs").join(digest.algorithm().as_ref());
        algorithm.join(digest.digest())
    }

    /// Returns the folder of files that are being written.
    pub(super) fn unfinished(&self) -> PathBuf {
        self.root.join("unfinished")
    }

    /// Returns whether there is a blob with this name and size. Its content is verified when it is read.
    pub(super) fn has(&self, descriptor: &Descriptor) -> bool {
        let metadata = fs::metadata(self.path(descriptor.digest()));
        metadata.is_ok_and(|found| found.len() == descriptor.size())
    }

    /// Does the same as [`Cache::has`], and marks the blob as used.
    pub(super) fn has_for_use(&self, descriptor: &Descriptor) -> bool {
        let path = self.path(descriptor.digest());
        let blob = open_blob(&path).ok();
        blob.inspect(|blob| self.mark_used(blob, &path, SystemTime::now())).is_some() && self.has(descriptor)
    }

    /// Opens a blob and verifies it, once per run. Returns `None` if it is missing or corrupted.
    pub(super) fn verified(&self, descriptor: &Descriptor) -> Option<File> {
        let now = SystemTime::now();
        let path = self.path(descriptor.digest());
        let mut file = open_blob(&path).ok()?;
        self.mark_used(&file, &path, now);
        let metadata = file.metadata().ok().filter(|found| found.len() == descriptor.size());
        let fingerprint = metadata.as_ref().and_then(Fingerprint::of).filter(|found| found.is_settled_at(now));
        if fingerprint.is_some() && lock(&self.verified).get(descriptor.digest()) == fingerprint.as_ref() {
            return Some(file);
        }
        io::copy(&mut VerifyReader::new(&file, descriptor), &mut io::sink()).ok()?;
        file.rewind().ok()?;
        if let Some(fingerprint) = fingerprint {
            lock(&self.verified).insert(descriptor.digest().clone(), fingerprint);
        }
        Some(file)
    }

    /// Sets the mtime of a blob to now if its last use was on another day.
    fn mark_used(&self, blob: &File, path: &Path, now: SystemTime) {
        let last = blob.metadata().and_then(|found| found.modified());
        if !self.is_read_only() && last.is_ok_and(|last| now.duration_since(last).is_ok_and(|age| age > DAY)) {
            let _ = regular_file::open_to_sync(path).and_then(|blob| blob.set_modified(now));
        }
    }

    /// Adds a verified file, sharing its bytes if possible. Failing to do so only costs a later run some time.
    pub fn adopt(&self, descriptor: &Descriptor, blob: &ShareableFile) {
        if self.is_read_only() || self.has(descriptor) && self.verified(descriptor).is_some() {
            return;
        }
        if self.share(descriptor, blob).is_err()
            && let Ok(mut file) = regular_file::open_no_link(&blob.path)
        {
            let _ = self.write(descriptor, &mut VerifyReader::new(&mut file, descriptor));
        }
    }

    fn share(&self, descriptor: &Descriptor, blob: &ShareableFile) -> io::Result<()> {
        let path = self.path(descriptor.digest());
        let folder = path.parent().unwrap_or(&self.root);
        create_private(folder)?;
        blob.share_as(&path, &self.unfinished(), Audience::Owner)?;
        atomic::sync_folder(folder);
        Ok(())
    }

    /// Stores content of `source`, and returns it. Another run may prune it from the cache at any time.
    ///
    /// # Errors
    /// Returns an error if the content cannot be read or stored.
    pub(super) fn store(&self, descriptor: &Descriptor, source: &dyn Source) -> Result<File> {
        self.write(descriptor, &mut open(source, descriptor)?)
    }

    /// Writes a blob, and returns it. The reader must verify the content.
    fn write(&self, descriptor: &Descriptor, content: &mut dyn Read) -> Result<File> {
        let path = self.path(descriptor.digest());
        let folder = path.parent().unwrap_or(&self.root);
        let cannot_write = |error: io::Error| on_path("write", &path, error);
        create_private(folder).map_err(|error| on_path("create", folder, error))?;
        let unfinished = self.unfinished();
        let mut file =
            atomic::create_in(&unfinished, Audience::Owner).map_err(|error| on_path("write in", &unfinished, error))?;
        atomic::write_all(&mut file, content, &path)?;
        file.as_file().sync_all().map_err(cannot_write)?;
        let mut file = atomic::persist(file, &path).map_err(cannot_write)?;
        atomic::sync_folder(folder);
        if let Some(fingerprint) = file.metadata().ok().as_ref().and_then(Fingerprint::of) {
            lock(&self.verified).insert(descriptor.digest().clone(), fingerprint);
        }
        file.rewind().map_err(|error| cannot_read(&path, error))?;
        Ok(file)
    }

    fn remove_unfinished(&self) {
        for file in fs::read_dir(self.unfinished()).into_iter().flatten().flatten() {
            let _ = fs::remove_file(file.path());
        }
    }
}

/// Without file locks, go on, as cargo does.
fn ignore_unsupported(error: io::Error) -> io::Result<()> {
    if error.kind() == io::ErrorKind::Unsupported { Ok(()) } else { Err(error) }
}

fn is_read_only(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem)
}

impl Source for Cache {
    fn resolve(&self, name: Option<&TagOrDigest>) -> Result<Descriptor> {
        let missing =
            || Missing { name: name.map_or("name", TagOrDigest::as_str).to_owned(), location: self.location() };
        let digest = name.and_then(TagOrDigest::digest).cloned().ok_or_else(missing)?;
        let file = open_blob(&self.path(&digest)).map_err(|_| missing())?;
        let mut bytes = Vec::new();
        file.take(MAX_DOCUMENT_BYTES)
            .read_to_end(&mut bytes)
            .map_err(|error| cannot_read(&self.path(&digest), error))?;
        // The media type is taken from the content, so the content must be verified.
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
        self.store(descriptor, source).map(drop)
    }

    /// Does nothing: a cache has no tags.
    fn tag(&self, _: &Descriptor, _: &str) -> Result<()> {
        Ok(())
    }
}
