//! References, as users write them: to images (`registry/repository:tag@digest`), registries, bases, keys and engines.

mod base;
mod engine;
mod error;
pub(crate) mod grammar;
mod image;
mod key;
mod name;
mod registry;
mod signer;

pub(crate) use base::{BaseReference, LayoutReference};
pub(crate) use engine::{EngineKind, EngineReference};
pub(crate) use image::{Reference, is_loopback};
pub(crate) use key::KeyReference;
pub use name::TagOrDigest;
pub(crate) use registry::{NamedRegistry, RegistryName, Repository};
pub(crate) use signer::{CertificateIdentity, IdentityPattern, SignerReference};
