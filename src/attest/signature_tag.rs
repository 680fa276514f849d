//! What cosign 2 keeps under the tags `sha256-HEX.sig` and `.att`: image manifests whose layers are what is signed, and whose
//! annotations have the signatures.
//!
//! | layer | signature |
//! | --- | --- |
//! | a [payload](super::simple_signing) | in an annotation |
//! | a [DSSE envelope](super::dsse) with a statement | in the envelope |

use std::collections::HashMap;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use miette::{IntoDiagnostic, Report, miette};
use oci_spec::image::{Descriptor, MediaType};
use serde_json::{Value, json};

use super::dsse::Envelope;
use super::key::PublicKey;
use super::simple_signing::{MAX_PAYLOAD_BYTES, SIMPLE_SIGNING, SimpleSigning};
use super::statement::{IN_TOTO, Statement};
use crate::error::Result;
use crate::image::cosign_tag::CosignTag;
use crate::image::digest::sha256;
use crate::image::manifest::{Document, Manifest, ManifestContent};
use crate::image::{Digest, canonical_json};
use crate::parallel::{MANY, each};
use crate::store::{MAX_DOCUMENT_BYTES, Memory, Source, read};

/// The media type of a layer with an envelope.
const ENVELOPE: &str = "application/vnd.dsse.envelope.v1+json";
/// The annotations of a layer.
const SIGNATURE: &str = "dev.cosignproject.cosign/signature";
const CERTIFICATE: &str = "dev.sigstore.cosign/certificate";
const CHAIN: &str = "dev.sigstore.cosign/chain";
const REKOR_BUNDLE: &str = "dev.sigstore.cosign/bundle";
const TIMESTAMP: &str = "dev.sigstore.cosign/rfc3161timestamp";
const PREDICATE_TYPE: &str = "predicateType";
/// The time in the configs that cosign writes: none.
const NO_TIME: &str = "0001-01-01T00:00:00Z";
/// The most layers of a manifest: readers, this one too, accept no more.
const MAX_LAYERS: usize = 1_000;

/// A signature under a tag of cosign 2. It is not verified.
#[derive(Clone, Debug)]
pub(crate) struct TaggedSignature {
    /// The digest of the layer, for messages.
    pub layer: Digest,
    /// What is signed.
    pub content: TaggedContent,
    /// What it says of its signer, for verification without a key.
    pub evidence: TaggedEvidence,
}

/// What a layer says of its signer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct TaggedEvidence {
    /// The certificate of an identity, in PEM.
    pub certificate: Option<String>,
    /// The certificates of its authority, in PEM.
    pub chain: Option<String>,
    /// The entry in Rekor's log, with its promise: JSON.
    pub rekor_bundle: Option<String>,
    /// The time, as an authority has signed it: JSON.
    pub timestamp: Option<String>,
}

/// What is signed under such a tag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum TaggedContent {
    /// The payload of a signature.
    Payload {
        /// The bytes.
        bytes: Vec<u8>,
        /// The signature of the bytes.
        signature: Vec<u8>,
    },
    /// A statement.
    Envelope(Envelope),
    /// Neither, and why.
    Unusable(String),
}

impl TaggedSignature {
    /// Verifies the signature, and returns what it says: a payload says as much as a statement that `subject` is signed.
    ///
    /// # Errors
    /// Returns an error if the key has not signed it, or it is about another subject.
    pub(crate) fn verify(&self, subject: &Digest, key: &PublicKey) -> Result<Statement> {
        match &self.content {
            TaggedContent::Payload { bytes, signature } => {
                SimpleSigning::verify(bytes, signature, subject, key).map_err(Report::from_err)?;
                Ok(Statement::signature(subject))
            }
            TaggedContent::Envelope(envelope) if !envelope.is_signed_by(key) => Err(miette!("signed by another key")),
            TaggedContent::Envelope(_) => {
                self.statement(subject).ok_or_else(|| miette!("signed by this key, but for another subject"))
            }
            TaggedContent::Unusable(why) => Err(miette!("{why}")),
        }
    }

    /// Returns what it says about `subject`, without a look at the signature, or `None` if that is nothing.
    pub(crate) fn statement(&self, subject: &Digest) -> Option<Statement> {
        match &self.content {
            TaggedContent::Payload { bytes, .. } => {
                let found = SimpleSigning::read(bytes).ok().filter(|found| found.digest == *subject);
                found.map(|_| Statement::signature(subject))
            }
            // A signature of an image is a payload: the statement that stands for it does not count here.
            TaggedContent::Envelope(envelope) => {
                let read = Statement::read(&envelope.payload).ok();
                read.filter(|found| found.is_about(subject) && !found.is_signature())
            }
            TaggedContent::Unusable(_) => None,
        }
    }
}

/// Returns what is signed about `subject` under the tags of cosign 2. `tagged` returns what a tag names.
///
/// # Errors
/// Returns an error if there is no valid response, a tag names something else than an image manifest, or content does not match
/// its digest.
pub(crate) fn tagged_signatures(
    source: &dyn Source,
    tagged: &(dyn Fn(&str) -> Result<Option<Descriptor>> + Sync),
    subject: &Digest,
) -> Result<Vec<TaggedSignature>> {
    let kinds = [CosignTag::Signatures, CosignTag::Attestations];
    let found = each(&kinds, MANY, |kind| match tagged(&kind.of(subject))? {
        Some(manifest) => signatures_of(source, &manifest),
        None => Ok(Vec::new()),
    })?;
    Ok(found.into_iter().flatten().collect())
}

/// Reads the layers of a manifest: each once, however often it is named.
fn signatures_of(source: &dyn Source, manifest: &Descriptor) -> Result<Vec<TaggedSignature>> {
    let layers = layers_of(manifest.media_type(), &read(source, manifest)?)?;
    let mut wanted: HashMap<&Digest, &Descriptor> = HashMap::new();
    for layer in layers.iter().filter(|layer| unusable(layer).is_none()) {
        wanted.entry(layer.digest()).or_insert(layer);
    }
    let wanted: Vec<_> = wanted.into_iter().collect();
    let contents = each(&wanted, MANY, |(digest, layer)| Ok(((*digest).clone(), read(source, layer)?)))?;
    let contents: HashMap<_, _> = contents.into_iter().collect();
    let signature = |layer: &Descriptor| {
        let annotation = |key: &str| {
            let found = layer.annotations().as_ref().and_then(|annotations| annotations.get(key));
            found.filter(|text| !text.is_empty()).cloned()
        };
        let content = match (unusable(layer), contents.get(layer.digest())) {
            (None, Some(bytes)) => content(layer, bytes, annotation(SIGNATURE).as_deref()),
            (why, _) => TaggedContent::Unusable(why.unwrap_or_default()),
        };
        TaggedSignature {
            content,
            layer: layer.digest().clone(),
            evidence: TaggedEvidence {
                certificate: annotation(CERTIFICATE),
                chain: annotation(CHAIN),
                rekor_bundle: annotation(REKOR_BUNDLE),
                timestamp: annotation(TIMESTAMP),
            },
        }
    };
    Ok(layers.iter().map(signature).collect())
}

/// Returns why a layer is not read.
fn unusable(layer: &Descriptor) -> Option<String> {
    let most = match layer.media_type().as_ref() {
        SIMPLE_SIGNING => MAX_PAYLOAD_BYTES,
        ENVELOPE => MAX_DOCUMENT_BYTES,
        other => return Some(format!("`{other}` is no signature")),
    };
    let is_larger = layer.size() > most;
    is_larger.then(|| format!("{} bytes are too many for a signature: the limit is {most}", layer.size()))
}

fn content(layer: &Descriptor, bytes: &[u8], signature: Option<&str>) -> TaggedContent {
    if layer.media_type().as_ref() == SIMPLE_SIGNING {
        let signature = signature.and_then(|text| BASE64_STANDARD.decode(text).ok());
        return match signature {
            Some(signature) => TaggedContent::Payload { bytes: bytes.to_vec(), signature },
            None => TaggedContent::Unusable("it has no signature".to_owned()),
        };
    }
    let json = serde_json::from_slice(bytes).map_err(|error| miette!("invalid JSON: {error}"));
    match json.and_then(Envelope::read) {
        Ok(envelope) if envelope.payload_type == IN_TOTO => TaggedContent::Envelope(envelope),
        Ok(_) => TaggedContent::Unusable("it has no signed statement".to_owned()),
        Err(error) => TaggedContent::Unusable(error.to_string()),
    }
}

fn layers_of(media_type: &MediaType, bytes: &[u8]) -> Result<Vec<Descriptor>> {
    match Manifest::parse(media_type, bytes).into_diagnostic()?.content {
        ManifestContent::Image { layers, .. } => Ok(layers),
        ManifestContent::Index(_) => Err(miette!("expected the manifest of signatures, found an index")),
    }
}

/// A layer to put under a tag of cosign 2.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct TaggedLayer {
    /// Which tag.
    pub tag: CosignTag,
    /// The layer, with its annotations.
    pub descriptor: Descriptor,
}

impl TaggedLayer {
    /// Creates the layer of a payload and puts the payload into `memory`.
    pub(crate) fn of_payload(
        payload: Vec<u8>,
        signature: &[u8],
        evidence: TaggedEvidence,
        memory: &Memory,
    ) -> TaggedLayer {
        let signature = (SIGNATURE, BASE64_STANDARD.encode(signature));
        TaggedLayer::new(CosignTag::Signatures, SIMPLE_SIGNING, payload, [signature], evidence, memory)
    }

    /// Creates the layer of an envelope with a statement of this type, and puts the envelope, as JSON, into `memory`. A log knows
    /// the bytes of an envelope by their digest.
    pub(crate) fn of_envelope(
        envelope: Vec<u8>,
        predicate_type: &str,
        evidence: TaggedEvidence,
        memory: &Memory,
    ) -> TaggedLayer {
        let own = [(SIGNATURE, String::new()), (PREDICATE_TYPE, predicate_type.to_owned())];
        TaggedLayer::new(CosignTag::Attestations, ENVELOPE, envelope, own, evidence, memory)
    }

    fn new<const N: usize>(
        tag: CosignTag,
        media_type: &str,
        content: Vec<u8>,
        own: [(&str, String); N],
        evidence: TaggedEvidence,
        memory: &Memory,
    ) -> TaggedLayer {
        let mut descriptor = Descriptor::new(media_type.into(), content.len() as u64, sha256(&content));
        let signer = [
            (CERTIFICATE, evidence.certificate),
            (CHAIN, evidence.chain),
            (REKOR_BUNDLE, evidence.rekor_bundle),
            (TIMESTAMP, evidence.timestamp),
        ];
        let signer = signer.into_iter().filter_map(|(key, value)| Some((key, value?)));
        let annotations = own.into_iter().chain(signer).map(|(key, value)| (key.to_owned(), value));
        descriptor.set_annotations(Some(annotations.collect()));
        memory.put(&descriptor, content);
        TaggedLayer { tag, descriptor }
    }
}

/// A manifest of signatures that gets more of them.
pub(crate) struct SignatureManifest {
    /// The manifest.
    pub manifest: Document,
    /// Its config.
    pub config: Document,
}

impl SignatureManifest {
    /// Returns the manifest `before`, or a new one, with these layers beside those that it has. Returns `None` if it has them
    /// already.
    ///
    /// # Errors
    /// Returns an error if `before` is no image manifest, or has no room for more.
    pub(crate) fn with_layers(before: Option<&Document>, new: &[&Descriptor]) -> Result<Option<SignatureManifest>> {
        let (mut content, mut layers) = match before {
            Some(document) => {
                let content: Value = serde_json::from_slice(&document.bytes).into_diagnostic()?;
                let layers = layers_of(document.descriptor.media_type(), &document.bytes)?;
                (content, layers)
            }
            None => (
                json!({
                    "schemaVersion": 2,
                    "mediaType": MediaType::ImageManifest,
                    "config": { "mediaType": MediaType::ImageConfig },
                    "layers": [],
                }),
                Vec::new(),
            ),
        };
        let known = layers.len();
        for layer in new {
            if layers.iter().all(|known| !is_same_layer(known, layer)) {
                layers.push((*layer).clone());
            }
        }
        if layers.len() == known {
            return Ok(None);
        }
        if layers.len() > MAX_LAYERS {
            return Err(miette!(
                help = "delete the tag in the registry, and sign again",
                "there are {known} signatures under the tag already: the limit is {MAX_LAYERS}"
            ));
        }
        let added: Vec<_> = layers[known..].iter().map(|layer| json!(layer)).collect();
        // It was parsed as a manifest: there is a list, or `null`.
        match &mut content["layers"] {
            Value::Array(list) => list.extend(added),
            list => *list = Value::Array(added),
        }
        let diff_ids: Vec<_> = layers.iter().map(Descriptor::digest).collect();
        let config = canonical_json(&json!({
            "architecture": "",
            "config": {},
            "created": NO_TIME,
            "history": vec![json!({ "created": NO_TIME }); layers.len()],
            "os": "",
            "rootfs": { "type": "layers", "diff_ids": diff_ids },
        }));
        let media_type = content["config"]["mediaType"].as_str().unwrap_or_default();
        let descriptor = Descriptor::new(media_type.into(), config.len() as u64, sha256(&config));
        content["config"] = json!(descriptor);
        let bytes = canonical_json(&content);
        let media_type = before.map_or(MediaType::ImageManifest, |before| before.descriptor.media_type().clone());
        let manifest = Descriptor::new(media_type, bytes.len() as u64, sha256(&bytes));
        Ok(Some(SignatureManifest {
            manifest: Document { descriptor: manifest, bytes },
            config: Document { descriptor, bytes: config },
        }))
    }
}

/// Returns whether two layers are the same signature of the same content.
fn is_same_layer(one: &Descriptor, other: &Descriptor) -> bool {
    let signature = |layer: &Descriptor| layer.annotations().as_ref().and_then(|own| own.get(SIGNATURE).cloned());
    one.digest() == other.digest() && signature(one) == signature(other)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attest::PrivateKey;
    use crate::image::predicate;
    use crate::store::Sink;

    fn key() -> PrivateKey {
        PrivateKey::generate().expect("a key")
    }

    fn signature(key: &PrivateKey, subject: &Digest, memory: &Memory) -> TaggedLayer {
        let signed = SimpleSigning { reference: "ghcr.io/acme/x".to_owned(), digest: subject.clone() };
        TaggedLayer::of_payload(signed.payload(), &signed.sign(key), TaggedEvidence::default(), memory)
    }

    fn provenance(key: &PrivateKey, subject: &Digest, memory: &Memory) -> TaggedLayer {
        let statement = Statement::new("x", subject, predicate::PROVENANCE, json!({ "a": 1 }));
        let envelope = Envelope::sign(key, IN_TOTO, statement.bytes());
        TaggedLayer::of_envelope(envelope.bytes(), predicate::PROVENANCE, TaggedEvidence::default(), memory)
    }

    /// Puts layers under their tags.
    fn tag(layers: &[TaggedLayer], subject: &Digest, memory: &Memory) {
        for kind in [CosignTag::Signatures, CosignTag::Attestations] {
            let own: Vec<_> = layers.iter().filter(|layer| layer.tag == kind).map(|layer| &layer.descriptor).collect();
            let made = SignatureManifest::with_layers(None, &own).expect("a manifest");
            let Some(made) = made else { continue };
            let root = memory.put_document(made.manifest);
            memory.tag(&root, &kind.of(subject)).expect("tags");
        }
    }

    fn found(memory: &Memory, subject: &Digest) -> Vec<TaggedSignature> {
        let tagged = |tag: &str| Ok(memory.resolve(Some(&tag.parse().expect("a tag"))).ok());
        tagged_signatures(memory, &tagged, subject).expect("reads")
    }

    #[test]
    fn signatures_under_tags_verify_with_their_key() {
        let (memory, subject, own, other) = (Memory::default(), sha256(b"image"), key(), key());
        assert!(found(&memory, &subject).is_empty());
        let layers = [
            signature(&own, &subject, &memory),
            signature(&other, &subject, &memory),
            provenance(&own, &subject, &memory),
        ];
        tag(&layers, &subject, &memory);
        let found = found(&memory, &subject);
        let said = |key: &PrivateKey| {
            let verified = found.iter().filter_map(|one| one.verify(&subject, &key.public()).ok());
            verified.map(|statement| statement.predicate_type).collect::<Vec<_>>()
        };
        assert_eq!(said(&own), [predicate::SIGNATURE, predicate::PROVENANCE]);
        assert_eq!(said(&other), [predicate::SIGNATURE]);
        for one in &found {
            let words = one.verify(&sha256(b"other"), &own.public()).unwrap_err().to_string();
            assert!(words.contains("another subject") || words.contains("another key"), "{words}");
        }
    }

    #[test]
    fn layers_that_are_no_signatures_say_why() {
        let (memory, subject, own) = (Memory::default(), sha256(b"image"), key());
        let mut unsigned = signature(&own, &subject, &memory).descriptor;
        unsigned.set_annotations(None);
        let mut foreign = unsigned.clone();
        foreign.set_media_type("text/plain".into());
        let mut large = unsigned.clone();
        large.set_size(MAX_PAYLOAD_BYTES + 1);
        let mut no_envelope = unsigned.clone();
        no_envelope.set_media_type(ENVELOPE.into());
        let layers = [unsigned, foreign, large, no_envelope];
        let layers = layers.map(|descriptor| TaggedLayer { tag: CosignTag::Signatures, descriptor });
        for layer in &layers {
            tag(std::slice::from_ref(layer), &subject, &memory);
            let [one] = &found(&memory, &subject)[..] else { panic!("one layer") };
            assert!(matches!(one.content, TaggedContent::Unusable(_)) && one.statement(&subject).is_none());
            assert!(!one.verify(&subject, &own.public()).unwrap_err().to_string().is_empty());
        }
        // Of a statement that the subject is signed there is no need: it is for bundles alone.
        let envelope = Envelope::sign(&own, IN_TOTO, Statement::signature(&subject).bytes());
        let stands_in =
            TaggedLayer::of_envelope(envelope.bytes(), predicate::SIGNATURE, TaggedEvidence::default(), &memory);
        tag(&[stands_in], &subject, &memory);
        assert!(found(&memory, &subject)[0].verify(&subject, &own.public()).is_err());
    }

    #[test]
    fn manifest_keeps_layers_and_adds_each_once() {
        let (memory, subject, own) = (Memory::default(), sha256(b"image"), key());
        let first = signature(&own, &subject, &memory).descriptor;
        let second = signature(&key(), &subject, &memory).descriptor;
        let made = SignatureManifest::with_layers(None, &[&first]).expect("a manifest").expect("a new one");
        let again = SignatureManifest::with_layers(Some(&made.manifest), &[&first]).expect("a manifest");
        assert!(again.is_none());
        let more = SignatureManifest::with_layers(Some(&made.manifest), &[&first, &second, &second]);
        let more = more.expect("a manifest").expect("a new one");
        let layers = layers_of(&MediaType::ImageManifest, &more.manifest.bytes).expect("layers");
        assert_eq!(layers, [first.clone(), second]);
        let config: Value = serde_json::from_slice(&more.config.bytes).expect("JSON");
        assert_eq!(config["rootfs"]["diff_ids"].as_array().map(Vec::len), Some(2));
        let full = vec![first.clone(); MAX_LAYERS];
        let mut content: Value = serde_json::from_slice(&made.manifest.bytes).expect("JSON");
        content["layers"] = json!(full);
        let full = Document { bytes: canonical_json(&content), ..made.manifest };
        let third = signature(&key(), &subject, &memory).descriptor;
        assert!(SignatureManifest::with_layers(Some(&full), &[&third]).is_err());
        let index = Document {
            descriptor: Descriptor::new(MediaType::ImageIndex, 2, sha256(b"")),
            bytes: br#"{"manifests":[]}"#.to_vec(),
        };
        assert!(SignatureManifest::with_layers(Some(&index), &[&first]).is_err());
    }
}
