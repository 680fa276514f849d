//! What a tree consists of.

use std::collections::BTreeMap;

use crate::image::layer::tar_reader::{Attributes, SpecialFile};

/// The index of a [`Node`] in its tree.
pub(crate) type NodeId = usize;

/// The root directory of a tree.
pub(crate) const ROOT: NodeId = 0;

/// A file, directory or other object, under one or more names.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    /// Its type and content.
    pub(crate) kind: NodeKind,
    /// Owner, mode, time and extended attributes.
    pub(crate) attributes: Attributes,
}

/// The type of a [`Node`].
#[derive(Clone, Debug)]
pub(crate) enum NodeKind {
    /// A directory.
    Directory(Children),
    /// A regular file.
    File {
        /// The entry that holds its content.
        origin: EntryIndex,
        /// In bytes.
        size: u64,
    },
    /// A symbolic link and its target, as it is written.
    Symlink(Vec<u8>),
    /// A device or a named pipe.
    Special(SpecialFile),
}

/// The names in a directory, sorted.
pub(crate) type Children = BTreeMap<Vec<u8>, Child>;

/// What a name in a directory refers to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Child {
    /// The node.
    pub(crate) node: NodeId,
    /// The last layer that wrote this name, or something below it.
    pub(crate) layer: usize,
}

/// The position of an entry in the layers of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct EntryIndex {
    /// The layer, counted from 0.
    pub(crate) layer: usize,
    /// The entry in its tar, counted from 0.
    pub(crate) entry: usize,
}

impl Node {
    /// Creates an empty directory with the attributes of one that no entry describes.
    pub(crate) fn directory() -> Node {
        let attributes = Attributes { mode: 0o755, ..Attributes::default() };
        Node { kind: NodeKind::Directory(Children::new()), attributes }
    }

    /// Returns whether this is a directory.
    pub(crate) fn is_directory(&self) -> bool {
        matches!(self.kind, NodeKind::Directory(_))
    }

    /// Returns the names in a directory, or `None` for other nodes.
    pub(crate) fn children(&self) -> Option<&Children> {
        match &self.kind {
            NodeKind::Directory(children) => Some(children),
            _ => None,
        }
    }

    /// Returns the names in a directory, to change them, or `None` for other nodes.
    pub(crate) fn children_mut(&mut self) -> Option<&mut Children> {
        match &mut self.kind {
            NodeKind::Directory(children) => Some(children),
            _ => None,
        }
    }
}
