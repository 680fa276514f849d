//! Manifests of things that are no images and are attached to one: signatures, SBOMs, any file (image-spec,
//! `manifest.md`, "Guidelines for Artifact Usage").

use oci_spec::image::{Descriptor, MediaType};
use serde_json::json;

use super::about::About;
use super::digest::sha256;
use super::manifest::{Annotations, Document, document};

/// The content of the config that an artifact does not need.
pub const EMPTY: &[u8] = b"{}";

/// The descriptor of [`EMPTY`].
pub fn empty() -> Descriptor {
    Descriptor::new(MediaType::EmptyJSON, EMPTY.len() as u64, sha256(EMPTY))
}

/// The manifest of an artifact of a type, with these contents, that is attached to `subject`.
pub fn artifact(
    artifact_type: &str,
    contents: &[Descriptor],
    subject: &Descriptor,
    annotations: &Annotations,
) -> Document {
    // What else a descriptor says is said where it was found, and is nothing of the subject's own.
    let subject = Descriptor::new(subject.media_type().clone(), subject.size(), subject.digest().clone());
    let mut content = json!({
        "schemaVersion": 2,
        "mediaType": MediaType::ImageManifest,
        "artifactType": artifact_type,
        "config": empty(),
        "layers": contents,
        "subject": subject,
    });
    if !annotations.is_empty() {
        content["annotations"] = json!(annotations);
    }
    document(MediaType::ImageManifest, &content)
}

/// How a manifest that is attached to something stands in a list of such: with its artifact type and its annotations
/// (distribution-spec, "Listing Referrers"). `config` is the media type of its config, which is the artifact type of one
/// that has none.
pub fn listed(manifest: &Descriptor, about: &About, config: Option<&MediaType>) -> Descriptor {
    let mut entry = Descriptor::new(manifest.media_type().clone(), manifest.size(), manifest.digest().clone());
    let artifact_type = about.artifact_type.as_deref().map(MediaType::from).or_else(|| config.cloned());
    entry.set_artifact_type(artifact_type);
    if !about.annotations.is_empty() {
        entry.set_annotations(Some(about.annotations.clone().into_iter().collect()));
    }
    entry
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::manifest::{Manifest, parse};

    #[test]
    fn an_artifact_says_what_it_is_and_what_it_is_attached_to() {
        let mut subject = Descriptor::new(MediaType::ImageIndex, 5, sha256(b"image"));
        subject.set_annotations(Some([("a".to_owned(), "b".to_owned())].into()));
        let content = Descriptor::new("text/plain".into(), 1, sha256(b"a"));
        let annotations = Annotations::from([("c".to_owned(), "d".to_owned())]);
        let artifact = artifact("text/x", std::slice::from_ref(&content), &subject, &annotations);
        let about = About::read(&artifact.bytes);
        assert_eq!(about.artifact_type.as_deref(), Some("text/x"));
        let found = about.subject.clone().expect("a subject");
        assert_eq!((found.digest(), found.annotations()), (subject.digest(), &None));
        let Ok(Manifest::Image { config, layers }) = parse(artifact.descriptor.media_type(), &artifact.bytes) else {
            panic!("no manifest")
        };
        assert_eq!((*config, layers), (empty(), vec![content]));
        let entry = listed(&artifact.descriptor, &about, None);
        assert_eq!(entry.artifact_type().as_ref().map(ToString::to_string).as_deref(), Some("text/x"));
        assert_eq!(entry.annotations().as_ref().map(std::collections::HashMap::len), Some(1));
        let plain = listed(&artifact.descriptor, &About::default(), Some(&MediaType::ImageConfig));
        assert_eq!(plain.artifact_type(), &Some(MediaType::ImageConfig));
    }
}
