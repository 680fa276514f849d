//! The graph of an image: the indexes and manifests that its root refers to.

use std::collections::HashSet;

use miette::{Report, miette};
use oci_spec::image::{Descriptor, Digest};

use super::source::{Source, read};
use crate::error::Result;
use crate::image::manifest::{Manifest, ManifestError};
use crate::image::media_type::is_document;

/// How many indexes may be nested: real images have at most two.
pub(crate) const MAX_DEPTH: usize = 4;

/// How many nodes a walk visits at most: layouts of many images have some ten thousand.
const MAX_NODES: usize = 400_000;
/// How many bytes of documents a walk reads at most.
const MAX_TOTAL_BYTES: u64 = 256 << 20;

/// A digest and a size. Content that is listed with two sizes is visited with both, for one of them is wrong.
pub(crate) type NodeKey = (Digest, u64);

/// Returns the identity of a node.
pub(crate) fn key(descriptor: &Descriptor) -> NodeKey {
    (descriptor.digest().clone(), descriptor.size())
}

/// A node of the graph.
pub(crate) struct GraphNode {
    /// The descriptor that refers to it.
    pub descriptor: Descriptor,
    /// How many documents are above it.
    pub depth: usize,
    /// Whether it is a root or an entry of an index, and not a config or layer.
    pub is_listed: bool,
    /// What was found.
    pub content: NodeContent,
}

/// The content of a [`GraphNode`].
pub(crate) enum NodeContent {
    /// A blob, or a document that the walk does not descend into. It was not read.
    Leaf,
    /// A manifest or an index.
    Document(Box<Manifest>),
    /// A manifest or an index that cannot be used.
    Unusable(GraphError),
}

/// Why a document cannot be used.
#[derive(Debug)]
pub(crate) enum GraphError {
    /// Reading failed.
    Read(Report),
    /// The document is invalid.
    Invalid(ManifestError),
    /// The document is nested too deeply.
    TooDeep,
    /// The documents are too many or too large, together. The walk ends here.
    TooMany,
}

impl GraphError {
    /// Returns the error without the name of the document.
    pub(crate) fn into_report(self) -> Report {
        match self {
            GraphError::Read(error) => error,
            GraphError::Invalid(error) => Report::from_err(error),
            GraphError::TooDeep => miette!("it is nested in more than {MAX_DEPTH} indexes"),
            GraphError::TooMany => miette!(
                "its indexes and manifests exceed the limit of {MAX_NODES} entries or {} MiB together",
                MAX_TOTAL_BYTES >> 20
            ),
        }
    }

    /// Returns the error with the name of the document.
    pub(crate) fn in_document(self, descriptor: &Descriptor, source: &dyn Source) -> Report {
        match self {
            GraphError::Read(error) => error,
            error => {
                let context = format!("cannot use {} from {}", descriptor.digest(), source.location());
                error.into_report().wrap_err(context)
            }
        }
    }
}

type Filter<'a> = Box<dyn Fn(&Descriptor) -> bool + 'a>;

/// A depth-first walk through the graph, parents first. It reads each document once.
pub(crate) struct GraphWalk<'a> {
    source: &'a dyn Source,
    descends: Option<Filter<'a>>,
    /// The nodes to visit, the next one last, with [`GraphNode::depth`] and [`GraphNode::is_listed`].
    pending: Vec<(Descriptor, usize, bool)>,
    seen: HashSet<NodeKey>,
    /// How many nodes were found.
    nodes: usize,
    /// How many bytes of documents were read.
    bytes: u64,
    max_nodes: usize,
    max_bytes: u64,
}

impl<'a> GraphWalk<'a> {
    /// Creates a walk that starts at `roots`.
    pub(crate) fn new(source: &'a dyn Source, roots: &[Descriptor]) -> GraphWalk<'a> {
        let pending = roots.iter().rev().map(|root| (root.clone(), 0, true)).collect();
        GraphWalk {
            source,
            descends: None,
            pending,
            seen: HashSet::new(),
            nodes: roots.len(),
            bytes: 0,
            max_nodes: MAX_NODES,
            max_bytes: MAX_TOTAL_BYTES,
        }
    }

    /// Limits the walk to documents for which `descends` returns true. The others are leaves.
    #[must_use]
    pub(crate) fn descend_into(mut self, descends: impl Fn(&Descriptor) -> bool + 'a) -> GraphWalk<'a> {
        self.descends = Some(Box::new(descends));
        self
    }

    fn is_leaf(&self, descriptor: &Descriptor) -> bool {
        !is_document(descriptor.media_type()) || self.descends.as_ref().is_some_and(|descends| !descends(descriptor))
    }

    fn document(&mut self, descriptor: &Descriptor, depth: usize) -> Result<Manifest, GraphError> {
        if depth > MAX_DEPTH {
            return Err(GraphError::TooDeep);
        }
        self.bytes = self.bytes.saturating_add(descriptor.size());
        if self.bytes > self.max_bytes {
            self.pending.clear();
            return Err(GraphError::TooMany);
        }
        let bytes = read(self.source, descriptor).map_err(GraphError::Read)?;
        Manifest::parse(descriptor.media_type(), &bytes).map_err(GraphError::Invalid)
    }
}

impl Iterator for GraphWalk<'_> {
    type Item = GraphNode;

    fn next(&mut self) -> Option<GraphNode> {
        while let Some((descriptor, depth, is_listed)) = self.pending.pop() {
            let content = if self.is_leaf(&descriptor) {
                NodeContent::Leaf
            } else if !self.seen.insert(key(&descriptor)) {
                continue;
            } else {
                match self.document(&descriptor, depth) {
                    Ok(manifest) if self.nodes + manifest.children().len() > self.max_nodes => {
                        self.pending.clear();
                        NodeContent::Unusable(GraphError::TooMany)
                    }
                    Ok(manifest) => {
                        self.nodes += manifest.children().len();
                        let are_listed = manifest.is_index();
                        let children = manifest.children().into_iter().rev();
                        self.pending.extend(children.map(|child| (child, depth + 1, are_listed)));
                        NodeContent::Document(Box::new(manifest))
                    }
                    Err(error) => NodeContent::Unusable(error),
                }
            };
            return Some(GraphNode { descriptor, depth, is_listed, content });
        }
        None
    }
}

/// Returns `roots` and all content they refer to. Shared content may be repeated.
///
/// # Errors
/// Returns an error if a document cannot be read.
pub(crate) fn reachable(source: &dyn Source, roots: &[Descriptor]) -> Result<Vec<Descriptor>> {
    let nodes = GraphWalk::new(source, roots);
    nodes
        .map(|node| match node.content {
            NodeContent::Unusable(error) => Err(error.in_document(&node.descriptor, source)),
            NodeContent::Leaf | NodeContent::Document(_) => Ok(node.descriptor),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::config::Object;
    use crate::image::manifest::{Annotations, config, image, index};
    use crate::platform::Platform;
    use crate::store::Memory;

    fn listed(descriptor: Descriptor) -> (Platform, Descriptor) {
        ("linux/amd64".parse().expect("a platform"), descriptor)
    }

    /// An image inside of `depth` indexes.
    fn nested(memory: &Memory, depth: usize) -> Descriptor {
        let config = memory.put_document(config(Object::new()));
        let mut root = memory.put_document(image(&config, &[], &Annotations::new()));
        for _ in 0..depth {
            root = memory.put_document(index(&[listed(root)], &Annotations::new()));
        }
        root
    }

    #[test]
    fn walk_visits_parents_first_and_documents_once() {
        let memory = Memory::default();
        let image = nested(&memory, 0);
        let root = memory.put_document(index(&[listed(image.clone()), listed(image)], &Annotations::new()));
        let nodes: Vec<_> = GraphWalk::new(&memory, std::slice::from_ref(&root)).collect();
        let depths: Vec<_> = nodes.iter().map(|node| (node.depth, node.is_listed)).collect();
        assert_eq!(depths, [(0, true), (1, true), (2, false)]);
        assert_eq!(reachable(&memory, &[root.clone(), root]).expect("reads").len(), 3);
    }

    #[test]
    fn walk_ends_at_limit_of_nodes_and_bytes() {
        let memory = Memory::default();
        let roots = [nested(&memory, 3)];
        // Three indexes, a manifest and its config.
        let nodes = |max_nodes, max_bytes| {
            let walk = GraphWalk { max_nodes, max_bytes, ..GraphWalk::new(&memory, &roots) };
            let nodes: Vec<_> = walk.collect();
            let last = nodes.last().map(|node| matches!(node.content, NodeContent::Unusable(GraphError::TooMany)));
            (nodes.len(), last)
        };
        assert_eq!(nodes(5, u64::MAX), (5, Some(false)));
        assert_eq!(nodes(4, u64::MAX), (4, Some(true)));
        assert_eq!(nodes(2, u64::MAX), (2, Some(true)));
        assert_eq!(nodes(5, roots[0].size()), (2, Some(true)));
        assert_eq!(nodes(5, 1), (1, Some(true)));
    }

    #[test]
    fn walk_stops_at_leaves_and_maximum_depth() {
        let memory = Memory::default();
        let root = nested(&memory, MAX_DEPTH);
        assert!(reachable(&memory, std::slice::from_ref(&root)).is_ok());
        let roots = std::slice::from_ref(&root);
        assert_eq!(GraphWalk::new(&memory, roots).descend_into(|_| false).count(), 1);
        let deep = nested(&memory, MAX_DEPTH + 1);
        let error = reachable(&memory, std::slice::from_ref(&deep)).expect_err("is too deep");
        let error = error.chain().last().map(ToString::to_string);
        assert_eq!(error.as_deref(), Some("it is nested in more than 4 indexes"));
    }
}
