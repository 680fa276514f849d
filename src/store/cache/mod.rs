//! The user's cache folder.
//!
//! | path | what it holds |
//! | --- | --- |
//! | `blobs/<algorithm>/<hex>` | content by digest: of bases, and of layers that were built here |
//! | `memory/…` | what is known of tags, files and layouts ([`records`]) |
//! | `unfinished/…` | files that are being written |
//! | `lock` | locked by every run; its mtime is that of the last daily prune ([`prune`]) |
//!
//! A blob exists as a whole or not at all. Each run that uses a blob verifies it: disks and other programs make mistakes.
//! All files and folders are for the user alone, whatever the umask.

mod blobs;
mod private;
pub(crate) mod prune;
mod pull_through;
pub(crate) mod records;
#[cfg(test)]
mod tests;

pub use blobs::Cache;
pub(crate) use pull_through::PullThrough;
