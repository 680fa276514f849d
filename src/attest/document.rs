//! A document about an image, such as an SBOM, as a referrer.

use jiff::Timestamp;
use oci_spec::image::{ANNOTATION_CREATED, ANNOTATION_TITLE, Descriptor, MediaType};

use super::referrer::Referrer;
use crate::image::digest::sha256;
use crate::image::manifest::Annotations;
use crate::image::predicate;
use crate::store::Memory;

/// A document about an image.
#[derive(Clone, Debug)]
pub(crate) struct AttachedDocument {
    /// The image.
    pub subject: Descriptor,
    /// The type of the artifact, and of its content.
    pub artifact_type: &'static str,
    /// The type of the statement in it, if it is one.
    pub predicate_type: Option<&'static str>,
    /// The name of the file.
    pub file: String,
    /// The content.
    pub bytes: Vec<u8>,
}

/// The descriptors of a document that was stored.
pub(crate) struct StoredDocument {
    /// The manifest.
    pub manifest: Descriptor,
    /// The content.
    pub content: Descriptor,
}

impl AttachedDocument {
    /// Puts the manifest and what it refers to into `memory`. `created` is the time of the image.
    pub(crate) fn store(&self, created: Timestamp, memory: &Memory) -> StoredDocument {
        let media_type = MediaType::from(self.artifact_type);
        let mut content = Descriptor::new(media_type, self.bytes.len() as u64, sha256(&self.bytes));
        let predicate = self.predicate_type.map(|kind| (predicate::ANNOTATION.to_owned(), kind.to_owned()));
        let title = (ANNOTATION_TITLE.to_owned(), self.file.clone());
        content.set_annotations(Some([title].into_iter().chain(predicate.clone()).collect()));
        let created = (ANNOTATION_CREATED.to_owned(), created.to_string());
        let annotations: Annotations = [created].into_iter().chain(predicate).collect();
        let referrer = Referrer::new(&self.subject, self.artifact_type, vec![content.clone()], &annotations);
        memory.put(&content, self.bytes.clone());
        StoredDocument { manifest: referrer.store(memory), content }
    }
}
