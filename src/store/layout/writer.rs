//! Writing a layout.
//!
//! A layout is replaced as a whole or not at all. Blobs are named by their content, so new ones lie next to the old ones
//! until `index.json` is renamed into place. Later, those of [our own](super::own) blobs are removed that nothing refers to:
//! other programs may still be reading the old image. A failed run removes the blobs that it added, so that the last good
//! layout is unchanged.
//!
//! `referrers.json` is replaced before and after: in between it lists what is attached to the old image and to the new one.
//! Whoever reads either image, finds what is attached to it.

mod sink;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use miette::miette;
use oci_spec::image::{Descriptor, Digest};
use serde_json::{Value, json};
use tempfile::NamedTempFile;

use super::blobs::{BlobSets, has_content, sweep};
use super::index::{INDEX, OCI_LAYOUT, blob_path, subject_of, write_index};
use super::lists::{REFERRERS, ReferrersPlace, merge_referrers, write_referrers};
use super::lock::{LayoutLock, check_empty, check_same_image};
use super::own::{GRACE, OWN_BLOBS, OwnBlobs};
use super::read::{Layout, read_list, read_referrers};
use super::subject_lists::subject_lists;
use crate::error::{Result, cannot_read, on_path};
use crate::event::Listener;
use crate::image::manifest::Document;
use crate::parallel::{FEW, each, lock};
use crate::regular_file;
use crate::store::atomic::{self, Audience};
use crate::store::cache::Cache;
use crate::store::cache::records::RecordKind;
use crate::store::reflink::ShareableFile;
use crate::store::source::{Source, read};
use crate::store::{copy, referrers};

/// A layout that is being written. [`LayoutWriter::commit`] completes it; dropping it undoes everything.
#[derive(Debug)]
pub(crate) struct LayoutWriter {
    root: PathBuf,
    /// The name of the image, for programs that import the layout.
    name: String,
    /// Held until the end: only one run writes at a time.
    lock: LayoutLock,
    /// Whether there was a layout before.
    existed: bool,
    /// The blobs that are ours.
    own: Mutex<OwnBlobs>,
    /// How long the blobs of the old image stay.
    grace: Duration,
    entries: Mutex<Vec<Value>>,
    /// The entries of what is attached, each with its subject.
    referrers: Mutex<Vec<(Digest, Value)>>,
    /// Where those are listed.
    referrers_place: ReferrersPlace,
    blobs: Mutex<BlobSets>,
    /// Keeps the fingerprints of blobs between runs.
    cache: Option<Arc<Cache>>,
    is_committed: bool,
}

/// The owner of the folder of a layout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LayoutFolder {
    /// A folder below `target/oci`: any content is replaced.
    Managed,
    /// A folder that the user named: only a layout of the same image is replaced.
    UserNamed,
}

impl LayoutWriter {
    /// Begins a layout of the image `name` in the folder `root`. Waits while another run writes there, and reports that
    /// to `listener`.
    ///
    /// # Errors
    /// Returns an error if the folder cannot be written, or if the user named it and it holds anything but a layout of
    /// this image.
    pub(crate) fn begin(root: &Path, name: &str, folder: LayoutFolder, listener: Listener) -> Result<LayoutWriter> {
        let lock = LayoutLock::acquire(root, listener)?;
        // Look only with the lock: another run may just have finished.
        let existed = root.join(INDEX).exists();
        let checked = match folder {
            LayoutFolder::Managed => Ok(()),
            LayoutFolder::UserNamed if existed => check_same_image(root, name),
            LayoutFolder::UserNamed => check_empty(root, &lock),
        };
        let own = checked.and_then(|()| {
            let own = OwnBlobs::read(root).and_then(|mut own| own.create().map(|()| own));
            own.map_err(|error| on_path("write in", root, error))
        });
        let own = match own {
            Ok(own) => own,
            Err(error) => {
                lock.release(root);
                return Err(error);
            }
        };
        Ok(LayoutWriter {
            root: root.to_owned(),
            name: name.to_owned(),
            lock,
            existed,
            own: Mutex::new(own),
            // The folder that a user named is often passed on as it is.
            grace: if folder == LayoutFolder::Managed { GRACE } else { Duration::ZERO },
            entries: Mutex::default(),
            referrers: Mutex::default(),
            referrers_place: ReferrersPlace::default(),
            blobs: Mutex::default(),
            cache: None,
            is_committed: false,
        })
    }

    /// Uses the fingerprints in `cache`: unchanged blobs are not read again.
    #[must_use]
    pub(crate) fn with_cache(mut self, cache: &Arc<Cache>) -> LayoutWriter {
        lock(&self.blobs).verified = cache.get(RecordKind::Layout, &self.record_key()).unwrap_or_default();
        self.cache = Some(Arc::clone(cache));
        self
    }

    /// Lists what is attached at this place.
    #[must_use]
    pub(crate) fn with_referrers(mut self, place: ReferrersPlace) -> LayoutWriter {
        self.referrers_place = place;
        self
    }

    /// Returns the key of the fingerprints in the cache: the folder.
    fn record_key(&self) -> String {
        let root = fs::canonicalize(&self.root).unwrap_or_else(|_| self.root.clone());
        root.to_string_lossy().into_owned()
    }

    /// Creates a file for a blob with unknown digest. [`LayoutWriter::add_blob`] names it.
    ///
    /// # Errors
    /// Returns an error if the file cannot be created.
    pub(crate) fn create_blob(&self) -> Result<NamedTempFile> {
        let folder = self.root.join("blobs").join("sha256");
        atomic::create_folder(&folder).map_err(|error| on_path("create", &folder, error))?;
        atomic::create_in(&folder, Audience::Everyone).map_err(|error| on_path("write in", &folder, error))
    }

    /// Opens a blob of the layout.
    ///
    /// # Errors
    /// Returns an error if the layout does not have it, or it cannot be read.
    pub(crate) fn open_blob(&self, descriptor: &Descriptor) -> Result<File> {
        let path = self.root.join(blob_path(descriptor.digest()));
        regular_file::open_no_link(&path).map_err(|error| cannot_read(&path, error))
    }

    /// Adds a file as the blob of `descriptor`, also to the cache.
    ///
    /// # Errors
    /// Returns an error if the file cannot be renamed.
    pub(crate) fn add_blob(&self, descriptor: &Descriptor, mut file: NamedTempFile) -> Result<()> {
        let (path, file) = self.write_blob(descriptor, |path| {
            file.flush()?;
            atomic::persist(file, path)
        })?;
        if let Some(cache) = &self.cache {
            cache.adopt(descriptor, &ShareableFile { file, path });
        }
        Ok(())
    }

    /// Calls `write` to create the blob of `descriptor` at a path. Returns the path and the result of `write`.
    fn write_blob<T>(
        &self,
        descriptor: &Descriptor,
        write: impl FnOnce(&Path) -> io::Result<T>,
    ) -> Result<(PathBuf, T)> {
        let relative = blob_path(descriptor.digest());
        let path = self.root.join(&relative);
        if let Some(folder) = path.parent() {
            atomic::create_folder(folder).map_err(|error| on_path("create", folder, error))?;
        }
        let is_new = path.symlink_metadata().is_err();
        if is_new {
            lock(&self.own).add(&relative).map_err(|error| on_path("write in", &self.root, error))?;
        }
        let written = write(&path).map_err(|error| on_path("write", &path, error))?;
        lock(&self.blobs).record_written(relative, is_new);
        Ok((path, written))
    }

    /// Shares the bytes of a blob of `source`. Returns whether that was possible.
    fn share(&self, descriptor: &Descriptor, source: &dyn Source) -> bool {
        let Some(file) = source.shareable(descriptor) else { return false };
        let folder = self.root.join("blobs").join("sha256");
        let shared = self.write_blob(descriptor, |path| {
            atomic::create_folder(&folder)?;
            file.share_as(path, &folder, Audience::Everyone)
        });
        shared.is_ok()
    }

    /// Adds a document.
    ///
    /// # Errors
    /// Returns an error if it cannot be written.
    pub(crate) fn add_document(&self, document: &Document) -> Result<()> {
        let relative = blob_path(document.descriptor.digest());
        let path = self.root.join(&relative);
        if has_content(&path, &document.bytes) {
            lock(&self.blobs).kept.insert(relative);
            return Ok(());
        }
        let mut file = self.create_blob()?;
        file.as_file_mut().write_all(&document.bytes).map_err(|error| on_path("write", &path, error))?;
        self.write_blob(&document.descriptor, |path| atomic::persist(file, path)).map(drop)
    }

    /// Adds a manifest of `source` that has a subject, with everything it refers to.
    ///
    /// # Errors
    /// Returns an error if it has no subject, or if reading or writing fails.
    pub(crate) fn attach(&self, manifest: &Descriptor, source: &dyn Source) -> Result<()> {
        copy(source, self, std::slice::from_ref(manifest))?;
        let subject = subject_of(source, manifest).ok_or_else(|| miette!("{} has no subject", manifest.digest()))?;
        let entry = referrers::entry(manifest, &read(source, manifest)?)?;
        lock(&self.referrers).push((subject.digest().clone(), json!(entry)));
        Ok(())
    }

    /// Replaces the old layout with the new one. Other runs wait until the returned layout is dropped.
    ///
    /// # Errors
    /// Returns an error if `index.json` cannot be written. Then the old layout is unchanged.
    pub(crate) fn commit(mut self) -> Result<Layout> {
        let lock_path = self.root.join(OCI_LAYOUT);
        self.lock.write().map_err(|error| on_path("write", &lock_path, error))?;
        self.write_lists()?;
        self.is_committed = true;
        self.remove_old_blobs();
        self.save_fingerprints();
        let lock = self.lock.try_clone().map_err(|error| on_path("lock", &lock_path, error))?;
        Ok(Layout::open(&self.root)?.with_lock(lock))
    }

    /// Writes `index.json` and `referrers.json`, unless both are there.
    fn write_lists(&self) -> Result<()> {
        let mut entries = lock(&self.entries).clone();
        let referrers = lock(&self.referrers);
        let attached: Vec<_> = referrers.iter().map(|(_, entry)| entry.clone()).collect();
        let (index, referrers) = match self.referrers_place {
            ReferrersPlace::Beside => (write_index(&entries), write_referrers(&attached)),
            ReferrersPlace::Index => {
                entries.extend(attached);
                for list in subject_lists(&referrers) {
                    self.add_document(&list.document)?;
                    entries.push(list.entry);
                }
                (write_index(&entries), None)
            }
        };
        let path = self.root.join(INDEX);
        let old_index = read_list(&path).ok();
        let old_referrers = read_referrers(&self.root).ok().flatten();
        if old_index.as_ref() != Some(&index) {
            self.sync()?;
            let both = merge_referrers(old_referrers.as_deref(), referrers.as_deref());
            self.replace_referrers(old_referrers.as_deref(), both.as_deref())?;
            replace_list(&path, &index)?;
            return self.replace_referrers(both.as_deref(), referrers.as_deref());
        }
        if old_referrers != referrers {
            self.sync()?;
        }
        self.replace_referrers(old_referrers.as_deref(), referrers.as_deref())
    }

    /// Replaces the content `old` of `referrers.json`. Without new content, there is no such file.
    fn replace_referrers(&self, old: Option<&[u8]>, new: Option<&[u8]>) -> Result<()> {
        let path = self.root.join(REFERRERS);
        match new {
            Some(new) if old == Some(new) => Ok(()),
            Some(new) => replace_list(&path, new),
            None => match fs::remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => Err(on_path("remove", &path, error)),
                _ => Ok(()),
            },
        }
    }

    /// Removes our blobs that nothing refers to any more. Failing to do so is harmless.
    fn remove_old_blobs(&self) {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
        let blobs = lock(&self.blobs);
        let mut own = lock(&self.own);
        let removed = own.retire(|blob| blobs.kept.contains(blob), self.grace, now);
        sweep(&self.root, &removed);
        let _ = own.save();
    }

    /// Makes the new blobs survive a power failure: otherwise the index could refer to blobs that are lost.
    fn sync(&self) -> Result<()> {
        let added: Vec<_> = lock(&self.blobs).added.iter().map(|relative| self.root.join(relative)).collect();
        each(&added, FEW, |path| {
            let synced = regular_file::open_to_sync(path).and_then(|file| file.sync_all());
            synced.map_err(|error| on_path("write", path, error))
        })?;
        let folders: BTreeSet<_> = added.iter().filter_map(|path| path.parent()).collect();
        folders.into_iter().for_each(atomic::sync_folder);
        Ok(())
    }

    /// Stores the fingerprints of the blobs for the next run.
    fn save_fingerprints(&self) {
        let Some(cache) = &self.cache else { return };
        let fingerprints = lock(&self.blobs).fingerprints(&self.root);
        if cache.get(RecordKind::Layout, &self.record_key()).as_ref() != Some(&fingerprints) {
            cache.put(RecordKind::Layout, &self.record_key(), &fingerprints);
        }
    }
}

/// Replaces `index.json`, or another list.
fn replace_list(path: &Path, list: &[u8]) -> Result<()> {
    let written = atomic::replace_name(Audience::Everyone, path, |file| file.write_all(list));
    written.map_err(|error| on_path("write", path, error))
}

impl Drop for LayoutWriter {
    fn drop(&mut self) {
        if self.is_committed {
            return;
        }
        sweep(&self.root, &lock(&self.blobs).added);
        lock(&self.own).undo();
        if !self.existed {
            let _ = fs::remove_file(self.root.join(REFERRERS));
            // Removes only empty folders.
            for folder in ["blobs/sha256", "blobs/sha512", "blobs"] {
                let _ = fs::remove_dir(self.root.join(folder));
            }
            // What a killed run left stays ours.
            if !self.root.join("blobs").exists() {
                let _ = fs::remove_file(self.root.join(OWN_BLOBS));
            }
            self.lock.release(&self.root);
        }
    }
}
