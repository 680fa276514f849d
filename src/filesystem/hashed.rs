//! Layers → their tree and a digest of each file's content, in one pass.

use std::collections::HashMap;
use std::io::{self, Read};

use sha2::{Digest as _, Sha256};

use super::change::Change;
use super::contents::apply;
use super::node::{EntryIndex, NodeId, NodeKind};
use super::tree::Tree;
use crate::error::Result;
use crate::image::Layer;
use crate::image::layer::tar_reader::TarEntryKind;
use crate::store::Source;
use crate::store::error::read_error;

/// The sha256 of a file's content.
pub(crate) type ContentHash = [u8; 32];

/// A tree with the digests of its files.
#[derive(Clone, Debug, Default)]
pub(crate) struct HashedTree {
    tree: Tree,
    contents: HashMap<EntryIndex, ContentHash>,
    /// Whether an entry removes what lower layers have, or is the root.
    changes_below: bool,
}

impl HashedTree {
    /// Applies the layers from number `first` on, whose content is hashed while it streams by.
    ///
    /// # Errors
    /// Returns an error if a layer cannot be read, or an entry cannot be applied.
    pub(crate) fn apply(&mut self, source: &dyn Source, layers: &[Layer], first: usize) -> Result<()> {
        let HashedTree { tree, contents, changes_below } = self;
        apply(source, layers, first, tree, &mut |entry, at, content| {
            let is_plain = matches!(Change::parse(&entry.path), Ok(Change::Entry(..) | Change::Nothing));
            *changes_below |= !is_plain;
            if matches!(entry.kind, TarEntryKind::File(_)) {
                contents.insert(at, hash(content).map_err(read_error)?);
            }
            Ok(())
        })
    }

    /// Returns the tree.
    pub(crate) fn tree(&self) -> &Tree {
        &self.tree
    }

    /// Returns the digest of a file's content, or `None` for other nodes.
    pub(crate) fn content(&self, node: NodeId) -> Option<&ContentHash> {
        match &self.tree.node(node).kind {
            NodeKind::File { origin, .. } => self.contents.get(origin),
            _ => None,
        }
    }

    /// Returns whether these layers put every name at the same path, and with the same attributes, whatever is below them:
    /// they remove nothing, and have an entry for each directory that they need, before they need it.
    pub(crate) fn is_the_same_over_all(&self) -> bool {
        !self.changes_below && self.tree.implicit_directories() == 0
    }
}

fn hash(content: &mut dyn Read) -> io::Result<ContentHash> {
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 64 << 10];
    loop {
        match content.read(&mut buffer)? {
            0 => return Ok(hasher.finalize().into()),
            read => hasher.update(&buffer[..read]),
        }
    }
}
