//! Sigstore's bundle 0.3: a signed statement, and what it is verified with, in one document (protobuf-specs,
//! `sigstore_bundle.proto`).

use miette::miette;
use serde_json::{Value, json};

use super::dsse::Envelope;
use super::key::{PrivateKey, PublicKey};
use super::statement::{IN_TOTO, Statement};
use crate::error::Result;
use crate::image::canonical_json;

/// The media type of a bundle, which is also the artifact type of what carries one.
pub const BUNDLE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";

/// A bundle that was made with a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bundle {
    /// Which key that was: see [`PublicKey::hint`]. It is not signed.
    pub hint: Option<String>,
    /// The statement, signed.
    pub envelope: Envelope,
}

/// Why nothing can be known by a bundle.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Another key, or none: a certificate.
    #[error("another key has signed it")]
    OtherKey,
    /// The key that it names did not sign what is there now.
    #[error("it names this key, but was changed since it was signed")]
    Changed,
}

impl Bundle {
    /// Signs a statement.
    ///
    /// # Errors
    /// Of encoding the key.
    pub fn sign(key: &PrivateKey, statement: &Statement) -> Result<Bundle> {
        let envelope = Envelope::sign(key, IN_TOTO, statement.bytes());
        Ok(Bundle { hint: Some(key.public().hint()?), envelope })
    }

    /// Its bytes, the same for the same bundle.
    pub fn bytes(&self) -> Vec<u8> {
        canonical_json(&json!({
            "mediaType": BUNDLE,
            "verificationMaterial": { "publicKey": { "hint": self.hint } },
            "dsseEnvelope": self.envelope.json(),
        }))
    }

    /// Reads one.
    ///
    /// # Errors
    /// What is no bundle with a signed statement in it.
    pub fn read(bytes: &[u8]) -> Result<Bundle> {
        let json: Value = serde_json::from_slice(bytes).map_err(|error| miette!("it is not JSON: {error}"))?;
        let media_type = json["mediaType"].as_str().unwrap_or_default();
        // The second form is that of bundles before they had a type of their own.
        if media_type != BUNDLE && media_type != "application/vnd.dev.sigstore.bundle+json;version=0.3" {
            return Err(miette!("it is no sigstore bundle of version 0.3, but `{media_type}`"));
        }
        let envelope = Envelope::read(&json["dsseEnvelope"]).filter(|envelope| envelope.payload_type == IN_TOTO);
        let hint = json["verificationMaterial"]["publicKey"]["hint"].as_str().map(str::to_owned);
        match envelope {
            Some(envelope) => Ok(Bundle { hint, envelope }),
            None => Err(miette!("it is a sigstore bundle without a signed statement")),
        }
    }

    /// What the owner of the key has said.
    ///
    /// # Errors
    /// [`Refused`], where the key has not signed it.
    pub fn verify(&self, key: &PublicKey) -> Result<&[u8], Refused> {
        if self.envelope.is_signed_by(key) {
            return Ok(&self.envelope.payload);
        }
        let is_named = self.hint.is_some() && key.hint().ok() == self.hint;
        Err(if is_named { Refused::Changed } else { Refused::OtherKey })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::digest::sha256;

    #[test]
    fn a_bundle_is_read_back_and_verified_by_its_key_alone() {
        let key = PrivateKey::generate().expect("a key");
        let statement = Statement::signature(&sha256(b"image"));
        let bundle = Bundle::sign(&key, &statement).expect("signs");
        let read = Bundle::read(&bundle.bytes()).expect("reads");
        assert_eq!(read, bundle);
        assert_eq!(read.verify(&key.public()), Ok(&statement.bytes()[..]));
        let other = PrivateKey::generate().expect("a key").public();
        assert_eq!(read.verify(&other), Err(Refused::OtherKey));
    }

    #[test]
    fn one_that_was_changed_is_told_from_one_of_another_key() {
        let key = PrivateKey::generate().expect("a key");
        let mut bundle = Bundle::sign(&key, &Statement::signature(&sha256(b"image"))).expect("signs");
        bundle.envelope.payload[10] ^= 1;
        assert_eq!(bundle.verify(&key.public()), Err(Refused::Changed));
        bundle.hint = None;
        assert_eq!(bundle.verify(&key.public()), Err(Refused::OtherKey));
    }

    #[test]
    fn other_documents_are_no_bundles() {
        for other in ["", "{}", r#"{"mediaType":"application/vnd.dev.sigstore.bundle.v0.3+json"}"#] {
            assert!(Bundle::read(other.as_bytes()).is_err(), "{other}");
        }
    }
}
