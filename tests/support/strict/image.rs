//! An index of two platforms, written by hand and not by the code under test.

use serde_json::{Value, json};

use super::random::Random;
use super::state::digest;

const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const EMPTY: &str = "application/vnd.oci.empty.v1+json";
const DOCUMENT: &str = "application/vnd.cyclonedx+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";

/// Some content, and what it is.
#[derive(Clone, Debug)]
pub struct Content {
    /// Its media type.
    pub media_type: &'static str,
    /// Its digest.
    pub digest: String,
    /// The bytes.
    pub bytes: Vec<u8>,
}

/// An image for two platforms with two layers each, one of them shared.
#[derive(Clone, Debug)]
pub struct Image {
    /// The layers and the configs, each once.
    pub blobs: Vec<Content>,
    /// The manifests.
    pub manifests: Vec<Content>,
    /// The index.
    pub index: Content,
}

/// A document that is attached to something.
#[derive(Clone, Debug)]
pub struct Artifact {
    /// Its config, which is empty, and the document.
    pub blobs: [Content; 2],
    /// Its manifest.
    pub manifest: Content,
}

impl Artifact {
    /// One that is attached to `subject`.
    pub fn of(subject: &Content) -> Artifact {
        let blobs =
            [Content::new(EMPTY, b"{}".to_vec()), Content::new(DOCUMENT, b"{\"bomFormat\":\"CycloneDX\"}".to_vec())];
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "artifactType": DOCUMENT,
            "config": blobs[0].descriptor(),
            "layers": [blobs[1].descriptor()],
            "subject": subject.descriptor(),
        });
        Artifact { blobs, manifest: Content::document(MANIFEST, &manifest) }
    }

    /// Everything.
    pub fn contents(&self) -> impl Iterator<Item = &Content> {
        self.blobs.iter().chain([&self.manifest])
    }
}

impl Content {
    fn new(media_type: &'static str, bytes: Vec<u8>) -> Content {
        Content { media_type, digest: digest(&bytes), bytes }
    }

    fn document(media_type: &'static str, content: &Value) -> Content {
        Content::new(media_type, content.to_string().into_bytes())
    }

    fn descriptor(&self) -> Value {
        json!({ "mediaType": self.media_type, "digest": self.digest, "size": self.bytes.len() })
    }
}

impl Image {
    /// One with layers of any size from nothing to 200 KiB. With `urls`, the layers say that they are there, too.
    pub fn random(random: &mut Random, urls: Option<&str>) -> Image {
        Image::of([(); 3].map(|()| layer(random)), urls)
    }

    /// One with these layers, the first of them shared.
    pub fn of(layers: [Vec<u8>; 3], urls: Option<&str>) -> Image {
        let layers = layers.map(|bytes| Content::new(LAYER, bytes));
        let mut blobs = layers.to_vec();
        let mut manifests = Vec::new();
        for (architecture, own) in [("amd64", &layers[1]), ("arm64", &layers[2])] {
            let used = [&layers[0], own];
            let config = json!({
                "architecture": architecture,
                "os": "linux",
                "config": {},
                "rootfs": { "type": "layers", "diff_ids": used.map(|layer| &layer.digest) },
            });
            let config = Content::document(CONFIG, &config);
            let described = used.map(|layer| match urls {
                None => layer.descriptor(),
                Some(url) => {
                    let mut descriptor = layer.descriptor();
                    descriptor["urls"] = json!([format!("{url}/{}", layer.digest)]);
                    descriptor
                }
            });
            let manifest = json!({
                "schemaVersion": 2,
                "mediaType": MANIFEST,
                "config": config.descriptor(),
                "layers": described,
            });
            blobs.push(config);
            manifests.push((architecture, Content::document(MANIFEST, &manifest)));
        }
        let entries: Vec<Value> = manifests
            .iter()
            .map(|(architecture, manifest)| {
                let mut entry = manifest.descriptor();
                entry["platform"] = json!({ "os": "linux", "architecture": architecture });
                entry
            })
            .collect();
        let index = json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": entries });
        blobs.sort_by(|a, b| a.digest.cmp(&b.digest));
        blobs.dedup_by(|a, b| a.digest == b.digest);
        Image {
            blobs,
            manifests: manifests.into_iter().map(|(_, manifest)| manifest).collect(),
            index: Content::document(INDEX, &index),
        }
    }

    /// Everything, children before their parents.
    pub fn contents(&self) -> impl Iterator<Item = &Content> {
        self.blobs.iter().chain(&self.manifests).chain([&self.index])
    }
}

/// Mostly small: the size matters where a transfer breaks, and there any will do.
fn layer(random: &mut Random) -> Vec<u8> {
    let most = random.pick(&[1, 100, 2_000, 2_000, 20_000, 20_000, 200 << 10]);
    let size = random.below(most);
    random.bytes(size)
}
