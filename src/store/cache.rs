//! Content-addressed blobs on disk, kept between runs: `blobs/<algorithm>/<hex>` in the cache folder.
//!
//! A blob is there whole or not at all, and it is hashed again whenever it is used: the folder is the user's, but
//! disks and other programs err.

use std::fs::{self, File};
use std::io::{self, Read, Seek};
use std::path::{Path, PathBuf};

use miette::Context;
use oci_spec::image::Descriptor;
use tempfile::NamedTempFile;

use super::{MOST_DOCUMENT_BYTES, Missing, Sink, Source, copy, open};
use crate::error::{Result, on_path};
use crate::image::digest::{Digest, VerifyReader};
use crate::image::manifest::sniff;
use crate::image::media_type::is_document;

/// The cache folder.
#[derive(Clone, Debug)]
pub struct Cache {
    root: PathBuf,
}

impl Cache {
    /// A cache in `root`, which is made when something is stored.
    pub fn new(root: PathBuf) -> Cache {
        Cache { root }
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
        let mut file = File::open(self.path(descriptor.digest())).ok()?;
        io::copy(&mut VerifyReader::new(&file, descriptor), &mut io::sink()).ok()?;
        file.rewind().ok()?;
        Some(file)
    }

    /// This cache in front of `origin`: content comes from the cache, and goes there first where it is missing; blobs
    /// only where they are to be `keep`ed, for what is only passed on need not touch the disk.
    pub fn through<'a>(&self, origin: Box<dyn Source + 'a>, keep: bool) -> Through<'a> {
        let cache = self.clone();
        Through { cache, origin, keep }
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
        let file = File::open(self.path(&digest)).map_err(|_| missing())?;
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
        let mut file = NamedTempFile::new_in(folder).map_err(|error| on_path("write in", folder, error))?;
        io::copy(&mut open(source, descriptor)?, &mut file).map_err(failed)?;
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
    cache: Cache,
    origin: Box<dyn Source + 'a>,
    /// Whether blobs are kept in the cache; documents always are.
    keep: bool,
}

impl Through<'_> {
    /// Those of these blobs that are not in the cache.
    pub fn lacks<'d>(&self, blobs: impl IntoIterator<Item = &'d Descriptor>) -> Vec<Descriptor> {
        let blobs = blobs.into_iter();
        blobs.filter(|blob| !self.cache.has(blob)).cloned().collect()
    }

    /// Brings content into the cache.
    ///
    /// # Errors
    /// Of the origin and of the cache folder.
    pub fn pull(&self, roots: &[Descriptor]) -> Result<()> {
        copy(self.origin.as_ref(), &self.cache, roots)
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
        if !self.keep && !is_document(descriptor.media_type()) {
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
        let cache = Cache::new(folder.path().to_owned());
        let (origin, descriptor) = blob(b"abc");
        assert_eq!(read(&cache.through(Box::new(&origin), true), &descriptor).expect("reads"), b"abc");
        assert_eq!(read(&cache.through(Box::new(Memory::default()), true), &descriptor).expect("is there"), b"abc");
    }

    #[test]
    fn a_corrupted_blob_is_fetched_again() {
        let folder = tempfile::tempdir().expect("a folder");
        let cache = Cache::new(folder.path().to_owned());
        let (origin, descriptor) = blob(b"abc");
        copy(&origin, &cache, std::slice::from_ref(&descriptor)).expect("copies");
        fs::write(cache.path(descriptor.digest()), b"abd").expect("corrupts");
        assert!(read(&cache, &descriptor).is_err());
        assert_eq!(read(&cache.through(Box::new(&origin), true), &descriptor).expect("reads"), b"abc");
        assert_eq!(read(&cache, &descriptor).expect("is mended"), b"abc");
    }

    #[test]
    fn wrong_content_never_gets_in_and_leaves_nothing_behind() {
        let folder = tempfile::tempdir().expect("a folder");
        let cache = Cache::new(folder.path().to_owned());
        let (origin, descriptor) = blob(b"abc");
        for wrong in [&b"abd"[..], b"ab", b"abcd"] {
            origin.put(&descriptor, wrong.to_vec());
            assert!(copy(&origin, &cache, std::slice::from_ref(&descriptor)).is_err());
            assert_eq!(files(folder.path()), 0);
        }
    }
}
