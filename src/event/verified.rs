//! What was verified of an image, as data.

use serde::Serialize;
use serde_json::{Value, json};

use super::Certificate;
use crate::image::{Digest, predicate};
use crate::platform::Platform;

/// An image that is signed as it must be, with all that is known of what is attached to it.
#[derive(Clone, Debug)]
pub struct VerifiedImage {
    /// Its name with its digest.
    pub image: String,
    /// Who must have signed it, as the user has named them.
    pub signer: String,
    /// Its index first, then its manifest for each platform.
    pub manifests: Vec<VerifiedManifest>,
}

/// A manifest of an image, and what is attached to it.
#[derive(Clone, Debug)]
pub struct VerifiedManifest {
    /// `index`, `image`, or the platform.
    pub what: String,
    /// Its platform, or `None` for an index.
    pub platform: Option<Platform>,
    /// Its digest.
    pub digest: Digest,
    /// What is signed as it must be.
    pub signed: Vec<VerifiedStatement>,
    /// SBOMs, provenance and VEX documents without a signature.
    pub unsigned: Vec<UnsignedDocument>,
    /// What somebody else has signed, or cannot be read.
    pub rejected: Vec<RejectedReferrer>,
}

/// A statement that is signed as it must be.
#[derive(Clone, Debug)]
pub struct VerifiedStatement {
    /// Its predicate type: a URI.
    pub predicate_type: String,
    /// Its predicate.
    pub predicate: Value,
    /// What the certificate says; `None` if it was signed with a key.
    pub certificate: Option<Certificate>,
}

/// An SBOM, provenance or a VEX document without a signature of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnsignedDocument {
    /// The digest of its manifest.
    pub digest: Digest,
    /// Its predicate type.
    pub predicate_type: &'static str,
    /// Whether it equals a statement that is signed as it must be.
    pub is_signed: bool,
}

/// A referrer, or a part of it, that was not accepted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RejectedReferrer {
    /// The digest of its manifest.
    pub digest: Digest,
    /// Why it was rejected.
    pub reason: String,
}

impl VerifiedManifest {
    /// Returns the titles of what is signed, and of what is attached without a signature.
    #[must_use]
    pub fn titles(&self) -> Vec<String> {
        let mut signed: Vec<&str> = self.signed.iter().map(|signed| &*signed.predicate_type).collect();
        signed.sort_by_key(|kind| predicate::order(kind));
        let mut said: Vec<String> = signed.into_iter().map(|kind| predicate::title(kind).to_owned()).collect();
        let has = |kind: &str| self.signed.iter().any(|signed| predicate::is_same(&signed.predicate_type, kind));
        let plain = self.unsigned.iter().filter(|document| !has(document.predicate_type));
        said.extend(plain.map(|document| format!("{}, not signed", predicate::title(document.predicate_type))));
        said.dedup();
        said
    }

    fn json(&self) -> Value {
        let signed = self
            .signed
            .iter()
            .map(|signed| json!({ "predicateType": signed.predicate_type, "certificate": signed.certificate }));
        let unsigned = self.unsigned.iter().map(|document| {
            let UnsignedDocument { digest, predicate_type, is_signed } = document;
            json!({ "digest": digest, "predicateType": predicate_type, "equalsSigned": is_signed })
        });
        json!({
            "digest": self.digest,
            "platform": self.platform.as_ref().map(ToString::to_string),
            "signed": signed.collect::<Vec<_>>(),
            "unsigned": unsigned.collect::<Vec<_>>(),
            "rejected": self.rejected,
        })
    }
}

impl VerifiedImage {
    /// Returns what the certificate of the signature says; `None` if it was signed with a key.
    #[must_use]
    pub fn certificate(&self) -> Option<&Certificate> {
        let signed = self.manifests.first()?.signed.iter();
        signed
            .filter(|signed| signed.predicate_type == predicate::SIGNATURE)
            .find_map(|signed| signed.certificate.as_ref())
    }

    /// Returns all of it as JSON, without the predicates.
    #[must_use]
    pub fn json(&self) -> Value {
        json!({
            "image": self.image,
            "signer": self.signer,
            "certificate": self.certificate(),
            "manifests": self.manifests.iter().map(VerifiedManifest::json).collect::<Vec<_>>(),
        })
    }
}
