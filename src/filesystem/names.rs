//! All names of a tree, one after the other.

use std::collections::btree_map;

use super::{Child, NodeId, NodeKind, ROOT, Tree};

/// The names in a [`Tree`]: folders before what is in them, names in their order.
pub struct Names<'a> {
    tree: &'a Tree,
    /// The folders from the root to here, with what is left of each.
    open: Vec<(NodeId, btree_map::Iter<'a, Vec<u8>, Child>)>,
}

impl Tree {
    /// Every name: the folder that it is in, the name, and what it names.
    pub fn names(&self) -> Names<'_> {
        let mut names = Names { tree: self, open: Vec::new() };
        names.enter(ROOT);
        names
    }
}

impl Names<'_> {
    fn enter(&mut self, node: NodeId) {
        if let NodeKind::Directory(children) = &self.tree.nodes[node].kind {
            self.open.push((node, children.iter()));
        }
    }
}

impl<'a> Iterator for Names<'a> {
    type Item = (NodeId, &'a [u8], NodeId);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let (folder, left) = self.open.last_mut()?;
            let folder = *folder;
            match left.next() {
                Some((name, child)) => {
                    self.enter(child.node);
                    return Some((folder, name, child.node));
                }
                None => drop(self.open.pop()),
            }
        }
    }
}
