//! Signatures and statements about images, and what else is attached to them: written and read as cosign 3 does it.
//!
//! | file | what it knows |
//! | --- | --- |
//! | [`key`] | keys that sign and keys that verify, in PEM |
//! | `sealed`, `secretbox` | a private key under a password |
//! | `pem`, `kind` | the form of keys in files, and what those are that are not read here |
//! | [`statement`] | what is said of which content |
//! | [`dsse`] | something signed |
//! | [`bundle`] | a signed statement, as one document |
//! | [`auditable`] | what a program holds of itself |
//! | [`sbom`] | what is in an image |
//! | [`provenance`] | how an image came about |
//! | [`referrer`] | an artifact that is attached to an image |
//! | [`signer`] | who signs |
//! | `keyless` | who signs without a key, with the feature of that name |
//! | [`sign`], [`mod@verify`] | statements that are attached to an image, signed, and those that are there |
//!
//! Nothing here knows what a place is like that things are attached at: see [`Referrers`](crate::store::Referrers).
//! A signature that a certificate vouches for, without a key, is made with a feature alone, and never verified (Fulcio, Rekor).

pub mod auditable;
pub mod bundle;
pub mod dsse;
pub mod key;
#[cfg(feature = "keyless")]
pub mod keyless;
mod kind;
mod pem;
pub mod provenance;
pub mod referrer;
pub mod sbom;
mod sealed;
mod secretbox;
pub mod sign;
pub mod signer;
pub mod statement;
pub mod verify;

pub use key::{PrivateKey, PublicKey};
pub use referrer::{Attached, Referrer};
pub use sealed::WrongPassword;
pub use signer::Signer;
pub use statement::Statement;

/// A program that an image was made with, in a release.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tool {
    /// `rustc` or `cargo`.
    pub name: String,
    /// Such as `1.96.0`.
    pub version: String,
    /// What it says of itself, in a line.
    pub text: String,
}
