//! Two trees → the files that differ.

use std::collections::BTreeSet;

use super::difference::{ChangeKind, FileChange, FileState};
use crate::filesystem::{HashedTree, NodeId, NodeKind, ROOT, Tree};
use crate::image::digest::of_sha256;
use crate::inspect::files::file;

/// The files that differ.
#[derive(Clone, Debug, Default)]
pub(super) struct FileChanges {
    /// Sorted by path.
    pub changes: Vec<FileChange>,
    /// How many differ in nothing but the time of their last change.
    pub only_times: usize,
}

impl FileChanges {
    /// Compares two trees.
    pub(super) fn between(a: &HashedTree, b: &HashedTree) -> FileChanges {
        let mut found = FileChanges::default();
        found.compare("", [a, b], [Some(ROOT), Some(ROOT)]);
        found
    }

    /// Returns whether both trees have the same paths, with objects of the same types.
    pub(super) fn have_same_paths(&self) -> bool {
        self.changes.iter().all(|one| one.change == ChangeKind::Changed && !one.differs.contains(&"type"))
    }

    /// Compares the nodes at a path, and all that is below them.
    fn compare(&mut self, path: &str, trees: [&HashedTree; 2], nodes: [Option<NodeId>; 2]) {
        self.compare_nodes(path, trees, nodes);
        let names = |at: usize| {
            let node = nodes[at];
            node.into_iter().flat_map(move |node| trees[at].tree().children(node))
        };
        let all: BTreeSet<_> = names(0).chain(names(1)).map(|(name, _)| name).collect();
        for name in all {
            let children = [0, 1].map(|at| child(trees[at].tree(), nodes[at], name));
            self.compare(&format!("{path}/{}", String::from_utf8_lossy(name)), trees, children);
        }
    }

    fn compare_nodes(&mut self, path: &str, [a, b]: [&HashedTree; 2], nodes: [Option<NodeId>; 2]) {
        let differs = match nodes {
            [Some(of_a), Some(of_b)] => differences((a, of_a), (b, of_b)),
            _ => Vec::new(),
        };
        if let [Some(of_a), Some(of_b)] = nodes
            && differs.is_empty()
        {
            let [a, b] = [a.tree().node(of_a), b.tree().node(of_b)];
            self.only_times += usize::from(a.attributes.mtime != b.attributes.mtime);
            return;
        }
        let [of_a, of_b] = [(a, nodes[0]), (b, nodes[1])].map(|(tree, node)| node.map(|node| state(tree, node)));
        if let Some(change) = ChangeKind::of(of_a.as_ref(), of_b.as_ref()) {
            let path = if path.is_empty() { "/" } else { path }.to_owned();
            self.changes.push(FileChange { path, change, differs, a: of_a, b: of_b });
        }
    }
}

fn child(tree: &Tree, node: Option<NodeId>, name: &[u8]) -> Option<NodeId> {
    tree.node(node?).children()?.get(name).map(|child| child.node)
}

/// Returns what differs between two nodes, but for their times and what is in directories.
fn differences((a, of_a): (&HashedTree, NodeId), (b, of_b): (&HashedTree, NodeId)) -> Vec<&'static str> {
    let (one, two) = (a.tree().node(of_a), b.tree().node(of_b));
    let kind = match (&one.kind, &two.kind) {
        (NodeKind::Directory(_), NodeKind::Directory(_)) => None,
        (NodeKind::File { size, .. }, NodeKind::File { size: other, .. }) => {
            (size != other || a.content(of_a) != b.content(of_b)).then_some("content")
        }
        (NodeKind::Symlink(target), NodeKind::Symlink(other)) => (target != other).then_some("target"),
        (NodeKind::Special(device), NodeKind::Special(other)) => (device != other).then_some("device"),
        _ => Some("type"),
    };
    let attributes = [
        ("mode", one.attributes.mode != two.attributes.mode),
        ("owner", one.attributes.owner != two.attributes.owner),
        ("xattrs", one.attributes.xattrs != two.attributes.xattrs),
    ];
    kind.into_iter().chain(attributes.into_iter().filter(|(_, differs)| *differs).map(|(name, _)| name)).collect()
}

fn state(tree: &HashedTree, node: NodeId) -> FileState {
    let info = file(tree.tree(), node, String::new(), None);
    FileState {
        kind: info.kind,
        mode: info.mode,
        uid: info.uid,
        gid: info.gid,
        size: info.size,
        target: info.target,
        digest: tree.content(node).map(of_sha256),
    }
}
