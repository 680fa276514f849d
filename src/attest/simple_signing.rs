//! Simple signing: the payload that cosign 2 signs, and that Podman, Skopeo and Harbor know (containers-image,
//! `containers-signature(5)`, as cosign's `SIGNATURE_SPEC.md` uses it).
//!
//! It names a repository and the digest of a manifest. The signature covers the bytes of the payload and is beside them, in an
//! annotation.

use serde_json::{Value, json};

use super::key::{PrivateKey, PublicKey};
use crate::image::{Digest, canonical_json};

/// The media type of a payload.
pub(crate) const SIMPLE_SIGNING: &str = "application/vnd.dev.cosign.simplesigning.v1+json";
/// What payloads say that they are.
const KIND: &str = "cosign container image signature";
/// The maximum size of a payload. It has a name, a digest, and what a user has added.
pub(crate) const MAX_PAYLOAD_BYTES: u64 = 64 << 10;

/// A payload: what a signature of an image says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SimpleSigning {
    /// The repository, as the signer has called it. Programs may compare it with the name that a user pulls by.
    pub reference: String,
    /// The digest of the manifest or index.
    pub digest: Digest,
}

/// The reason why a payload does not verify.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SimpleSigningError {
    /// It is larger than any payload.
    #[error("{0} bytes are too many for a signature: the limit is {MAX_PAYLOAD_BYTES}")]
    TooLarge(u64),
    /// The signature is by another key, or the payload was modified.
    #[error("signed by another key")]
    OtherKey,
    /// It is no payload.
    #[error("its payload is not what cosign signs: {0}")]
    Invalid(String),
    /// It is about another manifest.
    #[error("signed by this key, but for another subject")]
    OtherSubject,
}

impl SimpleSigning {
    /// Returns the payload as JSON, as cosign writes it.
    pub(crate) fn payload(&self) -> Vec<u8> {
        canonical_json(&json!({
            "critical": {
                "identity": { "docker-reference": self.reference },
                "image": { "docker-manifest-digest": self.digest.as_ref() },
                "type": KIND,
            },
            "optional": null,
        }))
    }

    /// Parses a payload. It is not verified.
    ///
    /// # Errors
    /// Returns an error if the bytes are too many, or not a payload.
    pub(crate) fn read(payload: &[u8]) -> Result<SimpleSigning, SimpleSigningError> {
        if payload.len() as u64 > MAX_PAYLOAD_BYTES {
            return Err(SimpleSigningError::TooLarge(payload.len() as u64));
        }
        let invalid = |why: &str| SimpleSigningError::Invalid(why.to_owned());
        let json: Value = serde_json::from_slice(payload).map_err(|error| invalid(&error.to_string()))?;
        let critical = &json["critical"];
        if critical["type"].as_str() != Some(KIND) {
            return Err(invalid("`type` is unknown"));
        }
        let digest = critical["image"]["docker-manifest-digest"].as_str();
        let digest =
            digest.and_then(|text| Digest::try_from(text).ok()).ok_or_else(|| invalid("there is no digest"))?;
        let reference = critical["identity"]["docker-reference"].as_str().unwrap_or_default().to_owned();
        Ok(SimpleSigning { reference, digest })
    }

    /// Verifies a payload.
    ///
    /// # Errors
    /// Returns an error if the key has not signed it, or it is not about `subject`.
    pub(crate) fn verify(
        payload: &[u8],
        signature: &[u8],
        subject: &Digest,
        key: &PublicKey,
    ) -> Result<SimpleSigning, SimpleSigningError> {
        if payload.len() as u64 > MAX_PAYLOAD_BYTES {
            return Err(SimpleSigningError::TooLarge(payload.len() as u64));
        }
        if !key.verifies(payload, signature) {
            return Err(SimpleSigningError::OtherKey);
        }
        let found = SimpleSigning::read(payload)?;
        if found.digest == *subject { Ok(found) } else { Err(SimpleSigningError::OtherSubject) }
    }

    /// Signs the payload. The same key and payload give the same signature.
    pub(crate) fn sign(&self, key: &PrivateKey) -> Vec<u8> {
        key.sign(&self.payload())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::digest::sha256;

    fn sample() -> SimpleSigning {
        SimpleSigning { reference: "ghcr.io/acme/hello".to_owned(), digest: sha256(b"image") }
    }

    #[test]
    fn payload_is_byte_for_byte_cosigns() {
        let digest = format!("sha256:{}", "a".repeat(64));
        let signed = SimpleSigning { digest: Digest::try_from(&*digest).expect("a digest"), ..sample() };
        let cosign = format!(
            "{{\"critical\":{{\"identity\":{{\"docker-reference\":\"ghcr.io/acme/hello\"}},\
             \"image\":{{\"docker-manifest-digest\":\"{digest}\"}},\
             \"type\":\"cosign container image signature\"}},\"optional\":null}}"
        );
        assert_eq!(String::from_utf8(signed.payload()).expect("text"), cosign);
    }

    #[test]
    fn payload_verifies_for_its_key_and_subject_alone() {
        let (key, other) = (PrivateKey::generate().expect("a key"), PrivateKey::generate().expect("a key"));
        let (payload, signature) = (sample().payload(), sample().sign(&key));
        let verify = |payload: &[u8], subject: &[u8], key: &PrivateKey| {
            SimpleSigning::verify(payload, &signature, &sha256(subject), &key.public())
        };
        assert_eq!(verify(&payload, b"image", &key), Ok(sample()));
        assert_eq!(verify(&payload, b"other", &key), Err(SimpleSigningError::OtherSubject));
        assert_eq!(verify(&payload, b"image", &other), Err(SimpleSigningError::OtherKey));
        let mut changed = payload.clone();
        for at in 0..payload.len() {
            changed[at] ^= 1;
            assert_eq!(verify(&changed, b"image", &key), Err(SimpleSigningError::OtherKey), "{at}");
            changed[at] ^= 1;
        }
    }

    #[test]
    fn payloads_of_other_kinds_are_rejected() {
        let key = PrivateKey::generate().expect("a key");
        let digest = sha256(b"image");
        let with = |kind: &str, digest: &str| {
            json!({ "critical": { "type": kind, "image": { "docker-manifest-digest": digest } } }).to_string()
        };
        let large = format!("{}{}", with(KIND, digest.as_ref()), " ".repeat(1 << 16));
        for (payload, why) in [
            (String::new(), "EOF"),
            ("{}".to_owned(), "`type`"),
            ("[]".to_owned(), "`type`"),
            (with("atomic container signature", digest.as_ref()), "`type`"),
            (with(KIND, "sha256:abc"), "no digest"),
            (with(KIND, "latest"), "no digest"),
            (large, "too many"),
        ] {
            let payload = payload.as_bytes();
            let error = SimpleSigning::verify(payload, &key.sign(payload), &digest, &key.public()).unwrap_err();
            assert!(error.to_string().contains(why), "{error}");
        }
    }
}
