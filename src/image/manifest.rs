//! Manifests and indexes: written (image-spec, `manifest.md` and `image-index.md`), and read with the suspicion that
//! content from a registry deserves.

use std::collections::BTreeMap;

use oci_spec::image::{Descriptor, MediaType};
use serde_json::{Value, json};

use super::canonical_json;
use super::config::Object;
use super::digest::sha256;
use super::media_type::as_oci;
use crate::platform::Platform;

/// Annotations, in the order they are written.
pub type Annotations = BTreeMap<String, String>;

/// A JSON document of ours, and the descriptor of its bytes.
#[derive(Clone, Debug)]
pub struct Document {
    /// Of the bytes.
    pub descriptor: Descriptor,
    /// As they are stored.
    pub bytes: Vec<u8>,
}

pub(super) fn document(media_type: MediaType, content: &Value) -> Document {
    let bytes = canonical_json(content);
    Document { descriptor: Descriptor::new(media_type, bytes.len() as u64, sha256(&bytes)), bytes }
}

/// The document of an image config.
pub fn config(content: Object) -> Document {
    document(MediaType::ImageConfig, &Value::Object(content))
}

/// The manifest of an image for one platform.
pub fn image(config: &Descriptor, layers: &[Descriptor], annotations: &Annotations) -> Document {
    let content = json!({
        "schemaVersion": 2,
        "mediaType": MediaType::ImageManifest,
        "config": config,
        "layers": layers,
        "annotations": annotations,
    });
    document(MediaType::ImageManifest, &content)
}

/// The index of images for several platforms.
pub fn index(images: &[(Platform, Descriptor)], annotations: &Annotations) -> Document {
    let manifests: Vec<Value> = images
        .iter()
        .map(|(platform, descriptor)| {
            let mut manifest = json!(descriptor);
            manifest["platform"] = json!({
                "os": platform.os,
                "architecture": platform.architecture,
            });
            if let Some(variant) = &platform.variant {
                manifest["platform"]["variant"] = json!(variant);
            }
            manifest
        })
        .collect();
    let content = json!({
        "schemaVersion": 2,
        "mediaType": MediaType::ImageIndex,
        "manifests": manifests,
        "annotations": annotations,
    });
    document(MediaType::ImageIndex, &content)
}

/// What a manifest of somebody else's names.
#[derive(Clone, Debug)]
pub enum Manifest {
    /// The images of an index.
    Index(Vec<Descriptor>),
    /// The parts of one image.
    Image {
        /// Its config.
        config: Box<Descriptor>,
        /// Its layers, the lowest first.
        layers: Vec<Descriptor>,
    },
}

/// Why a document is not a manifest that can be trusted to mean one thing.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum ManifestError {
    /// Neither index nor manifest by its type.
    #[error("its media type is {0}, which is neither an image nor an index")]
    Type(String),
    /// Not the JSON the type promises.
    #[error("it cannot be read as {kind}: {why}")]
    Content {
        /// The media type it has.
        kind: String,
        /// What is wrong.
        why: String,
    },
    /// CVE-2021-41190: readers would disagree on what it is.
    #[error("it is an image and an index at once")]
    Ambiguous,
    /// An index too long to be one.
    #[error("it has {0} entries; more than {MOST_ENTRIES} are refused")]
    TooMany(usize),
}

/// More entries than any real index or image has.
const MOST_ENTRIES: usize = 1_000;

/// Reads the bytes of a manifest or an index.
///
/// # Errors
/// See [`ManifestError`].
pub fn parse(media_type: &MediaType, bytes: &[u8]) -> Result<Manifest, ManifestError> {
    let unreadable = |why: String| ManifestError::Content { kind: media_type.to_string(), why };
    let content: Value = serde_json::from_slice(bytes).map_err(|error| unreadable(error.to_string()))?;
    let has = |key: &str| content.get(key).is_some();
    if has("manifests") && (has("layers") || has("config")) {
        return Err(ManifestError::Ambiguous);
    }
    if let Some(inner) = content.get("mediaType").and_then(Value::as_str).filter(|inner| !inner.is_empty())
        && as_oci(&MediaType::from(inner)) != as_oci(media_type)
    {
        return Err(unreadable(format!("it calls itself {inner}")));
    }
    // Go writes an empty list as `null`.
    let list = |key: &str| match content.get(key) {
        Some(Value::Array(items)) if items.len() > MOST_ENTRIES => Err(ManifestError::TooMany(items.len())),
        Some(Value::Array(items)) => Ok(items.clone()),
        Some(Value::Null) => Ok(Vec::new()),
        _ => Err(unreadable(format!("`{key}` is not a list"))),
    };
    let descriptor = |key: &str, value: Value| -> Result<Descriptor, ManifestError> {
        serde_json::from_value(value).map_err(|error| unreadable(format!("`{key}`: {error}")))
    };
    match as_oci(media_type) {
        // What is written so that it cannot be read is for readers who can; the rest of an index is as good as before.
        MediaType::ImageIndex => {
            let entries = list("manifests")?.into_iter().filter_map(|entry| serde_json::from_value(entry).ok());
            Ok(Manifest::Index(entries.collect()))
        }
        MediaType::ImageManifest => Ok(Manifest::Image {
            config: Box::new(descriptor("config", content.get("config").cloned().unwrap_or_default())?),
            layers: list("layers")?.into_iter().map(|layer| descriptor("layers", layer)).collect::<Result<_, _>>()?,
        }),
        _ => Err(ManifestError::Type(media_type.to_string())),
    }
}

/// The type that an untyped document is by its content: for readers that know only a digest.
pub fn sniff(bytes: &[u8]) -> Option<MediaType> {
    let content: Value = serde_json::from_slice(bytes).ok()?;
    match content.get("mediaType").and_then(Value::as_str).filter(|media_type| !media_type.is_empty()) {
        Some(media_type) => Some(MediaType::from(media_type)),
        None if content.get("manifests").is_some() => Some(MediaType::ImageIndex),
        None if content.get("layers").is_some() => Some(MediaType::ImageManifest),
        None => None,
    }
}

impl Manifest {
    /// All that the document names.
    pub fn children(&self) -> Vec<Descriptor> {
        match self {
            Manifest::Index(manifests) => manifests.clone(),
            Manifest::Image { config, layers } => std::iter::once(config.as_ref()).chain(layers).cloned().collect(),
        }
    }
}

/// Whether a descriptor in an index is for no platform, as an attestation's `unknown/unknown` is.
pub fn is_for_none(descriptor: &Descriptor) -> bool {
    descriptor.platform().as_ref().is_some_and(|platform| platform.os().to_string() == "unknown")
}

/// The platform a descriptor in an index is for; nothing where it does not say, or is for none.
pub fn platform_of(descriptor: &Descriptor) -> Option<Platform> {
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

    fn parse_json(media_type: MediaType, content: Value) -> Result<Manifest, ManifestError> {
        parse(&media_type, &canonical_json(&content))
    }

    #[test]
    fn what_is_written_is_read_back() {
        let config = config(Object::new());
        let image = image(&config.descriptor, std::slice::from_ref(&config.descriptor), &Annotations::new());
        let platform: Platform = "linux/arm/v6".parse().expect("a platform");
        let index = index(&[(platform.clone(), image.descriptor)], &Annotations::new());
        let Ok(Manifest::Index(entries)) = parse(index.descriptor.media_type(), &index.bytes) else {
            panic!("not an index")
        };
        assert_eq!(platform_of(&entries[0]), Some(platform));
        assert_eq!(sniff(&image.bytes), Some(MediaType::ImageManifest));
    }

    #[test]
    fn an_image_and_index_at_once_is_refused() {
        let both = json!({"manifests": [], "layers": [], "config": descriptor()});
        for media_type in [MediaType::ImageManifest, MediaType::ImageIndex] {
            let error = parse_json(media_type, both.clone()).unwrap_err();
            assert_eq!(error, ManifestError::Ambiguous);
        }
    }

    #[test]
    fn docker_types_are_read_as_their_oci_twins() {
        let image =
            json!({"mediaType": super::super::media_type::DOCKER_MANIFEST, "config": descriptor(), "layers": []});
        let parsed = parse_json(MediaType::from(super::super::media_type::DOCKER_MANIFEST), image);
        assert!(matches!(parsed, Ok(Manifest::Image { .. })));
    }

    #[test]
    fn other_documents_are_refused_with_their_type() {
        let error = parse_json(MediaType::ImageConfig, json!({})).unwrap_err();
        assert!(error.to_string().contains("image.config.v1+json"), "{error}");
        let many = vec![descriptor(); 1_001];
        let error = parse_json(MediaType::ImageIndex, json!({"manifests": many})).unwrap_err();
        assert_eq!(error, ManifestError::TooMany(1_001));
        assert!(parse_json(MediaType::ImageManifest, json!({"layers": []})).is_err());
    }
}
