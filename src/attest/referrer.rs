//! Something that is attached to an image: an artifact's manifest with the image as its subject.

use miette::IntoDiagnostic;
use oci_spec::image::{Descriptor, MediaType};

use crate::error::Result;
use crate::image::artifact::{EMPTY, artifact, empty};
use crate::image::digest::sha256;
use crate::image::manifest::{Annotations, Document, Manifest, ManifestContent};
use crate::store::{Fallback, Memory, Referrers, Source, read};

/// A manifest to attach. The same things, attached to the same subject, are the same bytes.
#[derive(Clone, Debug)]
pub struct Referrer {
    /// The manifest.
    pub manifest: Document,
    /// What it is.
    artifact_type: String,
    subject: Descriptor,
    contents: Vec<Descriptor>,
}

/// What became of something that was to be attached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attached {
    /// The manifest that is attached now.
    pub manifest: Descriptor,
    /// Whether it was before.
    pub was_there: bool,
}

impl Referrer {
    /// One of an artifact type, with these contents.
    pub fn new(
        subject: &Descriptor,
        artifact_type: &str,
        contents: Vec<Descriptor>,
        annotations: &Annotations,
    ) -> Referrer {
        let manifest = artifact(artifact_type, &contents, subject, annotations);
        Referrer { manifest, artifact_type: artifact_type.to_owned(), subject: subject.clone(), contents }
    }

    /// One with a document of the artifact's own type, which is put into `memory`.
    pub fn of_document(
        subject: &Descriptor,
        artifact_type: &str,
        document: Vec<u8>,
        annotations: &Annotations,
        memory: &Memory,
    ) -> Referrer {
        let content = Descriptor::new(MediaType::from(artifact_type), document.len() as u64, sha256(&document));
        memory.put(&content, document);
        Referrer::new(subject, artifact_type, vec![content], annotations)
    }

    /// Puts the manifest into `memory`, and what it names besides its contents; gives its descriptor.
    pub fn store(&self, memory: &Memory) -> Descriptor {
        memory.put(&empty(), EMPTY.to_vec());
        memory.put_document(self.manifest.clone())
    }

    /// Attaches it at a place, its contents read from `source`, unless the same is attached there already: of the same
    /// type, with the same contents.
    ///
    /// # Errors
    /// Of reading and of storing; then it is not attached.
    pub fn attach(&self, source: &dyn Source, place: &dyn Referrers) -> Result<Attached> {
        if let Some(manifest) = self.found(place)? {
            return Ok(Attached { manifest, was_there: true });
        }
        let own = Memory::default();
        let manifest = self.store(&own);
        place.attach(std::slice::from_ref(&manifest), &Fallback { primary: &own, secondary: source })?;
        Ok(Attached { manifest, was_there: false })
    }

    /// What is attached there and is the same.
    fn found(&self, place: &dyn Referrers) -> Result<Option<Descriptor>> {
        let listed = place.referrers(self.subject.digest())?;
        if let Some(same) = listed.iter().find(|listed| listed.digest() == self.manifest.descriptor.digest()) {
            return Ok(Some(same.clone()));
        }
        for entry in listed {
            // Some lists have no type, or another than the manifest has: only the manifest knows.
            let Ok(found) = Found::read(place, &entry) else { continue };
            let contents = found.contents.iter().map(Descriptor::digest);
            let is_same = found.artifact_type == self.artifact_type
                && contents.eq(self.contents.iter().map(Descriptor::digest))
                && found.subject.is_some_and(|subject| subject.digest() == self.subject.digest());
            if is_same {
                return Ok(Some(entry));
            }
        }
        Ok(None)
    }
}

/// What the manifest of something attached says.
pub struct Found {
    /// The artifact type, or that of its config where it has none.
    pub artifact_type: String,
    /// What it is attached to.
    pub subject: Option<Descriptor>,
    /// What it holds.
    pub contents: Vec<Descriptor>,
}

impl Found {
    /// Reads one that is listed.
    ///
    /// # Errors
    /// When it is not there, not what its digest says, or no manifest.
    pub fn read(source: &dyn Source, entry: &Descriptor) -> Result<Found> {
        let bytes = read(source, entry)?;
        let manifest = Manifest::parse(entry.media_type(), &bytes).into_diagnostic()?;
        let (config, contents) = match manifest.content {
            ManifestContent::Image { config, layers } => (config.media_type().to_string(), layers),
            ManifestContent::Index(entries) => (String::new(), entries),
        };
        let artifact_type = manifest.artifact_type.unwrap_or(config);
        Ok(Found { artifact_type, subject: manifest.subject, contents })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::config::Object;
    use crate::image::manifest;
    use crate::inspect::attached::among;
    use crate::store::layout::{LayoutEdit, LayoutFolder};
    use crate::store::{Layout, LayoutWriter, Sink, copy};
    use std::path::Path;

    /// Writes a layout with one image, and something attached to it or not.
    fn layout(root: &Path, is_attached: bool) -> (Layout, Descriptor) {
        let memory = Memory::default();
        let config = memory.put_document(manifest::config(Object::new()));
        let image = memory.put_document(manifest::image(&config, &[], &Annotations::new()));
        let writer = LayoutWriter::begin(root, "x", LayoutFolder::Managed, &|_| ()).expect("begins");
        copy(&memory, &writer, std::slice::from_ref(&image)).expect("copies");
        writer.tag(&image, "latest").expect("tags");
        if is_attached {
            let memory = Memory::default();
            let referrer = Referrer::of_document(&image, "text/a", b"a".to_vec(), &Annotations::new(), &memory);
            writer.attach(&referrer.store(&memory), &memory).expect("attaches");
        }
        (writer.commit().expect("commits"), image)
    }

    #[test]
    fn what_is_attached_in_one_place_is_attached_to_another_once() {
        let folder = tempfile::tempdir().expect("a folder");
        let (from, image) = layout(&folder.path().join("from"), true);
        assert_eq!(from.resolve(None).expect("one image").digest(), image.digest());
        let listed = among(&from, from.entries()).remove(image.digest().as_ref()).expect("something attached");
        drop(layout(&folder.path().join("to"), false));
        let to = LayoutEdit::open(&folder.path().join("to"), &|_| ()).expect("opens");
        for _ in 0..2 {
            to.attach(&listed, &from).expect("attaches");
            assert_eq!(to.referrers(image.digest()).expect("lists").len(), 1);
        }
        for (artifact_type, was_there) in [("text/a", true), ("text/b", false)] {
            let memory = Memory::default();
            let content = b"a".to_vec();
            let referrer = Referrer::of_document(&image, artifact_type, content, &Annotations::new(), &memory);
            assert_eq!(referrer.attach(&memory, &to).expect("attaches").was_there, was_there);
        }
    }
}
