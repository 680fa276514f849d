//! The `[package.metadata.oci]` table: its keys, their types, and errors with the line and a caret.
//!
//! | file | what it does |
//! | --- | --- |
//! | [`keys`] | the list of keys: one row each |
//! | [`key`], [`value`] | what a row holds, and the types of values |
//! | [`section`], `table` | Cargo.toml → tables, and how tables inherit from each other |
//! | [`schema`], [`markdown`] | the list of keys as JSON Schema and as documentation |
//! | [`template`], [`port`], [`signal`], [`folder`], [`sbom`], [`text`], `repositories`, `verify` | the types of single keys |
//! | `files`, `pattern` | the rules of the key `files`, and the patterns in them |
//! | [`check`] | rules that flags and tables share |
//! | [`document`], `error` | values of TOML, and errors with their position |

pub mod check;
pub mod document;
mod error;
mod files;
pub mod folder;
pub mod key;
pub mod keys;
pub mod markdown;
mod pattern;
pub mod port;
mod repositories;
pub mod sbom;
pub mod schema;
pub mod section;
pub mod signal;
mod table;
pub mod template;
#[cfg(test)]
mod tests;
pub mod text;
pub mod value;
mod verify;

pub use check::is_whiteout;
pub use error::{ConfigError, ValueError};
pub use files::{Account, FileRule, Owner};
pub use folder::Folder;
pub use keys::{IMAGES, KEYS, Table};
pub use pattern::{Pattern, PatternRoot};
pub use port::Port;
pub use repositories::Repositories;
pub use sbom::{SbomFormat, SbomFormats};
pub use section::{Section, Whose};
pub use signal::Signal;
pub use template::{Placeholder, TagTemplate};
pub use value::Labels;
pub use verify::BaseVerify;
