//! Signatures and statements about images, and other referrers: written and read as cosign 3 does.
//!
//! | file | what it holds |
//! | --- | --- |
//! | [`key`] | private and public keys, in PEM |
//! | `encrypted_key`, `secretbox` | password-protected private keys |
//! | `pem`, `key_type` | PEM blocks, and the types of unsupported keys |
//! | [`statement`] | in-toto statements |
//! | [`dsse`] | DSSE envelopes |
//! | [`bundle`] | sigstore bundles |
//! | [`auditable`] | the dependency list in binaries |
//! | [`base`] | the base image, as documents name it |
//! | [`sbom`] | software bills of materials |
//! | [`provenance`] | SLSA provenance |
//! | [`vex`] | OpenVEX documents |
//! | [`referrer`], [`document`] | manifests that are attached to an image, and documents as such |
//! | [`artifact_type`] | what kind of document a file is, by its name |
//! | [`signer`] | who signs: a key, or a keyless identity |
//! | [`trusted_signer`] | who must have signed |
//! | [`certificate`], `certificate_error`, [`trusted_root`] | what was signed without a key, and the authorities and logs to trust |
//! | `keyless` | keyless signing |
//! | `crypto` | what sigstore's crates compute with |
//! | [`sign`], [`mod@verify`], `same_json` | signed statements as referrers |
//! | [`simple_signing`], [`signature_tag`], [`tag_signer`], `tag_evidence` | the payload that cosign 2 signs, the tags it keeps signatures under, and who signs for them |
//!
//! Where an image is stored does not matter here: see [`Referrers`](crate::store::Referrers).

pub(crate) mod artifact_type;
pub(crate) mod attached;
pub(crate) mod auditable;
pub(crate) mod base;
pub(crate) mod bundle;
pub(crate) mod certificate;
mod certificate_error;
#[cfg(test)]
mod conformance;
mod crypto;
pub(crate) mod document;
pub(crate) mod dsse;
mod encrypted_key;
pub(crate) mod key;
mod key_type;
pub(crate) mod keyless;
pub(crate) mod pem;
pub(crate) mod provenance;
pub(crate) mod recorded;
pub(crate) mod referrer;
mod same_json;
pub(crate) mod sbom;
mod secretbox;
pub(crate) mod sign;
pub(crate) mod signature_tag;
pub(crate) mod signer;
pub(crate) mod simple_signing;
pub(crate) mod statement;
mod tag_evidence;
pub(crate) mod tag_signer;
pub(crate) mod trusted_root;
pub(crate) mod trusted_signer;
pub(crate) mod verify;
pub(crate) mod vex;

pub(crate) use key::{PrivateKey, PublicKey};
pub(crate) use referrer::Referrer;
pub(crate) use signer::Signer;
pub(crate) use statement::Statement;
