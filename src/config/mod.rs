//! The `[package.metadata.oci]` table: its keys, their types, and errors with the line and a caret.
//!
//! | file | what it does |
//! | --- | --- |
//! | [`keys`] | the list of keys: one row each |
//! | [`key`], [`value`] | what a row holds, and the types of values |
//! | [`section`], `table` | Cargo.toml → tables, and how tables inherit from each other |
//! | `near_miss` | tables that are almost it, and are not read |
//! | [`schema`], [`markdown`] | the list of keys as JSON Schema and as documentation |
//! | [`template`], [`env`], [`port`], [`signal`], [`folder`], [`sbom`], [`text`], `allocator`, `byte_size`, `labels`, `repositories`, `verify`, `policy`, `vex`, `image_test`, `signature_format`, `attestations`, `expression` | the types of single keys |
//! | `files`, `pattern` | the rules of the key `files`, and the patterns in them |
//! | [`check`] | rules that flags and tables share |
//! | [`document`], `error` | values of TOML, and errors with their position |

pub(crate) mod allocator;
mod attestations;
pub(crate) mod base_signers;
mod byte_size;
pub(crate) mod check;
pub mod document;
pub(crate) mod env;
mod error;
mod expression;
mod files;
pub(crate) mod folder;
mod image_test;
pub mod key;
pub(crate) mod keys;
mod labels;
pub mod markdown;
mod near_miss;
pub(crate) mod pattern;
pub(crate) mod policy;
mod port;
mod repositories;
pub(crate) mod sbom;
pub mod schema;
pub(crate) mod section;
pub(crate) mod signal;
mod signature_format;
mod table;
pub mod template;
#[cfg(test)]
mod tests;
pub(crate) mod text;
pub(crate) mod value;
mod verify;
mod vex;

pub(crate) use allocator::Allocator;
pub use attestations::AttestationPlace;
pub(crate) use byte_size::ByteSize;
pub(crate) use check::is_whiteout;
pub use error::ConfigError;
pub(crate) use error::ValueError;
pub(crate) use expression::Expression;
pub(crate) use files::{Account, FileMtime, FileRule};
pub(crate) use folder::Folder;
pub(crate) use image_test::{HttpCheck, ImageTest};
pub use keys::{IMAGES, KEYS, Table};
pub use labels::Labels;
pub(crate) use near_miss::near_misses;
pub(crate) use pattern::{Pattern, PatternRoot};
pub(crate) use policy::{NamePattern, Policy, RequiredDocument};
pub(crate) use port::Port;
pub(crate) use repositories::Repositories;
pub(crate) use sbom::SbomFormat;
pub use section::{Section, Whose};
pub(crate) use signal::Signal;
pub use signature_format::SignatureFormat;
pub(crate) use template::{Placeholder, RepositoryTemplate, TagTemplate, Template};
pub(crate) use verify::BaseVerify;
