//! Manifests and indexes (image-spec, `manifest.md` and `image-index.md`): writing them, and parsing untrusted ones.

use std::collections::BTreeMap;

use oci_spec::image::{Descriptor, Digest, MediaType};
use serde_json::{Value, json};

use super::digest::sha256;
use super::exact_number;
use super::json::{Object, canonical_json, string_map};
use super::media_type::as_oci;
use crate::platform::Platform;

/// Annotations, in the order in which they are written.
pub(crate) type Annotations = BTreeMap<String, String>;

/// A document to write, and the descriptor of its bytes.
#[derive(Clone, Debug)]
pub struct Document {
    /// The descriptor of the bytes.
    pub descriptor: Descriptor,
    /// The serialized document.
    pub bytes: Vec<u8>,
}

pub(super) fn document(media_type: MediaType, content: &Value) -> Document {
    let bytes = canonical_json(content);
    Document { descriptor: Descriptor::new(media_type, bytes.len() as u64, sha256(&bytes)), bytes }
}

/// Creates the document of an image config.
pub(crate) fn config(content: Object) -> Document {
    let bytes = exact_number::serialize(content);
    Document { descriptor: Descriptor::new(MediaType::ImageConfig, bytes.len() as u64, sha256(&bytes)), bytes }
}

/// Creates the manifest of an image for one platform.
pub(crate) fn image(config: &Descriptor, layers: &[Descriptor], annotations: &Annotations) -> Document {
    let content = json!({
        "schemaVersion": 2,
        "mediaType": MediaType::ImageManifest,
        "config": config,
        "layers": layers,
        "annotations": annotations,
    });
    document(MediaType::ImageManifest, &content)
}

/// Creates the index of images for several platforms, as [`index_of_entries`] does.
pub(crate) fn index(images: &[(Platform, Descriptor)], annotations: &Annotations) -> Document {
    let entries = images.iter().map(|(platform, descriptor)| (platform.clone(), index_entry(platform, descriptor)));
    index_of_entries(entries.collect(), annotations)
}

/// Returns the entry of an image in an index.
pub(crate) fn index_entry(platform: &Platform, descriptor: &Descriptor) -> Value {
    let mut entry = json!(descriptor);
    entry["platform"] = json!({
        "os": platform.os,
        "architecture": platform.architecture,
    });
    if let Some(variant) = &platform.variant {
        entry["platform"]["variant"] = json!(variant);
    }
    entry
}

/// Creates an index of entries, the most used platform first: the same images give the same index, whatever their order.
pub(crate) fn index_of_entries(mut entries: Vec<(Platform, Value)>, annotations: &Annotations) -> Document {
    entries.sort_by_cached_key(|(platform, entry)| (platform.position(), platform.to_string(), entry.to_string()));
    let manifests = entries.into_iter().map(|(_, entry)| entry);
    let content = json!({
        "schemaVersion": 2,
        "mediaType": MediaType::ImageIndex,
        "manifests": manifests.collect::<Vec<Value>>(),
        "annotations": annotations,
    });
    document(MediaType::ImageIndex, &content)
}

/// A manifest or an index, parsed.
#[derive(Clone, Debug)]
pub(crate) struct Manifest {
    /// Its content.
    pub content: ManifestContent,
    /// Its annotations.
    pub annotations: Annotations,
    /// Its artifact type, if it has one.
    pub artifact_type: Option<String>,
    /// Its subject.
    pub subject: Option<Descriptor>,
    /// How many entries of an index are not valid descriptors. They are skipped.
    pub invalid_entries: usize,
}

/// The content of a [`Manifest`].
#[derive(Clone, Debug)]
pub(crate) enum ManifestContent {
    /// The entries of an index.
    Index(Vec<Descriptor>),
    /// The parts of an image or artifact.
    Image {
        /// The config.
        config: Box<Descriptor>,
        /// The layers, lowest first.
        layers: Vec<Descriptor>,
    },
}

/// The error of an invalid manifest or index.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ManifestError {
    /// The media type is not that of a manifest or an index.
    #[error("its media type is {0}, which is neither an image nor an index")]
    Type(String),
    /// The content does not match the media type.
    #[error("invalid {media_type}: {reason}")]
    Content {
        /// The media type of the descriptor.
        media_type: String,
        /// The reason.
        reason: String,
    },
    /// Readers would disagree on what it is (CVE-2021-41190).
    #[error("it is both an image and an index")]
    Ambiguous,
    /// There are more entries than the limit.
    #[error("its {0} entries exceed the limit of {1}")]
    TooMany(usize, usize),
}

/// The maximum number of entries of an index, or of layers.
const MAX_ENTRIES: usize = 1_000;

/// How much of an invalid digest an error shows: as long as sha512.
const MAX_SHOWN_DIGEST: usize = 135;

impl Manifest {
    /// Parses a manifest or an index.
    ///
    /// Annotations, artifact type and subject that are invalid are ignored, and so are invalid entries of an index.
    ///
    /// # Errors
    /// See [`ManifestError`].
    pub(crate) fn parse(media_type: &MediaType, bytes: &[u8]) -> Result<Manifest, ManifestError> {
        let json: Value = serde_json::from_slice(bytes).map_err(|error| invalid(media_type, error.to_string()))?;
        let artifact_type = json["artifactType"].as_str().filter(|text| !text.is_empty());
        let content = ManifestContent::parse(media_type, &json, MAX_ENTRIES)?;
        let invalid_entries = match &content {
            ManifestContent::Index(entries) => {
                json["manifests"].as_array().map_or(0, Vec::len).saturating_sub(entries.len())
            }
            ManifestContent::Image { .. } => 0,
        };
        Ok(Manifest {
            content,
            annotations: string_map(&json["annotations"]),
            artifact_type: artifact_type.map(str::to_owned),
            subject: serde_json::from_value(json["subject"].clone()).ok(),
            invalid_entries,
        })
    }

    /// Parses a list of referrers: an index, with more entries than other indexes have. Invalid entries are ignored.
    ///
    /// # Errors
    /// See [`ManifestError`].
    pub(crate) fn parse_referrers(bytes: &[u8], max_entries: usize) -> Result<Vec<Descriptor>, ManifestError> {
        let media_type = MediaType::ImageIndex;
        let json: Value = serde_json::from_slice(bytes).map_err(|error| invalid(&media_type, error.to_string()))?;
        match ManifestContent::parse(&media_type, &json, max_entries)? {
            ManifestContent::Index(entries) => Ok(entries),
            ManifestContent::Image { .. } => Ok(Vec::new()),
        }
    }

    /// Returns everything the manifest or index refers to, except its subject.
    pub(crate) fn children(&self) -> Vec<Descriptor> {
        match &self.content {
            ManifestContent::Index(entries) => entries.clone(),
            ManifestContent::Image { config, layers } => {
                std::iter::once(config.as_ref()).chain(layers).cloned().collect()
            }
        }
    }

    /// Returns whether it is an index.
    pub(crate) fn is_index(&self) -> bool {
        matches!(self.content, ManifestContent::Index(_))
    }

    /// Returns the entries of an index, or `None` for an image.
    pub(crate) fn into_index(self) -> Option<Vec<Descriptor>> {
        match self.content {
            ManifestContent::Index(entries) => Some(entries),
            ManifestContent::Image { .. } => None,
        }
    }
}

impl ManifestContent {
    fn parse(media_type: &MediaType, json: &Value, max_entries: usize) -> Result<ManifestContent, ManifestError> {
        let has = |key: &str| json.get(key).is_some();
        if has("manifests") && (has("layers") || has("config")) {
            return Err(ManifestError::Ambiguous);
        }
        if let Some(inner) = json.get("mediaType").and_then(Value::as_str).filter(|inner| !inner.is_empty())
            && as_oci(&MediaType::from(inner)) != as_oci(media_type)
        {
            return Err(invalid(media_type, format!("its `mediaType` is {inner}")));
        }
        match as_oci(media_type) {
            // Other readers may understand an entry that is invalid here, so it does not invalidate the index.
            MediaType::ImageIndex => {
                let entries = list(media_type, json, "manifests", max_entries)?;
                // Nobody must take another entry in the place of one with such a digest.
                if let Some(wrong) = entries.iter().find_map(invalid_digest) {
                    let start: String = wrong.chars().take(MAX_SHOWN_DIGEST).collect();
                    return Err(invalid(media_type, format!("`{start}` is not a digest")));
                }
                let entries = entries.into_iter();
                Ok(ManifestContent::Index(entries.filter_map(|entry| serde_json::from_value(entry).ok()).collect()))
            }
            MediaType::ImageManifest => {
                let config = json.get("config").cloned().unwrap_or_default();
                let layers = list(media_type, json, "layers", max_entries)?.into_iter();
                Ok(ManifestContent::Image {
                    config: Box::new(descriptor(media_type, "config", config)?),
                    layers: layers.map(|layer| descriptor(media_type, "layers", layer)).collect::<Result<_, _>>()?,
                })
            }
            _ => Err(ManifestError::Type(media_type.to_string())),
        }
    }
}

fn invalid(media_type: &MediaType, reason: String) -> ManifestError {
    ManifestError::Content { media_type: media_type.to_string(), reason }
}

fn list(media_type: &MediaType, json: &Value, key: &str, max_entries: usize) -> Result<Vec<Value>, ManifestError> {
    match json.get(key) {
        Some(Value::Array(items)) if items.len() > max_entries => Err(ManifestError::TooMany(items.len(), max_entries)),
        Some(Value::Array(items)) => Ok(items.clone()),
        // Go serializes an empty list as `null`.
        Some(Value::Null) => Ok(Vec::new()),
        _ => Err(invalid(media_type, format!("`{key}` is not a list"))),
    }
}

/// Returns the digest of an entry if it is invalid, such as one in capital letters.
fn invalid_digest(entry: &Value) -> Option<&str> {
    entry["digest"].as_str().filter(|digest| Digest::try_from(*digest).is_err())
}

fn descriptor(media_type: &MediaType, key: &str, value: Value) -> Result<Descriptor, ManifestError> {
    serde_json::from_value(value).map_err(|error| invalid(media_type, format!("`{key}`: {error}")))
}

/// Returns the media type of a document by its content, for readers that know only its digest.
pub(crate) fn sniff(bytes: &[u8]) -> Option<MediaType> {
    let json: Value = serde_json::from_slice(bytes).ok()?;
    match json.get("mediaType").and_then(Value::as_str).filter(|media_type| !media_type.is_empty()) {
        Some(media_type) => Some(MediaType::from(media_type)),
        None if json.get("manifests").is_some() => Some(MediaType::ImageIndex),
        None if json.get("layers").is_some() => Some(MediaType::ImageManifest),
        None => None,
    }
}

/// Returns whether an index lists the descriptor for no platform (`unknown/unknown`), as it does attestations.
pub(crate) fn is_for_none(descriptor: &Descriptor) -> bool {
    descriptor.platform().as_ref().is_some_and(|platform| platform.os().to_string() == "unknown")
}

/// Returns the platform that an index lists the descriptor for, or `None` if it lists none or `unknown`.
pub(crate) fn platform_of(descriptor: &Descriptor) -> Option<Platform> {
    let platform = descriptor.platform().as_ref()?;
    let (os, architecture) = (platform.os().to_string(), platform.architecture().to_string());
    (os != "unknown").then(|| Platform {
        os,
        architecture,
        variant: platform.variant().clone().filter(|variant| !variant.is_empty()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn descriptor() -> Value {
        json!({"mediaType": MediaType::ImageConfig, "size": 0, "digest": sha256(b"")})
    }

    #[allow(clippy::needless_pass_by_value)]
    fn parse_json(media_type: MediaType, content: Value) -> Result<Manifest, ManifestError> {
        Manifest::parse(&media_type, &canonical_json(&content))
    }

    #[test]
    fn index_round_trips_with_platforms() {
        let config = config(Object::new());
        let image = image(&config.descriptor, std::slice::from_ref(&config.descriptor), &Annotations::new());
        let platform: Platform = "linux/arm/v6".parse().expect("a platform");
        let index = index(&[(platform.clone(), image.descriptor)], &Annotations::new());
        let index = Manifest::parse(index.descriptor.media_type(), &index.bytes).expect("parses");
        let entries = index.into_index().expect("an index");
        assert_eq!(platform_of(&entries[0]), Some(platform));
        assert_eq!(sniff(&image.bytes), Some(MediaType::ImageManifest));
    }

    #[test]
    fn index_is_the_same_in_any_order() {
        let image = |platform: &str| (platform.parse().expect("a platform"), config(Object::new()).descriptor);
        let mut images = ["windows/amd64", "linux/s390x", "linux/amd64", "linux/arm64", "linux/arm/v7"].map(image);
        let made = index(&images, &Annotations::new());
        images.reverse();
        assert_eq!(index(&images, &Annotations::new()).bytes, made.bytes);
        let parsed = Manifest::parse(&MediaType::ImageIndex, &made.bytes).expect("parses");
        let platforms =
            parsed.children().iter().filter_map(platform_of).map(|found| found.to_string()).collect::<Vec<_>>();
        assert_eq!(platforms, ["linux/amd64", "linux/arm64", "linux/arm/v7", "linux/s390x", "windows/amd64"]);
    }

    #[test]
    fn ambiguous_manifest_is_rejected() {
        let both = json!({"manifests": [], "layers": [], "config": descriptor()});
        for media_type in [MediaType::ImageManifest, MediaType::ImageIndex] {
            let error = parse_json(media_type, both.clone()).expect_err("is ambiguous");
            assert_eq!(error, ManifestError::Ambiguous);
        }
    }

    #[test]
    fn docker_media_types_are_parsed_like_oci() {
        let image =
            json!({"mediaType": super::super::media_type::DOCKER_MANIFEST, "config": descriptor(), "layers": []});
        let parsed = parse_json(MediaType::from(super::super::media_type::DOCKER_MANIFEST), image);
        assert!(matches!(parsed.expect("parses").content, ManifestContent::Image { .. }));
    }

    #[test]
    fn other_documents_are_rejected_with_their_type() {
        let error = parse_json(MediaType::ImageConfig, json!({})).unwrap_err();
        assert!(error.to_string().contains("image.config.v1+json"), "{error}");
        let many = vec![descriptor(); 1_001];
        let error = parse_json(MediaType::ImageIndex, json!({"manifests": many})).unwrap_err();
        assert_eq!(error, ManifestError::TooMany(1_001, 1_000));
        assert!(parse_json(MediaType::ImageManifest, json!({"layers": []})).is_err());
    }

    #[test]
    fn index_entry_with_invalid_digest_is_an_error() {
        let capital = sha256(b"").to_string().to_uppercase().replace("SHA", "sha");
        let wrong = json!({"mediaType": MediaType::ImageManifest, "size": 0, "digest": capital});
        let index = json!({"manifests": [descriptor(), wrong]});
        let error = parse_json(MediaType::ImageIndex, index).unwrap_err().to_string();
        assert!(error.ends_with(&format!("`{capital}` is not a digest")), "{error}");
        let error = parse_json(MediaType::ImageManifest, json!({"config": wrong, "layers": []})).unwrap_err();
        assert!(error.to_string().contains("`config`: "), "{error}");
    }

    #[test]
    fn invalid_annotations_and_subject_are_ignored() {
        let json = json!({
            "manifests": [],
            "annotations": {"a": "b", "c": 1},
            "artifactType": "",
            "subject": {"digest": 7},
        });
        let manifest = parse_json(MediaType::ImageIndex, json).expect("parses");
        assert_eq!(manifest.annotations, Annotations::from([("a".to_owned(), "b".to_owned())]));
        assert_eq!((manifest.artifact_type, manifest.subject), (None, None));
    }
}
