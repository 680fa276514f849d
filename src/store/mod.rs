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
//! | [`progress`], [`limited`], [`documents`] | a source that reports progress, one that yields only so much, one that reads documents once |
//! | [`atomic`], [`fingerprint`], [`reflink`] | files: replaced atomically, unchanged since, shared |

pub mod archive;
pub(crate) mod atomic;
pub(crate) mod cache;
mod copy;
pub(crate) mod documents;
pub(crate) mod error;
pub(crate) mod file;
pub(crate) mod fingerprint;
pub(crate) mod graph;
pub(crate) mod layer;
pub(crate) mod layout;
pub(crate) mod limited;
pub(crate) mod memory;
pub(crate) mod progress;
pub(crate) mod referrers;
pub(crate) mod reflink;
pub(crate) mod sink;
pub(crate) mod source;
pub mod validate;

pub use crate::reference::TagOrDigest;
pub(crate) use archive::Archive;
pub use cache::Cache;
pub use copy::copy;
pub(crate) use copy::{SMALL_BLOB, copy_content};
pub(crate) use error::{Missing, ReadError};
pub(crate) use file::FileSource;
pub(crate) use layout::LayoutWriter;
pub use layout::{Layout, ReferrersPlace};
pub(crate) use limited::LimitedSource;
pub use memory::Memory;
pub(crate) use progress::ProgressSource;
pub(crate) use referrers::Referrers;
pub use sink::Sink;
pub use source::Source;
pub(crate) use source::{Fallback, MAX_DOCUMENT_BYTES, open, read};
