//! Sigstore bundles of version 0.3: a signed statement and its verification material in one document (protobuf-specs,
//! `sigstore_bundle.proto`).

use miette::miette;
use serde::Deserialize;
use serde_json::json;

use super::dsse::{Envelope, EnvelopeJson};
use super::key::{PrivateKey, PublicKey};
use super::statement::{IN_TOTO, Statement};
use crate::error::Result;
use crate::image::canonical_json;

/// The media type of a bundle, and the artifact type of a manifest that carries one.
pub(crate) const BUNDLE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";
/// The media type of 0.3 bundles before they had a type of their own.
const BUNDLE_BEFORE: &str = "application/vnd.dev.sigstore.bundle+json;version=0.3";

/// A bundle signed with a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Bundle {
    /// The fingerprint of the key ([`PublicKey::hint`]). It is not signed.
    pub hint: Option<String>,
    /// The signed statement.
    pub envelope: Envelope,
}

/// What is read of a bundle.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct BundleJson {
    #[serde(default)]
    media_type: String,
    #[serde(default)]
    verification_material: MaterialJson,
    dsse_envelope: Option<EnvelopeJson>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct MaterialJson {
    public_key: Option<KeyJson>,
}

#[derive(Deserialize)]
struct KeyJson {
    hint: Option<String>,
}

/// The reason why a bundle does not verify.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BundleError {
    /// The bundle names another key, or a certificate.
    #[error("signed by another key")]
    OtherKey,
    /// The bundle names this key, but the signature does not match.
    #[error("the bundle names this key, but was modified after signing")]
    Modified,
}

impl Bundle {
    /// Signs a statement.
    ///
    /// # Errors
    /// Returns an error if the key cannot be encoded.
    pub(crate) fn sign(key: &PrivateKey, statement: &Statement) -> Result<Bundle> {
        let envelope = Envelope::sign(key, IN_TOTO, statement.bytes());
        Ok(Bundle { hint: Some(key.public().hint()?), envelope })
    }

    /// Returns the bundle as JSON. Equal bundles give equal bytes.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        canonical_json(&json!({
            "mediaType": BUNDLE,
            "verificationMaterial": { "publicKey": { "hint": self.hint } },
            "dsseEnvelope": self.envelope.json(),
        }))
    }

    /// Parses a bundle.
    ///
    /// # Errors
    /// Returns an error if `bytes` is not a bundle with a signed statement.
    pub(crate) fn read(bytes: &[u8]) -> Result<Bundle> {
        let json: BundleJson = serde_json::from_slice(bytes).map_err(|error| miette!("invalid JSON: {error}"))?;
        let media_type = json.media_type;
        if media_type != BUNDLE && media_type != BUNDLE_BEFORE {
            return Err(miette!("expected a sigstore bundle of version 0.3, found `{media_type}`"));
        }
        let envelope = json.dsse_envelope.ok_or_else(|| miette!("the sigstore bundle has no signed statement"))?;
        let envelope = Envelope::read(envelope)?;
        if envelope.payload_type != IN_TOTO {
            return Err(miette!("expected a signed statement, found the type `{}`", envelope.payload_type));
        }
        Ok(Bundle { hint: json.verification_material.public_key.and_then(|key| key.hint), envelope })
    }

    /// Verifies the signature and returns the signed payload.
    ///
    /// # Errors
    /// Returns an error if the bundle was not signed with the key.
    pub(crate) fn verify(&self, key: &PublicKey) -> Result<&[u8], BundleError> {
        if self.envelope.is_signed_by(key) {
            return Ok(&self.envelope.payload);
        }
        let is_named = self.hint.is_some() && key.hint().ok() == self.hint;
        Err(if is_named { BundleError::Modified } else { BundleError::OtherKey })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::digest::sha256;

    #[test]
    fn bundle_round_trips_and_verifies() {
        let key = PrivateKey::generate().expect("a key");
        let statement = Statement::signature(&sha256(b"image"));
        let bundle = Bundle::sign(&key, &statement).expect("signs");
        let read = Bundle::read(&bundle.bytes()).expect("reads");
        assert_eq!(read, bundle);
        assert_eq!(read.verify(&key.public()), Ok(&statement.bytes()[..]));
        let other = PrivateKey::generate().expect("a key").public();
        assert_eq!(read.verify(&other), Err(BundleError::OtherKey));
    }

    #[test]
    fn bundle_modified_after_signing_is_reported() {
        let key = PrivateKey::generate().expect("a key");
        let mut bundle = Bundle::sign(&key, &Statement::signature(&sha256(b"image"))).expect("signs");
        bundle.envelope.payload[10] ^= 1;
        assert_eq!(bundle.verify(&key.public()), Err(BundleError::Modified));
        bundle.hint = None;
        assert_eq!(bundle.verify(&key.public()), Err(BundleError::OtherKey));
    }

    #[test]
    fn bundle_rejects_other_documents() {
        for other in ["", "{}", r#"{"mediaType":"application/vnd.dev.sigstore.bundle.v0.3+json"}"#] {
            assert!(Bundle::read(other.as_bytes()).is_err(), "{other}");
        }
    }
}
