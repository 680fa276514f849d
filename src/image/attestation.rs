//! Attestations in an index, as BuildKit writes them (`attestation-storage.md`): for each image one more manifest, for the platform
//! `unknown/unknown`, whose layers are in-toto statements.

use oci_spec::image::{Descriptor, MediaType};
use serde_json::{Value, json};

use super::digest::{Digest, sha256};
use super::manifest::{Document, document, index_entry};
use super::predicate;
use crate::platform::Platform;

/// The annotations of an entry: what it is, and the image that it is about.
const KIND: &str = "vnd.docker.reference.type";
const SUBJECT: &str = "vnd.docker.reference.digest";
/// What such an entry is.
const ATTESTATION: &str = "attestation-manifest";
/// The media type of a statement.
const STATEMENT: &str = "application/vnd.in-toto+json";

/// The manifest of the attestations of one image.
#[derive(Clone, Debug)]
pub(crate) struct IndexAttestation {
    /// The manifest.
    pub descriptor: Descriptor,
    /// What the index lists, with the platform.
    pub entry: (Platform, Value),
    /// The manifest, and what it refers to.
    pub documents: Vec<Document>,
}

impl IndexAttestation {
    /// Creates the manifest of statements about the image `subject`, each with the type of its predicate. The same statements give
    /// the same bytes.
    pub(crate) fn new(subject: &Digest, statements: Vec<(&str, Vec<u8>)>) -> IndexAttestation {
        let mut documents = Vec::new();
        for (predicate_type, bytes) in statements {
            let mut layer = Descriptor::new(STATEMENT.into(), bytes.len() as u64, sha256(&bytes));
            let kind = (predicate::ANNOTATION.to_owned(), predicate_type.to_owned());
            layer.set_annotations(Some([kind].into()));
            documents.push(Document { descriptor: layer, bytes });
        }
        let layers: Vec<_> = documents.iter().map(|layer| layer.descriptor.clone()).collect();
        let diff_ids: Vec<_> = layers.iter().map(Descriptor::digest).collect();
        let none = no_platform();
        let config = json!({
            "architecture": none.architecture,
            "os": none.os,
            "config": {},
            "rootfs": { "type": "layers", "diff_ids": diff_ids },
        });
        let config = document(MediaType::ImageConfig, &config);
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": MediaType::ImageManifest,
            "config": config.descriptor,
            "layers": layers,
        });
        let manifest = document(MediaType::ImageManifest, &manifest);
        let listed = listed_attestation(subject, &manifest.descriptor);
        let (descriptor, entry) = (manifest.descriptor.clone(), (none.clone(), index_entry(&none, &listed)));
        documents.extend([config, manifest]);
        IndexAttestation { descriptor, entry, documents }
    }
}

/// Returns the descriptor of the manifest of attestations, as the index that lists `subject` lists it.
pub(crate) fn listed_attestation(subject: &Digest, manifest: &Descriptor) -> Descriptor {
    let mut listed = manifest.clone();
    let about = [(KIND, ATTESTATION), (SUBJECT, subject.as_ref())];
    listed.set_annotations(Some(about.map(|(key, value)| (key.to_owned(), value.to_owned())).into()));
    listed
}

/// Returns the digest that an entry of an index attests, or `None` if it is no attestation.
pub(crate) fn attested_digest(descriptor: &Descriptor) -> Option<&str> {
    let annotations = descriptor.annotations().as_ref()?;
    annotations.get(SUBJECT).map(String::as_str)
}

/// Returns the platform that an index lists attestations for.
pub(crate) fn no_platform() -> Platform {
    Platform { os: "unknown".to_owned(), architecture: "unknown".to_owned(), variant: None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::manifest::{Annotations, Manifest, index_of_entries, is_for_none};

    #[test]
    fn attestation_is_listed_for_no_platform_after_images() {
        let subject = sha256(b"image");
        let statements = || vec![(predicate::SPDX, b"{}".to_vec()), (predicate::PROVENANCE, b"[]".to_vec())];
        let made = IndexAttestation::new(&subject, statements());
        assert_eq!(made.entry, IndexAttestation::new(&subject, statements()).entry);
        let platform: Platform = "linux/amd64".parse().expect("a platform");
        let image = Descriptor::new(MediaType::ImageManifest, 5, subject.clone());
        let entries = vec![made.entry.clone(), (platform.clone(), index_entry(&platform, &image))];
        let index = index_of_entries(entries, &Annotations::new());
        let listed = Manifest::parse(&MediaType::ImageIndex, &index.bytes).expect("parses").into_index();
        let listed = listed.expect("an index");
        assert_eq!(listed[0].digest(), &subject);
        assert!(is_for_none(&listed[1]));
        assert_eq!(attested_digest(&listed[1]), Some(subject.as_ref()));
        let [first, .., manifest] = &made.documents[..] else { panic!("no documents") };
        assert_eq!(listed[1].digest(), manifest.descriptor.digest());
        let parsed = Manifest::parse(&MediaType::ImageManifest, &manifest.bytes).expect("parses");
        assert!(parsed.children().iter().any(|child| child == &first.descriptor));
        let types = first.descriptor.annotations().as_ref().expect("annotations");
        assert_eq!(types.get(predicate::ANNOTATION).map(String::as_str), Some(predicate::SPDX));
    }
}
