//! Content-addressed blobs on disk, kept between runs: `blobs/<algorithm>/<hex>` in the cache folder.
//!
//! A blob is there whole or not at all, and it is hashed again whenever it is used: the folder is the user's, but
//! disks and other programs err.

use std::fs::{self, File};
use std::io::{self, Read, Seek};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use miette::Context;
use oci_spec::image::Descriptor;

use super::{Counted, MOST_DOCUMENT_BYTES, Missing, Sink, Source, copy, file, open};
use crate::error::{Result, on_path};
use crate::event::Listener;
use crate::event::transfer::Activity;
use crate::image::digest::{Digest, VerifyReader};
use crate::image::manifest::sniff;
use crate::image::media_type::is_layer;

/// The cache folder.
#[derive(Debug)]
pub struct Cache {
    root: PathBuf,
    /// Held while this is used, with others: who has it alone knows that no unfinished file is anybody's.
    lock: Option<File>,
}

impl Cache {
    /// The cache in `root`, which is made if it is not there. What runs that were killed left unfinished is removed.
    ///
    /// # Errors
    /// A folder that others can write to, or that is somebody else's: what is in it could be anything.
    pub fn open(root: PathBuf) -> Result<Cache> {
        if let Ok(metadata) = fs::metadata(&root) {
            refuse_foreign(&root, &metadata)?;
        }
        let failed = |error: io::Error| on_path("use the cache", &root, error);
        let lock = match create_private(&root).and_then(|()| File::create(root.join("lock"))) {
            Ok(lock) => lock,
            // What is there can be used all the same.
            Err(error) if is_read_only(&error) => return Ok(Cache { root, lock: None }),
            Err(error) => return Err(failed(error)),
        };
        if lock.try_lock().is_ok() {
            sweep(&root);
            lock.unlock().map_err(failed)?;
        }
        lock.lock_shared().map_err(failed)?;
        Ok(Cache { root, lock: Some(lock) })
    }

    /// Whether nothing can be stored: content then only passes by.
    pub fn is_read_only(&self) -> bool {
        self.lock.is_none()
    }

    fn path(&self, digest: &Digest) -> PathBuf {
        let algorithm = self.root.join("blobs").join(digest.algorithm().as_ref());
        algorithm.join(digest.digest())
    }

    /// Whether a blob of that name and size is there; what is in it is checked when it is read.
    fn has(&self, descriptor: &Descriptor) -> bool {
        let metadata = fs::metadata(self.path(descriptor.digest()));
        metadata.is_ok_and(|found| found.len() == descriptor.size())
    }

    /// The blob, opened and hashed; nothing where it is missing or not what its name says.
    fn verified(&self, descriptor: &Descriptor) -> Option<File> {
        let mut file = open_blob(&self.path(descriptor.digest())).ok()?;
        io::copy(&mut VerifyReader::new(&file, descriptor), &mut io::sink()).ok()?;
        file.rewind().ok()?;
        Some(file)
    }

    /// This cache in front of `origin`: content comes from the cache, and goes there first where it is missing; layers
    /// only where they are to be `keep`ed, for what is only passed on need not touch the disk.
    pub fn through<'a>(self: &Arc<Cache>, origin: Box<dyn Source + 'a>, keep: bool) -> Through<'a> {
        Through { cache: Arc::clone(self), origin, keep }
    }
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

/// Opens a blob: a file, not a link to one, and with no other name by which it could be changed.
fn open_blob(path: &Path) -> io::Result<File> {
    let mut options = File::options();
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::custom_flags(&mut options, rustix::fs::OFlags::NOFOLLOW.bits().cast_signed());
    let file = options.read(true).open(path)?;
    let metadata = file.metadata()?;
    #[cfg(unix)]
    let alone = std::os::unix::fs::MetadataExt::nlink(&metadata) == 1;
    #[cfg(not(unix))]
    let alone = true;
    match metadata.is_file() && alone {
        true => Ok(file),
        false => Err(io::Error::other("not a file of the cache")),
    }
}

/// Removes unfinished files.
fn sweep(root: &Path) {
    for algorithm in fs::read_dir(root.join("blobs")).into_iter().flatten().flatten() {
        for file in fs::read_dir(algorithm.path()).into_iter().flatten().flatten() {
            if file.file_name().to_string_lossy().starts_with(file::TEMPORARY) {
                let _ = fs::remove_file(file.path());
            }
        }
    }
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
        let missing = || Missing { name: name.unwrap_or("name").to_owned(), place: self.place() };
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
        let file = file.ok_or_else(|| Missing::blob(descriptor, self.place()))?;
        Ok(Box::new(file))
    }

    fn place(&self) -> String {
        format!("the cache {}", self.root.display())
    }
}

impl Sink for Cache {
    fn exists(&self, descriptor: &Descriptor) -> Result<bool> {
        Ok(self.verified(descriptor).is_some())
    }

    fn push(&self, descriptor: &Descriptor, source: &dyn Source) -> Result<()> {
        let path = self.path(descriptor.digest());
        let folder = path.parent().unwrap_or(&self.root);
        let failed = |error: io::Error| on_path("write", &path, error);
        create_private(folder).map_err(|error| on_path("create", folder, error))?;
        let mut file = tempfile::Builder::new()
            .prefix(file::TEMPORARY)
            .tempfile_in(folder)
            .map_err(|error| on_path("write in", folder, error))?;
        file::fill(&mut file, &mut open(source, descriptor)?, &path)?;
        file.as_file().sync_all().map_err(failed)?;
        file.persist(&path).map_err(|error| failed(error.error))?;
        // So that the name outlives a power cut; where folders cannot be opened, the file system does it by itself.
        if let Ok(folder) = File::open(folder) {
            let _ = folder.sync_all();
        }
        Ok(())
    }

    /// A cache knows no names but digests.
    fn tag(&self, _: &Descriptor, _: &str) -> Result<()> {
        Ok(())
    }
}

/// A [`Cache`] in front of another source.
pub struct Through<'a> {
    cache: Arc<Cache>,
    origin: Box<dyn Source + 'a>,
    /// Whether layers are kept in the cache; documents always are.
    keep: bool,
}

impl Through<'_> {
    /// Those of these blobs that are not in the cache.
    pub fn lacks<'d>(&self, blobs: impl IntoIterator<Item = &'d Descriptor>) -> Vec<Descriptor> {
        let blobs = blobs.into_iter();
        blobs.filter(|blob| !self.cache.has(blob)).cloned().collect()
    }

    /// Brings content into the cache, and tells of it.
    ///
    /// # Errors
    /// Of the origin and of the cache folder.
    pub fn pull(&self, roots: &[Descriptor], listener: Listener) -> Result<()> {
        let origin = Counted { source: self.origin.as_ref(), activity: Activity::Pulling, listener };
        copy(&origin, self.cache.as_ref(), roots)
    }
}

impl Source for Through<'_> {
    fn resolve(&self, name: Option<&str>) -> Result<Descriptor> {
        self.cache.resolve(name).or_else(|_| self.origin.resolve(name))
    }

    fn exists(&self, descriptor: &Descriptor) -> Result<bool> {
        Ok(self.cache.has(descriptor) || self.origin.exists(descriptor)?)
    }

    fn fetch(&self, descriptor: &Descriptor) -> Result<Box<dyn Read + Send + '_>> {
        if let Some(file) = self.cache.verified(descriptor) {
            return Ok(Box::new(file));
        }
        if self.cache.is_read_only() || !self.keep && is_layer(descriptor.media_type()) {
            return self.origin.fetch(descriptor);
        }
        self.cache
            .push(descriptor, self.origin.as_ref())
            .wrap_err_with(|| format!("cannot pull {} from {}", descriptor.digest(), self.origin.place()))?;
        self.cache.fetch(descriptor)
    }

    fn place(&self) -> String {
        self.origin.place()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::digest::sha256;
    use crate::store::{Memory, read};
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
        assert_eq!(read(&cache.through(Box::new(&origin), true), &descriptor).expect("reads"), b"abc");
        assert_eq!(read(&cache.through(Box::new(Memory::default()), true), &descriptor).expect("is there"), b"abc");
    }

    #[test]
    fn a_corrupted_blob_is_fetched_again() {
        let folder = tempfile::tempdir().expect("a folder");
        let cache = Arc::new(Cache::open(folder.path().to_owned()).expect("a cache"));
        let (origin, descriptor) = blob(b"abc");
        copy(&origin, cache.as_ref(), std::slice::from_ref(&descriptor)).expect("copies");
        fs::write(cache.path(descriptor.digest()), b"abd").expect("corrupts");
        assert!(read(cache.as_ref(), &descriptor).is_err());
        assert_eq!(read(&cache.through(Box::new(&origin), true), &descriptor).expect("reads"), b"abc");
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
        let left = folder.path().join("blobs/sha256/.new-left");
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
        fs::remove_file(&path).expect("removes");
        fs::hard_link(root.join("elsewhere"), &path).expect("links");
        assert!(read(&cache, &descriptor).is_err());
        fs::set_permissions(&root, fs::Permissions::from_mode(0o777)).expect("opens");
        let error = Cache::open(root).unwrap_err();
        assert!(error.to_string().contains("can be written to by everyone"), "{error}");
    }
}
