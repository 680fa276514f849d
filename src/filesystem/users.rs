//! The image's own users and groups: /etc/passwd and /etc/group as its layers make them.

use std::io::Read;

use miette::miette;

use super::contents;
use super::node::{NodeId, NodeKind};
use super::tree::Tree;
use crate::error::Result;
use crate::image::Layer;
use crate::store::Source;
use crate::store::error::read_error;

/// The content of an image's /etc/passwd and /etc/group; empty if the image has no such file.
#[derive(Clone, Debug, Default)]
pub(crate) struct UserDatabase {
    passwd: DatabaseFile,
    group: DatabaseFile,
}

#[derive(Clone, Debug, Default)]
struct DatabaseFile {
    node: Option<NodeId>,
    content: Vec<u8>,
}

/// The largest size of each file, in bytes.
const MOST_BYTES: u64 = 4 << 20;

impl UserDatabase {
    /// Creates a database from the contents of both files.
    pub(crate) fn new(passwd: Vec<u8>, group: Vec<u8>) -> UserDatabase {
        UserDatabase {
            passwd: DatabaseFile { node: None, content: passwd },
            group: DatabaseFile { node: None, content: group },
        }
    }

    /// Finds both files in a tree. Their contents are still to be [read](UserDatabase::read_file).
    ///
    /// # Errors
    /// Returns an error if a file is too large.
    pub(crate) fn locate(tree: &Tree) -> Result<UserDatabase> {
        Ok(UserDatabase { passwd: locate(tree, "/etc/passwd")?, group: locate(tree, "/etc/group")? })
    }

    /// Reads both files of the tree that `layers` make, the lowest layer first.
    ///
    /// # Errors
    /// Returns an error if the layers cannot be read, or a file is too large.
    pub(crate) fn read(source: &dyn Source, layers: &[Layer], tree: &Tree) -> Result<UserDatabase> {
        let mut database = UserDatabase::locate(tree)?;
        let located = database.clone();
        contents::read(
            source,
            layers,
            tree,
            |node| located.contains(node),
            |node, content| database.read_file(node, content).map(drop),
        )?;
        Ok(database)
    }

    /// Replaces files by those of a layer above; `None` keeps one.
    pub(crate) fn replace(&mut self, passwd: Option<Vec<u8>>, group: Option<Vec<u8>>) {
        for (file, content) in [(&mut self.passwd, passwd), (&mut self.group, group)] {
            if let Some(content) = content {
                *file = DatabaseFile { node: None, content };
            }
        }
    }

    /// Returns whether a node of the tree is one of the files.
    pub(crate) fn contains(&self, node: NodeId) -> bool {
        [self.passwd.node, self.group.node].contains(&Some(node))
    }

    /// Reads the content of one of the files, and returns it.
    ///
    /// # Errors
    /// Returns an error if the content cannot be read.
    pub(crate) fn read_file(&mut self, node: NodeId, content: &mut dyn Read) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        content.read_to_end(&mut bytes).map_err(read_error)?;
        // Both may be one file.
        for file in [&mut self.passwd, &mut self.group] {
            if file.node == Some(node) {
                file.content.clone_from(&bytes);
            }
        }
        Ok(bytes)
    }

    /// Returns the content of /etc/passwd.
    pub(crate) fn passwd(&self) -> &[u8] {
        &self.passwd.content
    }

    /// Returns the content of /etc/group.
    pub(crate) fn group(&self) -> &[u8] {
        &self.group.content
    }
}

fn locate(tree: &Tree, path: &str) -> Result<DatabaseFile> {
    let node = tree.find(path).filter(|node| matches!(tree.node(*node).kind, NodeKind::File { .. }));
    if let Some(node) = node
        && let NodeKind::File { size, .. } = tree.node(node).kind
        && size > MOST_BYTES
    {
        return Err(miette!("{path} of the image has {size} bytes, which exceeds the limit of {MOST_BYTES}"));
    }
    Ok(DatabaseFile { node, content: Vec::new() })
}
