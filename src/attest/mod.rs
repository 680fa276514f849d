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
//! | [`referrer`] | manifests that are attached to an image |
//! | [`signer`] | a key, or a keyless identity |
//! | `keyless` | keyless signing, with the feature of that name |
//! | [`sign`], [`mod@verify`] | signed statements as referrers |
//!
//! Where an image is stored does not matter here: see [`Referrers`](crate::store::Referrers). Keyless signatures (Fulcio,
//! Rekor) can be made with the feature, but are never verified.

pub mod auditable;
pub mod base;
pub mod bundle;
pub mod dsse;
mod encrypted_key;
pub mod key;
mod key_type;
#[cfg(feature = "keyless")]
pub mod keyless;
mod pem;
pub mod provenance;
pub mod referrer;
pub mod sbom;
mod secretbox;
pub mod sign;
pub mod signer;
pub mod statement;
pub mod verify;

pub use key::{PrivateKey, PublicKey};
pub use referrer::Referrer;
pub use signer::Signer;
pub use statement::Statement;
