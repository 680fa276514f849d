//! Writing a layout.
//!
//! A layout is replaced as a whole or not at all. Blobs are named by their content, so the new ones lie beside the old
//! ones until `index.json`, the only file that is replaced, is renamed into place; then what nothing refers to any more
//! is removed. A run that fails removes the blobs it added, and the last good layout is as it was.

use std::collections::{BTreeSet, HashSet};
use std::fs::{self, File};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use miette::miette;
use oci_spec::image::{ANNOTATION_REF_NAME, Descriptor, MediaType};
use serde_json::{Value, json};
use tempfile::NamedTempFile;

use super::{INDEX, Layout, MARK, MARK_CONTENT, blob_path};
use crate::error::{Result, on_path};
use crate::image::canonical_json;
use crate::image::digest::VerifyReader;
use crate::image::manifest::Document;
use crate::store::{Sink, Source, file, lock, open};

/// The name containerd imports an image by; here it also tells whose a layout is.
const IMAGE_NAME: &str = "io.containerd.image.name";

/// A layout that is being written: [`LayoutWriter::commit`] makes it the layout, dropping it undoes all.
#[derive(Debug)]
pub struct LayoutWriter {
    root: PathBuf,
    /// The image's name, for those who import the layout.
    name: String,
    /// Held until the end: two runs take turns.
    mark: File,
    /// Whether a good layout was here before.
    existed: bool,
    entries: Mutex<Vec<Value>>,
    /// Blobs of the new layout, as paths relative to the root.
    kept: Mutex<BTreeSet<String>>,
    /// Those of them that were not there before.
    added: Mutex<HashSet<String>>,
    committed: bool,
}

impl LayoutWriter {
    /// Begins a layout of the image `name` in the folder `root`, beside what is there.
    ///
    /// # Errors
    /// When the folder cannot be written, or holds something else than a layout of this image.
    pub fn begin(root: &Path, name: &str) -> Result<LayoutWriter> {
        let existed = root.join(INDEX).exists();
        if existed {
            refuse_foreign(root, name)?;
        } else if fs::read_dir(root).is_ok_and(|mut files| files.any(|file| !is_ours(file))) {
            return Err(miette!(
                help = "name a folder that is empty or not there yet",
                "{} is not an OCI layout, and not empty",
                root.display()
            ));
        }
        let mark = take(root)?;
        Ok(LayoutWriter {
            root: root.to_owned(),
            name: name.to_owned(),
            mark,
            existed,
            entries: Mutex::default(),
            kept: Mutex::default(),
            added: Mutex::default(),
            committed: false,
        })
    }

    /// A file to write a blob into whose digest is not known yet: [`LayoutWriter::keep`] gives it its name.
    ///
    /// # Errors
    /// When the file cannot be created.
    pub fn blob(&self) -> Result<NamedTempFile> {
        let folder = self.root.join("blobs").join("sha256");
        fs::create_dir_all(&folder).map_err(|error| on_path("create", &folder, error))?;
        file::create_in(&folder).map_err(|error| on_path("write in", &folder, error))
    }

    /// Makes a written file the blob of `descriptor`.
    ///
    /// # Errors
    /// When it cannot be renamed.
    pub fn keep(&self, descriptor: &Descriptor, mut file: NamedTempFile) -> Result<()> {
        let relative = blob_path(descriptor.digest());
        let path = self.root.join(&relative);
        file.flush().map_err(|error| on_path("write", &path, error))?;
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(|error| on_path("create", folder, error))?;
        }
        let fresh = !path.exists();
        file.persist(&path).map_err(|error| on_path("write", &path, error.error))?;
        if fresh {
            lock(&self.added).insert(relative.clone());
        }
        lock(&self.kept).insert(relative);
        Ok(())
    }

    /// Stores a document of ours.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn put(&self, document: &Document) -> Result<()> {
        let mut file = self.blob()?;
        let path = self.root.join(blob_path(document.descriptor.digest()));
        file.write_all(&document.bytes).map_err(|error| on_path("write", &path, error))?;
        self.keep(&document.descriptor, file)
    }

    /// Puts the new layout in the place of the old one.
    ///
    /// # Errors
    /// When `index.json` cannot be written: then the old layout is as it was.
    pub fn commit(mut self) -> Result<Layout> {
        let index = canonical_json(&json!({
            "schemaVersion": 2,
            "mediaType": MediaType::ImageIndex,
            "manifests": *lock(&self.entries),
        }));
        let path = self.root.join(INDEX);
        let failed = |error: io::Error| on_path("write", &path, error);
        self.write_mark().map_err(failed)?;
        file::replace(&path, |file| file.write_all(&index)).map_err(failed)?;
        self.committed = true;
        self.sweep(|relative| !lock(&self.kept).contains(relative));
        Layout::open(&self.root)
    }

    fn write_mark(&mut self) -> io::Result<()> {
        self.mark.rewind()?;
        let mut content = String::new();
        self.mark.read_to_string(&mut content)?;
        if content != MARK_CONTENT {
            self.mark.set_len(0)?;
            self.mark.rewind()?;
            self.mark.write_all(MARK_CONTENT.as_bytes())?;
        }
        Ok(())
    }

    /// Removes blobs. One that cannot be removed does no harm: nothing refers to it.
    fn sweep(&self, unwanted: impl Fn(&str) -> bool) {
        let algorithms = fs::read_dir(self.root.join("blobs")).into_iter().flatten().flatten();
        for algorithm in algorithms {
            for file in fs::read_dir(algorithm.path()).into_iter().flatten().flatten() {
                let names = (algorithm.file_name(), file.file_name());
                let relative = format!("blobs/{}/{}", names.0.to_string_lossy(), names.1.to_string_lossy());
                if unwanted(&relative) {
                    let _ = fs::remove_file(file.path());
                }
            }
        }
    }
}

/// Whether a run of ours that never came to an end left this in a folder that is no layout.
fn is_ours(file: io::Result<fs::DirEntry>) -> bool {
    let ours = |name: &str| name == MARK || name == "blobs" || name.starts_with(file::TEMPORARY);
    file.is_ok_and(|file| file.file_name().to_str().is_some_and(ours))
}

/// A layout with somebody else's images is not ours to replace.
fn refuse_foreign(root: &Path, name: &str) -> Result<()> {
    let layout = Layout::open(root)?;
    let image = |entry: &Descriptor| {
        let annotations = entry.annotations().as_ref()?;
        Some(annotations.get(IMAGE_NAME)?.rsplit_once(':')?.0.to_owned())
    };
    if layout.entries.iter().all(|entry| image(entry).as_deref() == Some(name)) {
        return Ok(());
    }
    Err(miette!(
        help = "name another folder, or remove that one first",
        "{} holds an image other than {name}, and is not overwritten",
        root.display()
    ))
}

/// Opens and locks the file that marks the layout, waiting for a run that holds it.
fn take(root: &Path) -> Result<File> {
    let path = root.join(MARK);
    loop {
        fs::create_dir_all(root).map_err(|error| on_path("create", root, error))?;
        let mark = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(|error| on_path("write", &path, error))?;
        mark.lock().map_err(|error| on_path("lock", &path, error))?;
        // A run that failed removes its folder, and with it the file that we may have waited for.
        if path.exists() {
            return Ok(mark);
        }
    }
}

impl Drop for LayoutWriter {
    fn drop(&mut self) {
        if self.committed {
            return;
        }
        if self.existed {
            self.sweep(|relative| lock(&self.added).contains(relative) || relative.contains(file::TEMPORARY));
        } else {
            // Nothing but what this run wrote: `begin` has looked.
            let _ = fs::remove_dir_all(self.root.join("blobs"));
            let _ = fs::remove_file(self.root.join(MARK));
            let _ = fs::remove_dir(&self.root);
        }
    }
}

impl Sink for LayoutWriter {
    fn exists(&self, descriptor: &Descriptor) -> Result<bool> {
        let relative = blob_path(descriptor.digest());
        let Ok(file) = File::open(self.root.join(&relative)) else {
            return Ok(false);
        };
        let right = io::copy(&mut VerifyReader::new(file, descriptor), &mut io::sink()).is_ok();
        if right {
            lock(&self.kept).insert(relative);
        }
        Ok(right)
    }

    fn push(&self, descriptor: &Descriptor, source: &dyn Source) -> Result<()> {
        let mut file = self.blob()?;
        io::copy(&mut open(source, descriptor)?, &mut file)
            .map_err(|error| on_path("write", &self.root.join(blob_path(descriptor.digest())), error))?;
        self.keep(descriptor, file)
    }

    fn tag(&self, descriptor: &Descriptor, name: &str) -> Result<()> {
        let mut entry = json!(descriptor);
        entry["annotations"] = json!({
            ANNOTATION_REF_NAME: name,
            IMAGE_NAME: format!("{}:{name}", self.name),
        });
        lock(&self.entries).push(entry);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
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
        let writer = LayoutWriter::begin(root, name)?;
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
        let writer = LayoutWriter::begin(&root, "x").expect("begins");
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
        let writer = LayoutWriter::begin(&root, "x").expect("begins");
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
        let writer = LayoutWriter::begin(&root, "x").expect("begins");
        assert!(!writer.exists(&blob(b"same")).expect("looks"));
        drop(writer);
        let layout = write(&root, "x", b"same").expect("writes");
        assert_eq!(read(&layout, &blob(b"same")).expect("reads"), b"same");
    }

    #[test]
    fn what_is_not_ours_is_not_overwritten() {
        let folder = tempfile::tempdir().expect("a folder");
        fs::write(folder.path().join("precious"), b"").expect("writes");
        assert!(LayoutWriter::begin(folder.path(), "x").is_err());
        assert!(folder.path().join("precious").exists());
        let root = folder.path().join("y");
        write(&root, "y", b"old").expect("writes");
        let error = LayoutWriter::begin(&root, "x").unwrap_err();
        assert!(error.to_string().contains("other than x"), "{error}");
    }

    #[test]
    fn an_unknown_name_is_answered_with_the_known_ones() {
        let folder = tempfile::tempdir().expect("a folder");
        let layout = write(&folder.path().join("x"), "x", b"old").expect("writes");
        let error = layout.resolve(Some("v1")).unwrap_err();
        assert!(error.help().expect("help").to_string().contains("latest"));
    }
}
