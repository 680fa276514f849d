//! Layers → the one tree of files that they make together (image-spec, `layer.md`, "Applying Changesets").
//!
//! It is a tree in memory, and names are only ever looked up in it: a symbolic link that leads out of the image, an absolute
//! one, one to itself, find nothing of this computer. What is on disk is made from the finished tree, where every name
//! is new and every parent a folder.

pub mod contents;
mod limits;
mod name;
mod names;
mod places;
mod refused;
#[cfg(test)]
mod tests;
mod walk;

use std::collections::{BTreeMap, BTreeSet, HashSet};

use self::limits::{MOST_DEPTH, MOST_FILES, Taken};
use self::name::{Change, MOST_PATH, Name, components};
pub use self::names::Names;
pub use self::places::Places;
pub use self::refused::Refused;
use self::walk::Walk;

use crate::image::layer::tar_reader::{Attributes, SpecialFile, TarEntry, TarEntryKind};

/// The place of a [`Node`] in its [`Tree`].
pub type NodeId = usize;

/// A file, folder or something else, under one or more names.
#[derive(Clone, Debug)]
pub struct Node {
    /// What it is.
    pub kind: NodeKind,
    /// Whose it is, and who may do what with it.
    pub attributes: Attributes,
}

/// What a [`Node`] is.
#[derive(Clone, Debug)]
pub enum NodeKind {
    /// A folder.
    Directory(Children),
    /// A regular file.
    File {
        /// Where its content is.
        origin: Origin,
        /// In bytes.
        size: u64,
    },
    /// A symbolic link, to whatever is written there.
    Symlink(Vec<u8>),
    /// A device or a named pipe.
    Special(SpecialFile),
}

/// What is in a folder, in the order of names.
pub type Children = BTreeMap<Vec<u8>, Child>;

/// A name in a folder.
#[derive(Clone, Copy, Debug)]
pub struct Child {
    /// What it names.
    pub node: NodeId,
    /// The last layer that has put it there, or something into it.
    layer: usize,
}

/// An entry of a layer's tar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin {
    /// Which of the layers, from 0.
    pub layer: usize,
    /// Which of its entries, from 0.
    pub entry: usize,
}

/// The files of an image.
#[derive(Clone, Debug)]
pub struct Tree {
    nodes: Vec<Node>,
    /// How much of everything the layers have taken so far.
    taken: Taken,
    /// A layer, and the folders in which nothing of the layers below it is left: to look once is enough.
    hidden: (usize, HashSet<NodeId>),
}

/// The root of a [`Tree`].
pub const ROOT: NodeId = 0;

impl Default for Tree {
    /// An empty root folder that all may enter.
    fn default() -> Tree {
        Tree { nodes: vec![folder()], taken: Taken::default(), hidden: (0, HashSet::new()) }
    }
}

/// A folder of which no layer says more than what is in it.
fn folder() -> Node {
    let attributes = Attributes { mode: 0o755, ..Attributes::default() };
    Node { kind: NodeKind::Directory(Children::new()), attributes }
}

impl Tree {
    /// What is at that place.
    pub fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id]
    }

    /// What is in a folder; nothing for what is no folder.
    pub fn children(&self, id: NodeId) -> impl Iterator<Item = (&[u8], NodeId)> {
        let children = match &self.nodes[id].kind {
            NodeKind::Directory(children) => Some(children),
            _ => None,
        };
        children.into_iter().flatten().map(|(name, child)| (name.as_slice(), child.node))
    }

    /// Takes extended attributes away from all files; gives the names of those that there were.
    pub fn take_xattrs(&mut self, is_taken: impl Fn(&[u8]) -> bool) -> BTreeSet<String> {
        let mut taken = BTreeSet::new();
        for node in &mut self.nodes {
            node.attributes.xattrs.retain(|name, _| {
                let is_taken = is_taken(name);
                if is_taken {
                    taken.insert(String::from_utf8_lossy(name).into_owned());
                }
                !is_taken
            });
        }
        taken
    }

    /// How many nodes there are, and were.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Whether no layer has put anything into it.
    pub fn is_empty(&self) -> bool {
        self.children(ROOT).next().is_none()
    }

    /// What an absolute path leads to, symbolic links followed within the tree.
    pub fn find(&self, path: &str) -> Option<NodeId> {
        let mut walk = Walk::new(path.split('/').filter(|name| !name.is_empty()).map(str::as_bytes));
        while let Some(name) = walk.next().ok()? {
            if !walk.up(&name) {
                let next = self.child(walk.here(), &name)?.node;
                match &self.nodes[next].kind {
                    NodeKind::Symlink(target) => walk.follow(target).ok()?,
                    _ => walk.folders.push((next, 0)),
                }
            }
        }
        Some(walk.here())
    }

    /// Applies an entry of a layer.
    ///
    /// # Errors
    /// An entry that could mean something outside of the image, or nothing; more than any real image has.
    pub fn apply(&mut self, entry: TarEntry, origin: Origin) -> Result<(), Refused> {
        self.taken.entry(&entry)?;
        let TarEntry { path, kind, attributes } = entry;
        let applied = match Change::read(&path)? {
            Change::Nothing => Ok(()),
            Change::Root => self.root(kind, attributes, &path),
            Change::Whiteout(parents, name) => self.whiteout(&parents, name, origin.layer),
            Change::Opaque(parents) => self.opaque(&parents, origin.layer),
            Change::Entry(parents, name) => self.place(&parents, name, kind, attributes, origin),
        };
        applied.map_err(|error| error.at(&path))
    }

    fn root(&mut self, kind: TarEntryKind, attributes: Attributes, path: &[u8]) -> Result<(), Refused> {
        match kind {
            TarEntryKind::Directory => self.nodes[ROOT].attributes = attributes,
            _ => return Err(Refused::Root.at(path)),
        }
        Ok(())
    }

    fn place(
        &mut self,
        parents: &[Name],
        name: Name,
        kind: TarEntryKind,
        attributes: Attributes,
        origin: Origin,
    ) -> Result<(), Refused> {
        let kind = match kind {
            TarEntryKind::HardLink(target) => return self.link(parents, name, &target, origin.layer),
            TarEntryKind::Directory => NodeKind::Directory(Children::new()),
            TarEntryKind::File(size) => NodeKind::File { origin, size },
            TarEntryKind::Symlink(target) => NodeKind::Symlink(target),
            TarEntryKind::Special(special) => NodeKind::Special(special),
        };
        let folder = self.make_folders(parents, origin.layer)?;
        let before = self.child(folder, name).filter(|child| self.is_directory(child.node));
        let node = match before {
            // A folder stays, with what is in it; only its attributes are new.
            Some(before) if matches!(kind, NodeKind::Directory(_)) => {
                self.nodes[before.node].attributes = attributes;
                before.node
            }
            _ => self.add(Node { kind, attributes })?,
        };
        self.name(folder, name, Child { node, layer: origin.layer })
    }

    /// A hard link: one more name of a file that is there. What the link's entry says beyond that is the file's own.
    fn link(&mut self, parents: &[Name], name: Name, target: &[u8], layer: usize) -> Result<(), Refused> {
        let missing = || Refused::Missing(target.to_owned());
        let parts = components(target)?;
        let (last, above) = parts.split_last().ok_or_else(missing)?;
        // Its parents are followed, it itself is not: as link(2) does.
        let found = self.find_folder(above)?.and_then(|folder| self.child(folder, last));
        let node = found.ok_or_else(missing)?.node;
        if self.is_directory(node) {
            return Err(Refused::LinkToFolder(target.to_owned()));
        }
        let folder = self.make_folders(parents, layer)?;
        self.name(folder, name, Child { node, layer })
    }

    /// Takes away what the layers below have there.
    fn whiteout(&mut self, parents: &[Name], name: Name, layer: usize) -> Result<(), Refused> {
        let Some(folder) = self.find_folder(parents)? else {
            return Ok(());
        };
        match self.child(folder, name) {
            Some(child) if child.layer < layer => {
                if let Some(children) = self.children_mut(folder) {
                    children.remove(name);
                }
            }
            Some(child) => self.hide(child.node, layer),
            None => {}
        }
        Ok(())
    }

    /// Takes away what the layers below have in a folder.
    fn opaque(&mut self, folder: &[Name], layer: usize) -> Result<(), Refused> {
        if let Some(folder) = self.find_folder(folder)? {
            self.hide(folder, layer);
        }
        Ok(())
    }

    fn hide(&mut self, folder: NodeId, layer: usize) {
        if self.hidden.0 != layer {
            self.hidden = (layer, HashSet::new());
        }
        let mut left = vec![folder];
        while let Some(folder) = left.pop() {
            if !self.hidden.1.insert(folder) {
                continue;
            }
            if let Some(children) = self.children_mut(folder) {
                children.retain(|_, child| child.layer == layer);
                left.extend(children.values().map(|child| child.node));
            }
        }
    }

    /// The folder that `path` leads to; nothing where there is none.
    fn find_folder(&self, path: &[Name]) -> Result<Option<NodeId>, Refused> {
        let mut walk = Walk::new(path.iter().copied());
        while let Some(name) = walk.next()? {
            if walk.up(&name) {
                continue;
            }
            let Some(child) = self.child(walk.here(), &name) else {
                return Ok(None);
            };
            match &self.nodes[child.node].kind {
                NodeKind::Directory(_) => walk.folders.push((child.node, 0)),
                NodeKind::Symlink(target) => walk.follow(target)?,
                _ => return Ok(None),
            }
        }
        Ok(Some(walk.here()))
    }

    /// The folder that `path` leads to; what is missing on the way is made.
    fn make_folders(&mut self, path: &[Name], layer: usize) -> Result<NodeId, Refused> {
        let mut walk = Walk::new(path.iter().copied());
        while let Some(name) = walk.next()? {
            if walk.up(&name) {
                continue;
            }
            if walk.folders.len() > MOST_DEPTH {
                return Err(Refused::TooDeep(MOST_DEPTH));
            }
            let length = walk.length() + name.len() + 1;
            if length > MOST_PATH {
                return Err(Refused::TooLong(MOST_PATH));
            }
            let here = walk.here();
            let node = match self.child(here, &name) {
                None => {
                    self.taken.implicit()?;
                    self.add(folder())?
                }
                Some(child) => match &self.nodes[child.node].kind {
                    NodeKind::Directory(_) => child.node,
                    NodeKind::Symlink(target) => {
                        walk.follow(target)?;
                        continue;
                    }
                    _ => return Err(Refused::NoFolder(name)),
                },
            };
            // A folder that this layer has put something into is its own as well: a whiteout takes only what is below.
            self.name(here, &name, Child { node, layer })?;
            walk.folders.push((node, length));
        }
        Ok(walk.here())
    }

    fn add(&mut self, node: Node) -> Result<NodeId, Refused> {
        if self.nodes.len() >= MOST_FILES {
            return Err(Refused::TooMany(MOST_FILES));
        }
        self.taken.node()?;
        self.nodes.push(node);
        Ok(self.nodes.len() - 1)
    }

    fn name(&mut self, folder: NodeId, name: Name, child: Child) -> Result<(), Refused> {
        let NodeKind::Directory(children) = &mut self.nodes[folder].kind else { return Ok(()) };
        match children.get_mut(name) {
            Some(before) => *before = child,
            None => {
                self.taken.name(name)?;
                children.insert(name.to_owned(), child);
            }
        }
        Ok(())
    }

    fn child(&self, folder: NodeId, name: &[u8]) -> Option<Child> {
        match &self.nodes[folder].kind {
            NodeKind::Directory(children) => children.get(name).copied(),
            _ => None,
        }
    }

    fn children_mut(&mut self, folder: NodeId) -> Option<&mut Children> {
        match &mut self.nodes[folder].kind {
            NodeKind::Directory(children) => Some(children),
            _ => None,
        }
    }

    fn is_directory(&self, node: NodeId) -> bool {
        matches!(self.nodes[node].kind, NodeKind::Directory(_))
    }
}
