//! Adding to an existing layout of any origin: nothing in it is changed or removed.

use std::io::{self, Read};
use std::path::Path;
use std::sync::Mutex;

use miette::{IntoDiagnostic, miette};
use oci_spec::image::Descriptor;
use serde_json::{Value, json};

use super::index::{INDEX, blob_path, parse_index, subject_of};
use super::lock::LayoutLock;
use super::own::OwnBlobs;
use super::read::Layout;
use crate::error::{Result, on_path};
use crate::event::Listener;
use crate::image::canonical_json;
use crate::image::digest::Digest;
use crate::image::manifest::Manifest;
use crate::parallel::lock;
use crate::reference::TagOrDigest;
use crate::store::atomic::{self, Audience};
use crate::store::referrers::{Referrers, entry};
use crate::store::source::{Source, open, read};

/// An existing layout, locked for adding to it.
#[derive(Debug)]
pub(crate) struct LayoutEdit {
    layout: Layout,
    _lock: LayoutLock,
    /// The current content of its `index.json`.
    index: Mutex<Value>,
}

impl LayoutEdit {
    /// Opens the layout in the folder `root`. Waits while another run writes there, and reports that to `listener`.
    ///
    /// # Errors
    /// Returns an error if there is no layout, or if it cannot be read or locked.
    pub(crate) fn open(root: &Path, listener: Listener) -> Result<LayoutEdit> {
        // Locking would create the file that marks a layout.
        Layout::open(root)?;
        let lock = LayoutLock::acquire(root, listener)?;
        // Read it again with the lock: another run may just have finished.
        let layout = Layout::open(root)?;
        let index = serde_json::from_slice(layout.index()).into_diagnostic()?;
        Ok(LayoutEdit { layout, _lock: lock, index: Mutex::new(index) })
    }

    fn entries(&self) -> Result<Vec<Descriptor>> {
        parse_index(&canonical_json(&lock(&self.index)))
    }

    /// Returns whether the layout has a blob, verified.
    fn has_blob(&self, descriptor: &Descriptor) -> bool {
        let blob = open(&self.layout, descriptor);
        blob.is_ok_and(|mut blob| io::copy(&mut blob, &mut io::sink()).is_ok())
    }

    /// Writes a blob unless the layout has it.
    fn add_blob(&self, descriptor: &Descriptor, source: &dyn Source) -> Result<()> {
        if self.has_blob(descriptor) {
            return Ok(());
        }
        let (root, relative) = (self.layout.root(), blob_path(descriptor.digest()));
        let path = root.join(&relative);
        if let Some(folder) = path.parent() {
            atomic::create_folder(folder).map_err(|error| on_path("create", folder, error))?;
        }
        // A later build replaces our own layouts as a whole. In other layouts nothing is ever removed.
        if OwnBlobs::exists(root) && path.symlink_metadata().is_err() {
            OwnBlobs::read(root)
                .and_then(|mut own| own.add(&relative))
                .map_err(|error| on_path("write in", root, error))?;
        }
        let mut content = open(source, descriptor)?;
        let written = atomic::replace_name(Audience::Everyone, &path, |file| io::copy(&mut content, file).map(drop));
        written.map_err(|error| on_path("write", &path, error))
    }
}

impl Source for LayoutEdit {
    fn resolve(&self, name: Option<&TagOrDigest>) -> Result<Descriptor> {
        self.layout.resolve(name)
    }

    fn exists(&self, descriptor: &Descriptor) -> Result<bool> {
        self.layout.exists(descriptor)
    }

    fn fetch(&self, descriptor: &Descriptor) -> Result<Box<dyn Read + Send + '_>> {
        self.layout.fetch(descriptor)
    }

    fn location(&self) -> String {
        self.layout.location()
    }
}

impl Referrers for LayoutEdit {
    fn referrers(&self, subject: &Digest) -> Result<Vec<Descriptor>> {
        let mut entries = self.entries()?;
        entries.retain(|entry| subject_of(&self.layout, entry).is_some_and(|of| of.digest() == subject));
        Ok(entries)
    }

    fn attach(&self, manifests: &[Descriptor], source: &dyn Source) -> Result<()> {
        let mut added = Vec::new();
        for manifest in manifests {
            let bytes = read(source, manifest)?;
            for child in Manifest::parse(manifest.media_type(), &bytes).into_diagnostic()?.children() {
                self.add_blob(&child, source)?;
            }
            self.add_blob(manifest, source)?;
            added.push(json!(entry(manifest, &bytes)?));
        }
        let mut index = lock(&self.index);
        let mut changed = index.clone();
        let Some(entries) = changed.get_mut("manifests").and_then(Value::as_array_mut) else {
            return Err(miette!("cannot add to {}: `manifests` in its index.json is not a list", self.location()));
        };
        added.retain(|entry| !entries.contains(entry));
        if !added.is_empty() {
            entries.extend(added);
            let path = self.layout.root().join(INDEX);
            atomic::replace_name(Audience::Everyone, &path, |file| file.write_all(&canonical_json(&changed)))
                .map_err(|error| on_path("write", &path, error))?;
            *index = changed;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::artifact::{EMPTY, artifact, empty};
    use crate::image::manifest::Annotations;
    use crate::store::layout::sample::begin_sample;
    use std::fs;

    use crate::store::Memory;

    /// Writes a layout with one image, tagged `latest`.
    fn layout(root: &Path) -> Descriptor {
        let (writer, image) = begin_sample(root);
        writer.commit().expect("commits");
        image
    }

    #[test]
    fn attached_manifest_is_listed_once_beside_the_image() {
        let folder = tempfile::tempdir().expect("a folder");
        let image = layout(folder.path());
        let memory = Memory::default();
        memory.put(&empty(), EMPTY.to_vec());
        let attached = memory.put_document(artifact("text/x", &[], &image, &Annotations::new()));
        let edit = LayoutEdit::open(folder.path(), &|_| ()).expect("opens");
        assert!(edit.referrers(image.digest()).expect("lists").is_empty());
        for _ in 0..2 {
            edit.attach(std::slice::from_ref(&attached), &memory).expect("attaches");
        }
        let listed = edit.referrers(image.digest()).expect("lists");
        assert_eq!(listed.iter().map(Descriptor::digest).collect::<Vec<_>>(), [attached.digest()]);
        drop(edit);
        let layout = Layout::open(folder.path()).expect("opens");
        assert_eq!(layout.entries().len(), 2);
        assert_eq!(layout.resolve(None).expect("one image").digest(), image.digest());
        assert_eq!(layout.resolve(Some(&"latest".parse().expect("a tag"))).expect("is named").digest(), image.digest());
    }

    #[test]
    fn edit_does_not_create_a_layout() {
        let folder = tempfile::tempdir().expect("a folder");
        assert!(LayoutEdit::open(&folder.path().join("x"), &|_| ()).is_err());
        assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 0);
    }
}
