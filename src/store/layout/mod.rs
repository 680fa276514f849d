//! OCI layouts on disk (image-spec, `image-layout.md`): read as a [`Source`](super::Source), written by a
//! [`LayoutWriter`].
//!
//! An attached artifact is an entry of `index.json` without a name, so that looking up an image by name skips it.
//! [`LayoutEdit`] adds such entries to any layout.

mod blobs;
mod edit;
pub(crate) mod index;
mod lock;
mod own;
mod parts;
mod read;
#[cfg(test)]
pub(crate) mod sample;
mod writer;

pub(crate) use edit::LayoutEdit;
pub(crate) use index::tag;
pub(crate) use parts::check_parts;
pub use read::Layout;
pub(crate) use writer::{LayoutFolder, LayoutWriter};
