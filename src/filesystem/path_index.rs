//! The first path of each node: a file with several names is written under one and hard-linked to the others.

use super::iter::DirectoryEntry;
use super::node::NodeId;
use super::tree::Tree;

/// The first name of every node, in the order of [`Tree::entries`].
#[derive(Clone, Debug)]
pub(crate) struct PathIndex<'a> {
    first: Vec<Option<DirectoryEntry<'a>>>,
}

impl<'a> PathIndex<'a> {
    /// Creates the index of `tree`.
    pub(crate) fn new(tree: &'a Tree) -> PathIndex<'a> {
        let mut first = vec![None; tree.node_count()];
        for entry in tree.entries() {
            first[entry.node].get_or_insert(entry);
        }
        PathIndex { first }
    }

    /// Returns the first name of a node, or `None` for the root and for nodes without a name.
    pub(crate) fn first(&self, node: NodeId) -> Option<DirectoryEntry<'a>> {
        self.first[node]
    }

    /// Returns the names from the root to a node.
    pub(crate) fn path(&self, node: NodeId) -> Vec<&'a [u8]> {
        let mut names = Vec::new();
        let mut current = node;
        while let Some(entry) = self.first[current] {
            names.push(entry.name);
            current = entry.parent;
        }
        names.reverse();
        names
    }
}
