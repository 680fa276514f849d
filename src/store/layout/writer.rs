//! Writing a layout.
//!
//! A layout is replaced as a whole or not at all. Blobs are named by their content, so the new ones lie beside the old
//! ones until `index.json`, the only file that is replaced, is renamed into place; then what nothing refers to any more
//! is removed. A run that fails removes the blobs it added, and the last good layout is as it was.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use oci_spec::image::Descriptor;
use serde_json::{Value, json};
use tempfile::NamedTempFile;

use super::lock::{LayoutLock, refuse_foreign, refuse_full};
use super::{INDEX, Layout, MARK, blob_path, read_index};
use crate::error::{Result, on_path};
use crate::event::Listener;
use crate::image::digest::VerifyReader;
use crate::image::manifest::Document;
use crate::parallel::{FEW, each, lock};
use crate::store::cache::records::RecordKind;
use crate::store::fingerprint::Fingerprint;
use crate::store::referrers::entry;
use crate::store::reflink::ShareableFile;
use crate::store::{Cache, Sink, Source, atomic, copy, open, read};

/// A layout that is being written: [`LayoutWriter::commit`] makes it the layout, dropping it undoes all.
#[derive(Debug)]
pub struct LayoutWriter {
    root: PathBuf,
    /// The image's name, for those who import the layout.
    name: String,
    /// Held until the end: two runs take turns.
    mark: LayoutLock,
    /// Whether a layout was here before.
    existed: bool,
    entries: Mutex<Vec<Value>>,
    /// Blobs of the new layout, as paths relative to the root.
    kept: Mutex<BTreeSet<String>>,
    /// Those of them that were not there before.
    added: Mutex<HashSet<String>>,
    /// Those that this run has written.
    written: Mutex<HashSet<String>>,
    /// What the blobs that were found to be right looked like then, in this run or in one before.
    seen: Mutex<Seen>,
    /// Where that is kept between runs.
    cache: Option<Arc<Cache>>,
    committed: bool,
}

/// The stamps of blobs, by their paths relative to the root.
type Seen = BTreeMap<String, Fingerprint>;

/// Whose a folder is that a layout is written to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LayoutFolder {
    /// One below `target/oci`: whatever is there is replaced.
    Managed,
    /// One that the user named: only a layout of the same image is replaced.
    UserNamed,
}

impl LayoutWriter {
    /// Begins a layout of the image `name` in the folder `root`, beside what is there. Waits, and says so, while
    /// another run writes there.
    ///
    /// # Errors
    /// When the folder cannot be written, or is the user's and holds something else than a layout of this image.
    pub fn begin(root: &Path, name: &str, place: LayoutFolder, listener: Listener) -> Result<LayoutWriter> {
        let mark = LayoutLock::take(root, listener)?;
        // Only who holds the mark can tell what is there: another run may just have finished.
        let existed = root.join(INDEX).exists();
        if place == LayoutFolder::UserNamed {
            let refusal = if existed { refuse_foreign(root, name) } else { refuse_full(root, &mark) };
            if let Err(error) = refusal {
                mark.release(root);
                return Err(error);
            }
        }
        Ok(LayoutWriter {
            root: root.to_owned(),
            name: name.to_owned(),
            mark,
            existed,
            entries: Mutex::default(),
            kept: Mutex::default(),
            added: Mutex::default(),
            written: Mutex::default(),
            seen: Mutex::default(),
            cache: None,
            committed: false,
        })
    }

    /// With what `cache` remembers of the blobs that are here: those that look the same are not read again.
    #[must_use]
    pub fn with_cache(mut self, cache: &Arc<Cache>) -> LayoutWriter {
        self.seen = Mutex::new(cache.get(RecordKind::Layout, &self.about()).unwrap_or_default());
        self.cache = Some(Arc::clone(cache));
        self
    }

    /// What is remembered is remembered of this folder.
    fn about(&self) -> String {
        let root = fs::canonicalize(&self.root).unwrap_or_else(|_| self.root.clone());
        root.to_string_lossy().into_owned()
    }

    /// A file to write a blob into whose digest is not known yet: [`LayoutWriter::keep`] gives it its name.
    ///
    /// # Errors
    /// When the file cannot be created.
    pub fn blob(&self) -> Result<NamedTempFile> {
        let folder = self.root.join("blobs").join("sha256");
        fs::create_dir_all(&folder).map_err(|error| on_path("create", &folder, error))?;
        atomic::create_in(&folder).map_err(|error| on_path("write in", &folder, error))
    }

    /// Makes a written file the blob of `descriptor`, and the cache's too.
    ///
    /// # Errors
    /// When it cannot be renamed.
    pub fn keep(&self, descriptor: &Descriptor, mut file: NamedTempFile) -> Result<()> {
        let path = self.place(descriptor, |path| {
            file.flush()?;
            file.persist(path).map_err(|error| error.error)
        });
        let (path, file) = path?;
        if let Some(cache) = &self.cache {
            cache.adopt(descriptor, &ShareableFile { file, path });
        }
        Ok(())
    }

    /// Has `put` make the blob of `descriptor`, at the path that it is given.
    fn place<T>(&self, descriptor: &Descriptor, put: impl FnOnce(&Path) -> io::Result<T>) -> Result<(PathBuf, T)> {
        let relative = blob_path(descriptor.digest());
        let path = self.root.join(&relative);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(|error| on_path("create", folder, error))?;
        }
        let fresh = !path.exists();
        let put = put(&path).map_err(|error| on_path("write", &path, error))?;
        if fresh {
            lock(&self.added).insert(relative.clone());
        }
        lock(&self.seen).remove(&relative);
        lock(&self.written).insert(relative.clone());
        lock(&self.kept).insert(relative);
        Ok((path, put))
    }

    /// A blob of `source` whose bytes can be shared; whether there is one.
    fn share(&self, descriptor: &Descriptor, source: &dyn Source) -> bool {
        let folder = self.root.join("blobs").join("sha256");
        source.shareable(descriptor).is_some_and(|shared| {
            let put = |path: &Path| {
                fs::create_dir_all(&folder)?;
                shared.put(path, &folder, &self.root.join(MARK))
            };
            self.place(descriptor, put).is_ok()
        })
    }

    /// Stores a document of ours, if it is not there.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn put(&self, document: &Document) -> Result<()> {
        let relative = blob_path(document.descriptor.digest());
        let path = self.root.join(&relative);
        if is_content(&path, &document.bytes) {
            lock(&self.kept).insert(relative);
            return Ok(());
        }
        let mut file = self.blob()?;
        file.as_file_mut().write_all(&document.bytes).map_err(|error| on_path("write", &path, error))?;
        let persist = |path: &Path| file.persist(path).map(drop).map_err(|error| error.error);
        self.place(&document.descriptor, persist).map(drop)
    }

    /// Stores a manifest that names its subject, after all that it names of `source`, and lists it without a name.
    ///
    /// # Errors
    /// Of reading it, and of writing it here.
    pub fn attach(&self, manifest: &Descriptor, source: &dyn Source) -> Result<()> {
        copy(source, self, std::slice::from_ref(manifest))?;
        let entry = entry(manifest, &read(source, manifest)?)?;
        lock(&self.entries).push(json!(entry));
        Ok(())
    }

    /// Puts the new layout in the place of the old one. Other runs wait until what is returned is dropped.
    ///
    /// # Errors
    /// When `index.json` cannot be written: then the old layout is as it was.
    pub fn commit(mut self) -> Result<Layout> {
        let index = super::index(&lock(&self.entries));
        let path = self.root.join(INDEX);
        let failed = |error: io::Error| on_path("write", &path, error);
        self.mark.write().map_err(|error| on_path("write", &self.root.join(MARK), error))?;
        if read_index(&path).ok().as_ref() != Some(&index) {
            self.sync()?;
            atomic::replace(&path, |file| file.write_all(&index)).map_err(failed)?;
        }
        self.committed = true;
        self.sweep(|relative| !lock(&self.kept).contains(relative));
        self.remember();
        let mark = self.mark.file.try_clone().map_err(|error| on_path("lock", &self.root.join(MARK), error))?;
        Ok(Layout { _mark: Some(Arc::new(mark)), ..Layout::open(&self.root)? })
    }

    /// Sees to it that the new blobs outlive a power cut: an index that does would name what is not there.
    fn sync(&self) -> Result<()> {
        let added: Vec<_> = lock(&self.added).iter().map(|relative| self.root.join(relative)).collect();
        let sync = |path: &PathBuf| {
            let synced = File::open(path).and_then(|file| file.sync_all());
            synced.map_err(|error| on_path("write", path, error))
        };
        each(&added, FEW, sync)?;
        let folders: BTreeSet<_> = added.iter().filter_map(|path| path.parent()).collect();
        folders.into_iter().for_each(atomic::sync_folder);
        Ok(())
    }

    /// Keeps what the blobs of this layout look like, for a run that finds the same.
    fn remember(&self) {
        let Some(cache) = &self.cache else { return };
        let now = SystemTime::now();
        let (kept, seen, written) = (lock(&self.kept), lock(&self.seen), lock(&self.written));
        let stamp = |relative: &String| {
            let found = fs::symlink_metadata(self.root.join(relative)).ok()?;
            // What was written a moment ago can still be changed without a trace.
            let stamp = Fingerprint::of(&found).filter(|stamp| found.is_file() && stamp.is_settled_at(now))?;
            let is_right = written.contains(relative) || seen.get(relative) == Some(&stamp);
            is_right.then(|| (relative.clone(), stamp))
        };
        let stamps: Seen = kept.iter().filter_map(stamp).collect();
        if cache.get(RecordKind::Layout, &self.about()).as_ref() != Some(&stamps) {
            cache.put(RecordKind::Layout, &self.about(), &stamps);
        }
    }

    /// Removes blobs, and nothing else. One that cannot be removed does no harm: nothing refers to it.
    fn sweep(&self, unwanted: impl Fn(&str) -> bool) {
        let is_hex = |name: &str| name.len() >= 64 && name.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        for algorithm in ["sha256", "sha512"] {
            let folder = self.root.join("blobs").join(algorithm);
            for file in fs::read_dir(folder).into_iter().flatten().flatten() {
                let name = file.file_name().to_string_lossy().into_owned();
                let relative = format!("blobs/{algorithm}/{name}");
                if name.starts_with(atomic::TEMPORARY) || is_hex(&name) && unwanted(&relative) {
                    let _ = fs::remove_file(file.path());
                }
            }
        }
        for file in fs::read_dir(&self.root).into_iter().flatten().flatten() {
            if file.file_name().to_string_lossy().starts_with(atomic::TEMPORARY) {
                let _ = fs::remove_file(file.path());
            }
        }
    }
}

/// Whether a file is there that holds just these bytes.
fn is_content(path: &Path, bytes: &[u8]) -> bool {
    let same_size = fs::symlink_metadata(path).is_ok_and(|found| found.is_file() && found.len() == bytes.len() as u64);
    same_size && fs::read(path).is_ok_and(|found| found == bytes)
}

impl Drop for LayoutWriter {
    fn drop(&mut self) {
        if self.committed {
            return;
        }
        self.sweep(|relative| lock(&self.added).contains(relative));
        if !self.existed {
            // Folders go only when they are empty.
            for folder in ["blobs/sha256", "blobs/sha512", "blobs"] {
                let _ = fs::remove_dir(self.root.join(folder));
            }
            self.mark.release(&self.root);
        }
    }
}

impl Sink for LayoutWriter {
    fn exists(&self, descriptor: &Descriptor) -> Result<bool> {
        let relative = blob_path(descriptor.digest());
        let now = SystemTime::now();
        let Ok(file) = File::open(self.root.join(&relative)) else {
            return Ok(false);
        };
        let Ok(metadata) = file.metadata() else { return Ok(false) };
        let stamp = Fingerprint::of(&metadata).filter(|stamp| stamp.is_settled_at(now));
        let is_known = stamp.is_some() && lock(&self.seen).get(&relative) == stamp.as_ref();
        let right = metadata.len() == descriptor.size()
            && (is_known || io::copy(&mut VerifyReader::new(file, descriptor), &mut io::sink()).is_ok());
        let mut seen = lock(&self.seen);
        match stamp.filter(|_| right) {
            Some(stamp) => seen.insert(relative.clone(), stamp),
            None => seen.remove(&relative),
        };
        if right {
            lock(&self.kept).insert(relative);
        }
        Ok(right)
    }

    fn push(&self, descriptor: &Descriptor, source: &dyn Source) -> Result<()> {
        if self.share(descriptor, source) {
            return Ok(());
        }
        let mut file = self.blob()?;
        atomic::fill(&mut file, &mut open(source, descriptor)?, &self.root.join(blob_path(descriptor.digest())))?;
        let persist = |path: &Path| file.persist(path).map(drop).map_err(|error| error.error);
        self.place(descriptor, persist).map(drop)
    }

    fn tag(&self, descriptor: &Descriptor, name: &str) -> Result<()> {
        let entry = super::entry(descriptor, &format!("{}:{name}", self.name));
        lock(&self.entries).push(entry);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::MediaType;
    use crate::image::digest::sha256;
    use crate::store::Source;
    use crate::store::{Memory, read};

    /// A source that has `bytes` for the blob of `descriptor`.
    fn holding(descriptor: &Descriptor, bytes: &[u8]) -> Memory {
        let memory = Memory::default();
        memory.put(descriptor, bytes.to_vec());
        memory
    }

    fn blob(bytes: &[u8]) -> Descriptor {
        Descriptor::new(MediaType::ImageLayer, bytes.len() as u64, sha256(bytes))
    }

    /// Writes a layout with one blob, that is named `latest`.
    fn write(root: &Path, name: &str, bytes: &[u8]) -> Result<Layout> {
        let writer = LayoutWriter::begin(root, name, LayoutFolder::UserNamed, &|_| ())?;
        writer.push(&blob(bytes), &holding(&blob(bytes), bytes))?;
        writer.tag(&blob(bytes), "latest")?;
        writer.commit()
    }

    fn blobs(root: &Path) -> usize {
        fs::read_dir(root.join("blobs/sha256")).expect("a folder").count()
    }

    #[test]
    fn a_new_layout_replaces_the_old_one_and_leaves_no_blob_of_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let root = folder.path().join("x");
        write(&root, "x", b"old").expect("writes");
        let layout = write(&root, "x", b"new").expect("writes");
        let found = layout.resolve(Some("latest")).expect("is tagged");
        assert_eq!(read(&layout, &found).expect("reads"), b"new");
        assert_eq!(blobs(&root), 1);
    }

    #[test]
    fn a_run_that_fails_leaves_the_last_good_layout_as_it_was() {
        let folder = tempfile::tempdir().expect("a folder");
        let root = folder.path().join("x");
        write(&root, "x", b"old").expect("writes");
        let writer = LayoutWriter::begin(&root, "x", LayoutFolder::UserNamed, &|_| ()).expect("begins");
        writer.push(&blob(b"new"), &holding(&blob(b"new"), b"new")).expect("writes");
        assert!(writer.push(&blob(b"bad"), &holding(&blob(b"bad"), b"other")).is_err());
        drop(writer);
        let layout = Layout::open(&root).expect("is a layout");
        let found = layout.resolve(None).expect("one image");
        assert_eq!(read(&layout, &found).expect("reads"), b"old");
        assert_eq!(blobs(&root), 1);
    }

    #[test]
    fn a_first_run_that_fails_leaves_nothing() {
        let folder = tempfile::tempdir().expect("a folder");
        let root = folder.path().join("x");
        let writer = LayoutWriter::begin(&root, "x", LayoutFolder::UserNamed, &|_| ()).expect("begins");
        writer.push(&blob(b"new"), &holding(&blob(b"new"), b"new")).expect("writes");
        drop(writer);
        assert!(!root.exists());
    }

    #[test]
    fn a_corrupted_blob_of_the_old_layout_is_written_again() {
        let folder = tempfile::tempdir().expect("a folder");
        let root = folder.path().join("x");
        write(&root, "x", b"same").expect("writes");
        fs::write(root.join(blob_path(blob(b"same").digest())), b"sane").expect("corrupts");
        let writer = LayoutWriter::begin(&root, "x", LayoutFolder::UserNamed, &|_| ()).expect("begins");
        assert!(!writer.exists(&blob(b"same")).expect("looks"));
        drop(writer);
        let layout = write(&root, "x", b"same").expect("writes");
        assert_eq!(read(&layout, &blob(b"same")).expect("reads"), b"same");
    }

    #[test]
    fn what_is_not_ours_is_not_overwritten() {
        let folder = tempfile::tempdir().expect("a folder");
        let precious = folder.path().join("blobs/photos/cat");
        fs::create_dir_all(precious.parent().expect("a folder")).expect("a folder");
        fs::write(&precious, b"").expect("writes");
        assert!(LayoutWriter::begin(folder.path(), "x", LayoutFolder::UserNamed, &|_| ()).is_err());
        assert!(precious.exists() && !folder.path().join(MARK).exists());
        let root = folder.path().join("y");
        write(&root, "y", b"old").expect("writes");
        let error = LayoutWriter::begin(&root, "x", LayoutFolder::UserNamed, &|_| ()).unwrap_err();
        assert!(error.to_string().contains("other than x"), "{error}");
    }

    #[test]
    fn an_unknown_name_is_answered_with_the_known_ones() {
        let folder = tempfile::tempdir().expect("a folder");
        let layout = write(&folder.path().join("x"), "x", b"old").expect("writes");
        let error = layout.resolve(Some("v1")).unwrap_err();
        assert!(error.help().expect("help").to_string().contains("latest"));
    }

    #[test]
    fn a_run_that_waited_and_then_fails_leaves_what_the_other_one_wrote() {
        let folder = tempfile::tempdir().expect("a folder");
        let root = folder.path().join("x");
        let first = LayoutWriter::begin(&root, "x", LayoutFolder::Managed, &|_| ()).expect("begins");
        let (waits, waiting) = std::sync::mpsc::channel();
        std::thread::scope(|scope| {
            let second = scope.spawn(|| {
                let waits = Mutex::new(waits);
                let say = |_| lock(&waits).send(()).expect("someone listens");
                LayoutWriter::begin(&root, "x", LayoutFolder::Managed, &say).expect("begins")
            });
            waiting.recv().expect("it waits");
            first.push(&blob(b"good"), &holding(&blob(b"good"), b"good")).expect("writes");
            first.tag(&blob(b"good"), "latest").expect("tags");
            first.commit().expect("commits");
            let second = second.join().expect("no panic");
            second.push(&blob(b"other"), &holding(&blob(b"other"), b"other")).expect("writes");
        });
        let layout = Layout::open(&root).expect("a layout");
        assert_eq!(read(&layout, &blob(b"good")).expect("reads"), b"good");
        assert_eq!(blobs(&root), 1);
    }

    #[test]
    fn a_damaged_layout_of_our_own_is_replaced() {
        let folder = tempfile::tempdir().expect("a folder");
        let root = folder.path().join("x");
        write(&root, "x", b"old").expect("writes");
        fs::write(root.join(INDEX), "{").expect("damages");
        assert!(write(&root, "x", b"new").is_err());
        let writer = LayoutWriter::begin(&root, "x", LayoutFolder::Managed, &|_| ()).expect("begins");
        writer.commit().expect("commits");
    }
}
