//! OCI layouts on disk (image-spec, `image-layout.md`): read as a [`Source`](super::Source), written by a
//! [`LayoutWriter`].
//!
//! What is attached to an image is listed in a file beside `index.json`, see [`lists`]. [`LayoutEdit`] adds to that list in any
//! layout.

mod blobs;
mod edit;
pub(crate) mod index;
pub(crate) mod lists;
mod lock;
mod own;
mod parts;
mod read;
#[cfg(test)]
pub(crate) mod sample;
pub(crate) mod subject_lists;
mod writer;

pub(crate) use edit::LayoutEdit;
pub(crate) use index::tag;
pub use lists::ReferrersPlace;
pub(crate) use parts::check_parts;
pub use read::Layout;
pub(crate) use writer::{LayoutFolder, LayoutWriter};
