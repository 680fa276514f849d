//! Stores of content, and copying between them.
//!
//! A registry, a layout on disk, an archive, the cache and a store in memory are each a [`Source`], a [`Sink`] or both.
//! Pulling a base, writing a layout and pushing an image are all [`copy`].
//!
//! | file | what it does |
//! | --- | --- |
//! | [`source`], [`sink`], [`referrers`] | the interfaces of stores |
//! | [`error`] | errors of content: missing, unreadable, too large |
//! | [`graph`] | the one walk through indexes and manifests |
//! | `copy`, [`validate`], [`layer`] | what is done with an image: copied, validated, unpacked |
//! | [`layout`], [`archive`], [`cache`], [`memory`] | stores |
//! | [`progress`] | a source that reports progress |
//! | [`atomic`], [`fingerprint`], [`reflink`] | files: replaced atomically, unchanged since, shared |

pub mod archive;
pub mod atomic;
pub mod cache;
mod copy;
pub mod error;
mod file;
pub mod fingerprint;
pub mod graph;
pub mod layer;
pub mod layout;
pub mod memory;
pub mod progress;
pub mod referrers;
pub mod reflink;
pub mod sink;
pub mod source;
pub mod validate;

pub use archive::Archive;
pub use cache::Cache;
pub use copy::{SMALL_BLOB, copy};
pub use error::{Missing, ReadError};
pub use file::FileSource;
pub use layout::{Layout, LayoutWriter};
pub use memory::Memory;
pub use progress::ProgressSource;
pub use referrers::Referrers;
pub use sink::Sink;
pub use source::{Fallback, MAX_DOCUMENT_BYTES, Source, open, read};
