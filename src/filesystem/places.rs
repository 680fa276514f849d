//! Where each file of a tree is first: a file with several names is written under one and linked to the others.

use super::{NodeId, Tree};

/// The first name of every node, in the order in which the tree is walked.
#[derive(Clone, Debug)]
pub struct Places<'a> {
    first: Vec<Option<(NodeId, &'a [u8])>>,
}

impl<'a> Places<'a> {
    /// Those of `tree`.
    pub fn of(tree: &'a Tree) -> Places<'a> {
        let mut first = vec![None; tree.len()];
        for (folder, name, node) in tree.names() {
            first[node].get_or_insert((folder, name));
        }
        Places { first }
    }

    /// The folder that a node is first in, and its name there; nothing for the root.
    pub fn get(&self, node: NodeId) -> Option<(NodeId, &'a [u8])> {
        self.first[node]
    }

    /// The names from the root to a node.
    pub fn path(&self, node: NodeId) -> Vec<&'a [u8]> {
        let mut names = Vec::new();
        let mut here = node;
        while let Some((folder, name)) = self.first[here] {
            names.push(name);
            here = folder;
        }
        names.reverse();
        names
    }
}
