//! Manifests of artifacts attached to an image: signatures, SBOMs and other files (image-spec, `manifest.md`,
//! "Guidelines for Artifact Usage").

use oci_spec::image::{Descriptor, Digest, MediaType};
use serde_json::json;

use super::digest::sha256;
use super::manifest::{Annotations, Document, Manifest, ManifestContent, document};

/// The content of the empty config of an artifact.
pub(crate) const EMPTY: &[u8] = b"{}";

/// Returns the descriptor of [`EMPTY`].
pub(crate) fn empty() -> Descriptor {
    Descriptor::new(MediaType::EmptyJSON, EMPTY.len() as u64, sha256(EMPTY))
}

/// Creates the manifest of an artifact attached to `subject`.
pub(crate) fn artifact(
    artifact_type: &str,
    contents: &[Descriptor],
    subject: &Descriptor,
    annotations: &Annotations,
) -> Document {
    // Annotations and platform belong to the index that listed the subject, not to the subject.
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

/// Returns the entry of a manifest in a list of referrers: with artifact type and annotations (distribution-spec,
/// "Listing Referrers"). The media type of the config replaces a missing artifact type.
pub(crate) fn referrer_entry(descriptor: &Descriptor, manifest: &Manifest) -> Descriptor {
    let mut entry = Descriptor::new(descriptor.media_type().clone(), descriptor.size(), descriptor.digest().clone());
    let artifact_type = match &manifest.content {
        ManifestContent::Image { config, .. } => Some(config.media_type().clone()),
        ManifestContent::Index(_) => None,
    };
    entry.set_artifact_type(manifest.artifact_type.as_deref().map(MediaType::from).or(artifact_type));
    if !manifest.annotations.is_empty() {
        entry.set_annotations(Some(manifest.annotations.clone().into_iter().collect()));
    }
    entry
}

/// Returns the tag of the list of what is attached to `subject` (distribution-spec, "Referrers Tag Schema").
pub(crate) fn referrers_tag(subject: &Digest) -> String {
    format!("{}-{}", subject.algorithm(), subject.digest())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn artifact_names_its_type_and_subject() {
        let mut subject = Descriptor::new(MediaType::ImageIndex, 5, sha256(b"image"));
        subject.set_annotations(Some([("a".to_owned(), "b".to_owned())].into()));
        let content = Descriptor::new("text/plain".into(), 1, sha256(b"a"));
        let annotations = Annotations::from([("c".to_owned(), "d".to_owned())]);
        let artifact = artifact("text/x", std::slice::from_ref(&content), &subject, &annotations);
        let mut manifest = Manifest::parse(artifact.descriptor.media_type(), &artifact.bytes).expect("parses");
        assert_eq!(manifest.artifact_type.as_deref(), Some("text/x"));
        let found = manifest.subject.clone().expect("a subject");
        assert_eq!((found.digest(), found.annotations()), (subject.digest(), &None));
        let ManifestContent::Image { config, layers } = &manifest.content else { panic!("not an image") };
        assert_eq!((config.as_ref(), layers), (&empty(), &vec![content]));
        let entry = referrer_entry(&artifact.descriptor, &manifest);
        assert_eq!(entry.artifact_type().as_ref().map(ToString::to_string).as_deref(), Some("text/x"));
        assert_eq!(entry.annotations().as_ref().map(std::collections::HashMap::len), Some(1));
        manifest.artifact_type = None;
        assert_eq!(referrer_entry(&artifact.descriptor, &manifest).artifact_type(), &Some(MediaType::EmptyJSON));
    }
}
