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
//!
//! A signature that a certificate vouches for, without a key, is neither made nor read (Fulcio, Rekor).

pub mod bundle;
pub mod dsse;
pub mod key;
mod kind;
mod pem;
mod sealed;
mod secretbox;
pub mod statement;

pub use key::{PrivateKey, PublicKey};
pub use sealed::WrongPassword;
pub use statement::Statement;
