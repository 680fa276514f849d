//! All names of a tree, one after the other.

use std::collections::btree_map;

use super::node::{Child, NodeId, ROOT};
use super::tree::Tree;

/// Iterates over the names in a [`Tree`]: directories before their content, names sorted.
pub(crate) struct TreeIter<'a> {
    tree: &'a Tree,
    /// The directories from the root to here, each with the names that are left.
    open: Vec<(NodeId, btree_map::Iter<'a, Vec<u8>, Child>)>,
}

/// A name in a [`Tree`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct DirectoryEntry<'a> {
    /// The directory that it is in.
    pub(crate) parent: NodeId,
    /// The name.
    pub(crate) name: &'a [u8],
    /// The node that it refers to.
    pub(crate) node: NodeId,
    /// The last layer that wrote this name, or something below it.
    pub(crate) layer: usize,
}

impl Tree {
    /// Returns an iterator over all names.
    pub(crate) fn entries(&self) -> TreeIter<'_> {
        let mut iter = TreeIter { tree: self, open: Vec::new() };
        iter.enter(ROOT);
        iter
    }
}

impl TreeIter<'_> {
    fn enter(&mut self, node: NodeId) {
        if let Some(children) = self.tree.node(node).children() {
            self.open.push((node, children.iter()));
        }
    }
}

impl<'a> Iterator for TreeIter<'a> {
    type Item = DirectoryEntry<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let (parent, remaining) = self.open.last_mut()?;
            let parent = *parent;
            match remaining.next() {
                Some((name, child)) => {
                    self.enter(child.node);
                    return Some(DirectoryEntry { parent, name, node: child.node, layer: child.layer });
                }
                None => drop(self.open.pop()),
            }
        }
    }
}
