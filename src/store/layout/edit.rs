//! Adding to a layout that is there, whoever wrote it: nothing in it is changed or removed.

use std::fs;
use std::io::{self, Read, Write};
use std::path::Path;
use std::sync::Mutex;

use miette::{IntoDiagnostic, miette};
use oci_spec::image::Descriptor;
use serde_json::{Value, json};

use super::lock::LayoutLock;
use super::{INDEX, Layout, blob_path, entries};
use crate::error::{Result, on_path};
use crate::event::Listener;
use crate::image::digest::Digest;
use crate::image::manifest::parse;
use crate::image::{about::About, canonical_json};
use crate::parallel::lock;
use crate::store::referrers::entry;
use crate::store::{Referrers, Source, atomic, open, read};

/// A layout, held by one run at a time.
#[derive(Debug)]
pub struct LayoutEdit {
    layout: Layout,
    _mark: LayoutLock,
    /// What its `index.json` holds now.
    index: Mutex<Value>,
}

impl LayoutEdit {
    /// Opens the layout in the folder `root`. Waits, and says so, while another run writes there.
    ///
    /// # Errors
    /// When there is none, or it cannot be read or held.
    pub fn open(root: &Path, listener: Listener) -> Result<LayoutEdit> {
        // The mark would be made where there is no layout.
        Layout::open(root)?;
        let mark = LayoutLock::take(root, listener)?;
        // Only who holds the mark can tell what is there: another run may just have finished.
        let layout = Layout::open(root)?;
        let index = serde_json::from_slice(&layout.index()?).into_diagnostic()?;
        Ok(LayoutEdit { layout, _mark: mark, index: Mutex::new(index) })
    }

    /// The layout as it was when it was opened.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    fn entries(&self) -> Result<Vec<Descriptor>> {
        entries(&canonical_json(&lock(&self.index)))
    }

    /// Writes a blob, unless it is there and right.
    fn store(&self, descriptor: &Descriptor, source: &dyn Source) -> Result<()> {
        let is_right = || io::copy(&mut open(&self.layout, descriptor).ok()?, &mut io::sink()).ok();
        if is_right().is_some() {
            return Ok(());
        }
        let path = self.layout.root().join(blob_path(descriptor.digest()));
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(|error| on_path("create", folder, error))?;
        }
        let mut content = open(source, descriptor)?;
        let written = atomic::replace(&path, |file| io::copy(&mut content, file).map(drop));
        written.map_err(|error| on_path("write", &path, error))
    }
}

impl Source for LayoutEdit {
    fn resolve(&self, name: Option<&str>) -> Result<Descriptor> {
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
        let is_attached = |entry: &Descriptor| {
            let about = read(&self.layout, entry).map(|bytes| About::read(&bytes)).unwrap_or_default();
            about.subject.is_some_and(|of| of.digest() == subject)
        };
        // What is too large for a document has no subject.
        Ok(self.entries()?.into_iter().filter(is_attached).collect())
    }

    fn attach(&self, manifests: &[Descriptor], source: &dyn Source) -> Result<()> {
        let mut added = Vec::new();
        for manifest in manifests {
            let bytes = read(source, manifest)?;
            for child in parse(manifest.media_type(), &bytes).into_diagnostic()?.children() {
                self.store(&child, source)?;
            }
            self.store(manifest, source)?;
            added.push(json!(entry(manifest, &bytes)?));
        }
        let mut index = lock(&self.index);
        let mut changed = index.clone();
        let Some(entries) = changed.get_mut("manifests").and_then(Value::as_array_mut) else {
            return Err(miette!("the list of images in {} is none", self.location()));
        };
        added.retain(|entry| !entries.contains(entry));
        if !added.is_empty() {
            entries.extend(added);
            let path = self.layout.root().join(INDEX);
            let write = |file: &mut dyn Write| file.write_all(&canonical_json(&changed));
            atomic::replace(&path, write).map_err(|error| on_path("write", &path, error))?;
            *index = changed;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::artifact::{EMPTY, artifact, empty};
    use crate::image::config::Object;
    use crate::image::manifest::{self, Annotations};
    use crate::store::layout::LayoutFolder;
    use crate::store::{LayoutWriter, Memory, Sink, copy};

    /// A layout with one image, `latest`.
    fn layout(root: &Path) -> Descriptor {
        let memory = Memory::default();
        let config = memory.put_document(manifest::config(Object::new()));
        let image = memory.put_document(manifest::image(&config, &[], &Annotations::new()));
        let writer = LayoutWriter::begin(root, "x", LayoutFolder::Managed, &|_| ()).expect("begins");
        copy(&memory, &writer, std::slice::from_ref(&image)).expect("copies");
        writer.tag(&image, "latest").expect("tags");
        writer.commit().expect("commits");
        image
    }

    #[test]
    fn what_is_attached_is_listed_once_and_the_image_is_still_the_only_one() {
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
        assert_eq!(layout.resolve(Some("latest")).expect("is named").digest(), image.digest());
    }

    #[test]
    fn a_folder_without_a_layout_is_not_made_one() {
        let folder = tempfile::tempdir().expect("a folder");
        assert!(LayoutEdit::open(&folder.path().join("x"), &|_| ()).is_err());
        assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 0);
    }
}
