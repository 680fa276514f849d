//! References, as users write them: to images (`registry/repository:tag@digest`), registries, bases, keys and engines.

mod base;
mod engine;
mod error;
mod grammar;
mod image;
mod key;
mod registry;

pub use base::{BaseReference, LayoutReference};
pub use engine::{EngineKind, EngineReference};
pub use error::ReferenceError;
pub use image::Reference;
pub use key::KeyReference;
pub use registry::{RegistryName, Repository};
