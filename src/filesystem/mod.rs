//! Layers → the one file tree that they make together (image-spec, `layer.md`, "Applying Changesets").
//!
//! | file | what it does |
//! | --- | --- |
//! | `node`, `tree` | the tree, and what an entry of a layer changes in it |
//! | `change` | the path of an entry → the change: an entry, a whiteout, an opaque whiteout |
//! | `resolver` | path resolution within the root, as after chroot(2) |
//! | `limits`, `growth` | limits of memory, files and path lengths |
//! | `iter`, `path_index` | all names of a tree; the first path of each node |
//! | [`contents`] | layers → tree, and then the contents of the files that are left |
//! | `hashed` | the same, with a digest of each content: in one pass |
//! | `users` | the image's /etc/passwd and /etc/group |
//! | `process_user` | the user that the image runs as → numbers |
//! | `error` | why an entry is rejected |
//!
//! The tree is in memory, and paths are resolved in it alone: a symbolic link that is absolute, leads out of the image or
//! to itself never reaches a file of the host. Files on disk are written from the finished tree, in which every name is
//! unique and every parent is a directory.

mod change;
pub(crate) mod contents;
mod error;
mod growth;
mod hashed;
mod iter;
mod limits;
mod node;
mod path_index;
mod process_user;
mod resolver;
#[cfg(test)]
mod tests;
mod tree;
mod users;

pub(crate) use error::ApplyError;
pub(crate) use hashed::HashedTree;
#[cfg(target_os = "linux")]
pub(crate) use iter::DirectoryEntry;
pub(crate) use node::{EntryIndex, NodeId, NodeKind, ROOT};
pub(crate) use path_index::PathIndex;
pub(crate) use process_user::{AccountKind, ProcessUser, UserError};
pub(crate) use tree::Tree;
pub(crate) use users::UserDatabase;
