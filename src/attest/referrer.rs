//! Referrers: manifests of artifacts whose subject is an image.

use miette::Report;
use oci_spec::image::{Descriptor, MediaType};

use crate::error::Result;
use crate::image::artifact::{EMPTY, artifact, empty};
use crate::image::digest::sha256;
use crate::image::manifest::{Annotations, Document, Manifest, ManifestContent};
use crate::parallel::{MANY, each};
use crate::store::{Fallback, LimitedSource, Memory, Referrers, Source, read};

/// A manifest to attach. The same contents and subject give the same bytes.
#[derive(Clone, Debug)]
pub(crate) struct Referrer {
    /// The manifest.
    pub manifest: Document,
    /// The artifact type.
    artifact_type: String,
    subject: Descriptor,
    contents: Vec<Descriptor>,
}

/// The result of attaching a referrer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AttachOutcome {
    /// The manifest that is attached.
    pub manifest: Descriptor,
    /// Whether it was attached before.
    pub was_attached: bool,
}

impl Referrer {
    /// Creates a referrer with blobs.
    pub(crate) fn new(
        subject: &Descriptor,
        artifact_type: &str,
        contents: Vec<Descriptor>,
        annotations: &Annotations,
    ) -> Referrer {
        let manifest = artifact(artifact_type, &contents, subject, annotations);
        Referrer { manifest, artifact_type: artifact_type.to_owned(), subject: subject.clone(), contents }
    }

    /// Creates a referrer with one document, which is put into `memory`. Its media type is the artifact type.
    pub(crate) fn with_document(
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

    /// Puts the manifest and its empty config into `memory`. Returns the descriptor of the manifest.
    pub(crate) fn store(&self, memory: &Memory) -> Descriptor {
        memory.put(&empty(), EMPTY.to_vec());
        memory.put_document(self.manifest.clone())
    }

    /// Attaches the referrer in `target`, with blobs from `source`, unless a referrer of the same type with the same contents
    /// is attached there already.
    ///
    /// # Errors
    /// Returns an error if reading or storing fails. Then nothing is attached.
    pub(crate) fn attach(&self, source: &dyn Source, target: &dyn Referrers) -> Result<AttachOutcome> {
        if let Some(manifest) = self.existing(target)? {
            return Ok(AttachOutcome { manifest, was_attached: true });
        }
        let own = Memory::default();
        let manifest = self.store(&own);
        target.attach(std::slice::from_ref(&manifest), &Fallback { primary: &own, secondary: source })?;
        Ok(AttachOutcome { manifest, was_attached: false })
    }

    /// Returns the same referrer in `target`, or `None` if there is none.
    fn existing(&self, target: &dyn Referrers) -> Result<Option<Descriptor>> {
        let listed = target.referrers(self.subject.digest())?;
        if let Some(same) = listed.iter().find(|listed| listed.digest() == self.manifest.descriptor.digest()) {
            return Ok(Some(same.clone()));
        }
        let source = LimitedSource::new(&target);
        let is_same = each(&listed, MANY, |entry| {
            // A list may lack the artifact type, or have a wrong one: the manifest counts.
            let Ok(found) = ReferrerManifest::read(&source, entry) else { return Ok(false) };
            let contents = found.contents.iter().map(Descriptor::digest);
            Ok(found.artifact_type == self.artifact_type
                && contents.eq(self.contents.iter().map(Descriptor::digest))
                && found.subject.is_some_and(|subject| subject.digest() == self.subject.digest()))
        })?;
        Ok(listed.into_iter().zip(is_same).find_map(|(entry, is_same)| is_same.then_some(entry)))
    }
}

/// The manifest of a referrer.
pub(crate) struct ReferrerManifest {
    /// The artifact type, or the media type of the config if there is none.
    pub artifact_type: String,
    /// The subject.
    pub subject: Option<Descriptor>,
    /// The blobs.
    pub contents: Vec<Descriptor>,
}

impl ReferrerManifest {
    /// Reads the manifest of a listed referrer.
    ///
    /// # Errors
    /// Returns an error if the manifest is missing, malformed, or does not match its digest.
    pub(crate) fn read(source: &dyn Source, entry: &Descriptor) -> Result<ReferrerManifest> {
        let bytes = read(source, entry)?;
        let manifest = Manifest::parse(entry.media_type(), &bytes).map_err(Report::from_err)?;
        let (config, contents) = match manifest.content {
            ManifestContent::Image { config, layers } => (config.media_type().to_string(), layers),
            ManifestContent::Index(entries) => (String::new(), entries),
        };
        let artifact_type = manifest.artifact_type.unwrap_or(config);
        Ok(ReferrerManifest { artifact_type, subject: manifest.subject, contents })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::layout::sample::begin_sample;

    use crate::inspect::referrers::group_by_subject;
    use crate::store::Layout;
    use crate::store::layout::LayoutEdit;
    use std::path::Path;

    /// Writes a layout with one image, and a referrer if `is_attached`.
    fn layout(root: &Path, is_attached: bool) -> (Layout, Descriptor) {
        let (writer, image) = begin_sample(root);
        if is_attached {
            let memory = Memory::default();
            let referrer = Referrer::with_document(&image, "text/a", b"a".to_vec(), &Annotations::new(), &memory);
            writer.attach(&referrer.store(&memory), &memory).expect("attaches");
        }
        (writer.commit().expect("commits"), image)
    }

    #[test]
    fn referrer_is_attached_once() {
        let folder = tempfile::tempdir().expect("a folder");
        let (from, image) = layout(&folder.path().join("from"), true);
        assert_eq!(from.resolve(None).expect("one image").digest(), image.digest());
        let listed = group_by_subject(&from, from.entries()).remove(image.digest().as_ref()).expect("a referrer");
        drop(layout(&folder.path().join("to"), false));
        let to = LayoutEdit::open(&folder.path().join("to"), &|_| ()).expect("opens");
        for _ in 0..2 {
            to.attach(&listed, &from).expect("attaches");
            assert_eq!(to.referrers(image.digest()).expect("lists").len(), 1);
        }
        for (artifact_type, was_attached) in [("text/a", true), ("text/b", false)] {
            let memory = Memory::default();
            let content = b"a".to_vec();
            let referrer = Referrer::with_document(&image, artifact_type, content, &Annotations::new(), &memory);
            assert_eq!(referrer.attach(&memory, &to).expect("attaches").was_attached, was_attached);
        }
    }
}
