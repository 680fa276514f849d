//! The tree, and how the entries of layers change it.

use std::collections::{BTreeSet, HashSet};

use super::change::{Change, MOST_PATH, Name, components};
use super::error::ApplyError;
use super::limits::{MOST_DEPTH, MOST_FILES, Usage};
use super::node::{Child, Children, EntryIndex, Node, NodeId, NodeKind, ROOT};
use super::resolver::PathResolver;
use crate::image::layer::tar_reader::{Attributes, TarEntry, TarEntryKind};

/// The files of an image.
#[derive(Clone, Debug)]
pub(crate) struct Tree {
    nodes: Vec<Node>,
    /// What the layers have used so far.
    usage: Usage,
    /// The directories from which the current layer has removed all of lower layers: once is enough.
    cleared: Cleared,
}

/// Directories that hold nothing of the layers below `layer`.
#[derive(Clone, Debug, Default)]
struct Cleared {
    layer: usize,
    directories: HashSet<NodeId>,
}

impl Default for Tree {
    /// Creates an empty root directory that all users may enter.
    fn default() -> Tree {
        Tree { nodes: vec![Node::directory()], usage: Usage::default(), cleared: Cleared::default() }
    }
}

impl Tree {
    /// Returns a node.
    pub(crate) fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id]
    }

    /// Returns the names in a directory; none for other nodes.
    pub(crate) fn children(&self, id: NodeId) -> impl Iterator<Item = (&[u8], NodeId)> {
        self.nodes[id].children().into_iter().flatten().map(|(name, child)| (name.as_slice(), child.node))
    }

    /// Removes extended attributes from all files, and returns the names of those that were removed.
    pub(crate) fn remove_xattrs(&mut self, is_removed: impl Fn(&[u8]) -> bool) -> BTreeSet<String> {
        let mut removed = BTreeSet::new();
        for node in &mut self.nodes {
            node.attributes.xattrs.retain(|name, _| {
                let is_kept = !is_removed(name);
                if !is_kept {
                    removed.insert(String::from_utf8_lossy(name).into_owned());
                }
                is_kept
            });
        }
        removed
    }

    /// Returns the number of nodes, including those that have been removed.
    pub(crate) fn node_count(&self) -> usize {
        self.nodes.len()
    }

    /// Returns the bytes of all paths and link targets as the layers write them.
    pub(crate) fn written(&self) -> usize {
        self.usage.written()
    }

    /// Returns the number of directories that were needed, but that no entry described at that time.
    pub(crate) fn implicit_directories(&self) -> usize {
        self.usage.implicit()
    }

    /// Resolves an absolute path within the tree, following symbolic links. Returns `None` if nothing is there.
    pub(crate) fn find(&self, path: &str) -> Option<NodeId> {
        let names = path.split('/').filter(|name| !matches!(*name, "" | ".")).map(str::as_bytes);
        let mut resolver = PathResolver::new(names);
        while let Some(name) = resolver.next_name().ok()? {
            let next = self.child(resolver.current(), &name)?.node;
            match &self.nodes[next].kind {
                NodeKind::Symlink(target) => resolver.follow(target).ok()?,
                _ => resolver.enter(next, 0),
            }
        }
        Some(resolver.current())
    }

    /// Applies an entry of a layer.
    ///
    /// # Errors
    /// Returns an error if the entry is invalid, could refer to something outside of the image, or exceeds a limit.
    pub(crate) fn apply(&mut self, entry: TarEntry, origin: EntryIndex) -> Result<(), ApplyError> {
        self.usage.add_entry(&entry)?;
        let path = entry.path.clone();
        let applied = match Change::parse(&path)? {
            Change::Nothing => Ok(()),
            Change::Root => self.set_root(entry),
            Change::Whiteout(parents, name) => self.whiteout(&parents, name, origin.layer),
            Change::Opaque(parents) => self.opaque(&parents, origin.layer),
            Change::Entry(parents, name) => self.put(&parents, name, entry, origin),
        };
        applied.map_err(|error| error.at(&path))
    }

    fn set_root(&mut self, entry: TarEntry) -> Result<(), ApplyError> {
        if entry.kind != TarEntryKind::Directory {
            return Err(ApplyError::RootNotDirectory);
        }
        self.nodes[ROOT].attributes = entry.attributes;
        Ok(())
    }

    fn put(&mut self, parents: &[Name], name: Name, entry: TarEntry, origin: EntryIndex) -> Result<(), ApplyError> {
        let attributes = entry.attributes;
        match entry.kind {
            TarEntryKind::HardLink(target) => self.hard_link(parents, name, &target, origin.layer),
            TarEntryKind::Directory => self.put_directory(parents, name, attributes, origin.layer),
            TarEntryKind::File(size) => {
                self.put_new(parents, name, Node { kind: NodeKind::File { origin, size }, attributes }, origin.layer)
            }
            TarEntryKind::Symlink(target) => {
                self.put_new(parents, name, Node { kind: NodeKind::Symlink(target), attributes }, origin.layer)
            }
            TarEntryKind::Special(special) => {
                self.put_new(parents, name, Node { kind: NodeKind::Special(special), attributes }, origin.layer)
            }
        }
    }

    /// Puts a directory. One that is there keeps its content and gets the new attributes.
    fn put_directory(
        &mut self,
        parents: &[Name],
        name: Name,
        attributes: Attributes,
        layer: usize,
    ) -> Result<(), ApplyError> {
        let parent = self.create_directories(parents, layer)?;
        let existing = self.child(parent, name).filter(|child| self.nodes[child.node].is_directory());
        let node = match existing {
            Some(existing) => {
                self.nodes[existing.node].attributes = attributes;
                existing.node
            }
            None => self.add(Node { attributes, ..Node::directory() })?,
        };
        self.insert(parent, name, Child { node, layer })
    }

    fn put_new(&mut self, parents: &[Name], name: Name, node: Node, layer: usize) -> Result<(), ApplyError> {
        let parent = self.create_directories(parents, layer)?;
        let node = self.add(node)?;
        self.insert(parent, name, Child { node, layer })
    }

    /// Adds a name to an existing file, whose attributes stay.
    fn hard_link(&mut self, parents: &[Name], name: Name, target: &[u8], layer: usize) -> Result<(), ApplyError> {
        let names = components(target)?;
        // Its parents are followed, but not the target itself: as link(2) does.
        let found = match names.split_last() {
            Some((last, above)) => self.find_directory(above)?.and_then(|parent| self.child(parent, last)),
            None => None,
        };
        let node = found.ok_or_else(|| ApplyError::HardLinkTargetMissing(target.to_owned()))?.node;
        if self.nodes[node].is_directory() {
            return Err(ApplyError::HardLinkToDirectory(target.to_owned()));
        }
        let parent = self.create_directories(parents, layer)?;
        self.insert(parent, name, Child { node, layer })
    }

    /// Removes a name that lower layers have.
    fn whiteout(&mut self, parents: &[Name], name: Name, layer: usize) -> Result<(), ApplyError> {
        let Some(parent) = self.find_directory(parents)? else {
            return Ok(());
        };
        match self.child(parent, name) {
            Some(child) if child.layer < layer => {
                if let Some(children) = self.nodes[parent].children_mut() {
                    children.remove(name);
                }
            }
            Some(child) => self.clear(child.node, layer),
            None => {}
        }
        Ok(())
    }

    /// Removes all that lower layers have in a directory.
    fn opaque(&mut self, path: &[Name], layer: usize) -> Result<(), ApplyError> {
        if let Some(directory) = self.find_directory(path)? {
            self.clear(directory, layer);
        }
        Ok(())
    }

    fn clear(&mut self, directory: NodeId, layer: usize) {
        if self.cleared.layer != layer {
            self.cleared = Cleared { layer, directories: HashSet::new() };
        }
        let mut remaining = vec![directory];
        while let Some(directory) = remaining.pop() {
            if !self.cleared.directories.insert(directory) {
                continue;
            }
            if let Some(children) = self.nodes[directory].children_mut() {
                children.retain(|_, child| child.layer == layer);
                remaining.extend(children.values().map(|child| child.node));
            }
        }
    }

    /// Returns the directory at `path`, or `None` if there is none.
    fn find_directory(&self, path: &[Name]) -> Result<Option<NodeId>, ApplyError> {
        let mut resolver = PathResolver::new(path.iter().copied());
        while let Some(name) = resolver.next_name()? {
            let Some(child) = self.child(resolver.current(), &name) else {
                return Ok(None);
            };
            match &self.nodes[child.node].kind {
                NodeKind::Directory(_) => resolver.enter(child.node, 0),
                NodeKind::Symlink(target) => resolver.follow(target)?,
                _ => return Ok(None),
            }
        }
        Ok(Some(resolver.current()))
    }

    /// Returns the directory at `path`, and creates what is missing on the way.
    fn create_directories(&mut self, path: &[Name], layer: usize) -> Result<NodeId, ApplyError> {
        let mut resolver = PathResolver::new(path.iter().copied());
        while let Some(name) = resolver.next_name()? {
            if resolver.depth() > MOST_DEPTH {
                return Err(ApplyError::TooDeep(MOST_DEPTH));
            }
            let path_length = resolver.path_length() + name.len() + 1;
            if path_length > MOST_PATH {
                return Err(ApplyError::NameTooLong(MOST_PATH));
            }
            let parent = resolver.current();
            let node = match self.child(parent, &name) {
                None => {
                    self.usage.add_implicit_directory()?;
                    self.add(Node::directory())?
                }
                Some(child) => match &self.nodes[child.node].kind {
                    NodeKind::Directory(_) => child.node,
                    NodeKind::Symlink(target) => {
                        resolver.follow(target)?;
                        continue;
                    }
                    _ => return Err(ApplyError::ParentNotDirectory(name)),
                },
            };
            // A directory that this layer writes to counts as its own: its whiteouts remove only what is below.
            self.insert(parent, &name, Child { node, layer })?;
            resolver.enter(node, path_length);
        }
        Ok(resolver.current())
    }

    fn add(&mut self, node: Node) -> Result<NodeId, ApplyError> {
        if self.nodes.len() >= MOST_FILES {
            return Err(ApplyError::TooManyFiles(MOST_FILES));
        }
        self.usage.add_node()?;
        self.nodes.push(node);
        Ok(self.nodes.len() - 1)
    }

    fn insert(&mut self, parent: NodeId, name: Name, child: Child) -> Result<(), ApplyError> {
        let Some(children) = self.nodes[parent].children_mut() else { return Ok(()) };
        if let Some(existing) = children.get_mut(name) {
            *existing = child;
        } else {
            self.usage.add_name(name)?;
            children.insert(name.to_owned(), child);
        }
        Ok(())
    }

    fn child(&self, parent: NodeId, name: &[u8]) -> Option<Child> {
        self.nodes[parent].children().and_then(|children: &Children| children.get(name).copied())
    }
}
