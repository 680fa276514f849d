//! Adding to an existing layout of any origin: nothing in it is changed or removed.

use std::collections::HashSet;
use std::io::{self, Read};
use std::path::Path;
use std::sync::Mutex;

use miette::{IntoDiagnostic, miette};
use oci_spec::image::Descriptor;
use serde_json::{Value, json};

use super::index::{INDEX, blob_path, parse_index, subject_of, write_index};
use super::lists::REFERRERS;
use super::lock::LayoutLock;
use super::own::OwnBlobs;
use super::read::Layout;
use super::subject_lists::{SubjectList, is_attached, listed_subject};
use crate::error::{Result, on_path};
use crate::event::Listener;
use crate::image::canonical_json;
use crate::image::digest::Digest;
use crate::image::manifest::Manifest;
use crate::parallel::lock;
use crate::reference::TagOrDigest;
use crate::store::Memory;
use crate::store::atomic::{self, Audience};
use crate::store::referrers::{Referrers, entry};
use crate::store::source::{Source, open, read};
use crate::unique::each_once;

/// An existing layout, locked for adding to it.
#[derive(Debug)]
pub(crate) struct LayoutEdit {
    layout: Layout,
    _lock: LayoutLock,
    /// The file that lists what is attached.
    list_name: &'static str,
    /// Its current content.
    list: Mutex<Value>,
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
        let (list_name, list) = match layout.referrers_list() {
            Some(referrers) => (REFERRERS, referrers.to_vec()),
            // The layout is for programs that look for it there.
            None if layout.images().iter().any(|entry| is_attached(&layout, entry)) => (INDEX, layout.index().to_vec()),
            None => (REFERRERS, write_index(&[])),
        };
        let list = serde_json::from_slice(&list).into_diagnostic()?;
        Ok(LayoutEdit { layout, _lock: lock, list_name, list: Mutex::new(list) })
    }

    fn entries(&self) -> Result<Vec<Descriptor>> {
        let mut entries = parse_index(&canonical_json(&lock(&self.list)))?;
        if self.list_name != INDEX {
            entries.extend_from_slice(self.layout.images());
        }
        Ok(entries)
    }

    /// Returns whether the layout has a blob, verified.
    fn has_blob(&self, descriptor: &Descriptor) -> bool {
        let blob = open(&self.layout, descriptor);
        blob.is_ok_and(|mut blob| io::copy(&mut blob, &mut io::sink()).is_ok())
    }

    /// Adds referrers, each with its subject, to the lists of their subjects, if the layout has such lists among its `entries`.
    fn add_to_subject_lists(&self, entries: &mut Vec<Value>, added: &[(Digest, Value)]) -> Result<()> {
        let subject_in = |entry: &Value| listed_subject(&serde_json::from_value(entry.clone()).ok()?);
        if !entries.iter().any(|entry| subject_in(entry).is_some()) {
            return Ok(());
        }
        for subject in each_once(added.iter().map(|(subject, _)| subject)) {
            let at = entries.iter().position(|entry| subject_in(entry).as_ref() == Some(subject));
            let mut listed = match at.and_then(|at| serde_json::from_value(entries[at].clone()).ok()) {
                Some(list) => parse_index(&read(&self.layout, &list)?)?.iter().map(|entry| json!(entry)).collect(),
                None => Vec::new(),
            };
            listed.extend(added.iter().filter(|(of, _)| of == subject).map(|(_, entry)| entry.clone()));
            let SubjectList { document, entry } = SubjectList::new(subject, &listed);
            let memory = Memory::default();
            self.add_blob(&memory.put_document(document), &memory)?;
            match at {
                Some(at) => entries[at] = entry,
                None => entries.push(entry),
            }
        }
        Ok(())
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
        let known: HashSet<_> = self.entries()?.iter().map(|entry| entry.digest().clone()).collect();
        let mut added = Vec::new();
        for manifest in manifests {
            let bytes = read(source, manifest)?;
            let parsed = Manifest::parse(manifest.media_type(), &bytes).into_diagnostic()?;
            for child in parsed.children() {
                self.add_blob(&child, source)?;
            }
            self.add_blob(manifest, source)?;
            if !known.contains(manifest.digest()) {
                let subject = parsed.subject.ok_or_else(|| miette!("{} has no subject", manifest.digest()))?;
                added.push((subject.digest().clone(), json!(entry(manifest, &bytes)?)));
            }
        }
        let mut list = lock(&self.list);
        let mut changed = list.clone();
        let Some(entries) = changed.get_mut("manifests").and_then(Value::as_array_mut) else {
            return Err(miette!(
                "cannot add to {}: `manifests` in its {} is not a list",
                self.location(),
                self.list_name
            ));
        };
        if !added.is_empty() {
            entries.extend(added.iter().map(|(_, entry)| entry.clone()));
            self.add_to_subject_lists(entries, &added)?;
            let path = self.layout.root().join(self.list_name);
            atomic::replace_name(Audience::Everyone, &path, |file| file.write_all(&canonical_json(&changed)))
                .map_err(|error| on_path("write", &path, error))?;
            *list = changed;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::artifact::{EMPTY, artifact, empty, referrers_tag};
    use crate::image::manifest::Annotations;
    use crate::store::layout::ReferrersPlace;
    use crate::store::layout::sample::begin_sample;
    use std::fs;

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
        assert_eq!((layout.images().len(), layout.referrers().len()), (1, 1));
        assert_eq!(layout.resolve(None).expect("one image").digest(), image.digest());
        assert_eq!(layout.resolve(Some(&"latest".parse().expect("a tag"))).expect("is named").digest(), image.digest());
    }

    #[test]
    fn edit_adds_to_the_list_that_is_there() {
        let folder = tempfile::tempdir().expect("a folder");
        let image = layout(folder.path());
        let memory = Memory::default();
        memory.put(&empty(), EMPTY.to_vec());
        let [first, second] = ["text/x", "text/y"]
            .map(|artifact_type| memory.put_document(artifact(artifact_type, &[], &image, &Annotations::new())));
        LayoutEdit::open(folder.path(), &|_| ()).expect("opens").attach(&[first], &memory).expect("attaches");
        let old = Layout::open(folder.path()).expect("opens");
        // As other programs list it, and versions before did.
        let all: Vec<_> = old.entries().iter().map(|entry| json!(entry)).collect();
        fs::write(folder.path().join(INDEX), write_index(&all)).expect("writes");
        fs::remove_file(folder.path().join(REFERRERS)).expect("removes");
        let edit = LayoutEdit::open(folder.path(), &|_| ()).expect("opens");
        edit.attach(std::slice::from_ref(&second), &memory).expect("attaches");
        assert_eq!(edit.referrers(image.digest()).expect("lists").len(), 2);
        let layout = Layout::open(folder.path()).expect("opens");
        assert_eq!((layout.images().len(), layout.referrers().len()), (3, 0));
        assert_eq!(layout.resolve(None).expect("one image").digest(), image.digest());
    }

    #[test]
    fn edit_adds_to_the_list_of_a_subject() {
        let folder = tempfile::tempdir().expect("a folder");
        let memory = Memory::default();
        memory.put(&empty(), EMPTY.to_vec());
        let attach = |artifact_type: &str, subject: &Descriptor| {
            memory.put_document(artifact(artifact_type, &[], subject, &Annotations::new()))
        };
        let (writer, image) = begin_sample(folder.path());
        let writer = writer.with_referrers(ReferrersPlace::Index);
        let first = attach("text/x", &image);
        writer.attach(&first, &memory).expect("attaches");
        drop(writer.commit().expect("commits"));
        let edit = LayoutEdit::open(folder.path(), &|_| ()).expect("opens");
        let (second, of_first) = (attach("text/y", &image), attach("text/z", &first));
        edit.attach(&[second.clone(), of_first.clone()], &memory).expect("attaches");
        drop(edit);
        let layout = Layout::open(folder.path()).expect("opens");
        assert_eq!(layout.resolve(None).expect("one image").digest(), image.digest());
        let listed = |subject: &Descriptor| {
            let tag = referrers_tag(subject.digest()).parse().expect("a tag");
            let list = layout.resolve(Some(&tag)).expect("a list");
            let listed = parse_index(&read(&layout, &list).expect("reads")).expect("an index");
            listed.iter().map(|entry| entry.digest().clone()).collect::<Vec<_>>()
        };
        assert_eq!(listed(&image), [first.digest().clone(), second.digest().clone()]);
        assert_eq!(listed(&first), [of_first.digest().clone()]);
    }

    #[test]
    fn edit_does_not_create_a_layout() {
        let folder = tempfile::tempdir().expect("a folder");
        assert!(LayoutEdit::open(&folder.path().join("x"), &|_| ()).is_err());
        assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 0);
    }
}
