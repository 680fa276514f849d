//! The two readings of an image's layers: what they make together, then the contents of what is left of it.

use std::collections::HashMap;
use std::io::Read;

use miette::{Report, miette};

use super::{NodeId, NodeKind, Origin, Tree};
use crate::error::Result;
use crate::image::Layer;
use crate::image::layer::tar_reader::{TarEntryKind, TarReader};
use crate::store::Source;
use crate::store::error::read_error;

/// After so many entries it is asked whether work is to stop: they may all be in one piece of content.
const OFTEN: usize = 256;

/// The tree that `layers` make, the lowest first. All of each is read and checked.
///
/// # Errors
/// See [`Layer::read`] and [`Tree::apply`].
pub fn merge(source: &dyn Source, layers: &[Layer]) -> Result<Tree> {
    let mut tree = Tree::default();
    for (number, layer) in layers.iter().enumerate() {
        layer.read(source, |entries| {
            let mut entry = 0;
            while let Some(found) = entries.next_entry().map_err(read_error)? {
                if entry % OFTEN == 0 {
                    crate::interrupt::check().map_err(read_error)?;
                }
                tree.apply(found, Origin { layer: number, entry }).map_err(Report::from_err)?;
                entry += 1;
            }
            Ok(())
        })?;
    }
    tree.check().map_err(|error| miette!("cannot unpack the image of {}: {error}", source.location()))?;
    Ok(tree)
}

/// Gives every file of the tree to `write`, in the order of the layers; layers that nothing is left of are not read
/// again.
///
/// # Errors
/// Those of `write`, and of reading.
pub fn read(
    source: &dyn Source,
    layers: &[Layer],
    tree: &Tree,
    mut write: impl FnMut(NodeId, &mut dyn Read) -> Result<()>,
) -> Result<()> {
    let mut left = files(tree, layers.len());
    for (layer, files) in layers.iter().zip(&mut left) {
        if files.is_empty() {
            continue;
        }
        layer.read(source, |entries| write_files(entries, files, tree, &mut write))?;
        if !files.is_empty() {
            return Err(miette!("the layer {} changed while it was read", layer.descriptor.digest()));
        }
    }
    Ok(())
}

/// For each layer, the files whose content it has, by the number of their entry.
fn files(tree: &Tree, layers: usize) -> Vec<HashMap<usize, NodeId>> {
    let mut files = vec![HashMap::new(); layers];
    for (_, _, node) in tree.names() {
        if let NodeKind::File { origin, .. } = tree.node(node).kind {
            files[origin.layer].insert(origin.entry, node);
        }
    }
    files
}

fn write_files(
    entries: &mut TarReader<&mut dyn Read>,
    files: &mut HashMap<usize, NodeId>,
    tree: &Tree,
    write: &mut impl FnMut(NodeId, &mut dyn Read) -> Result<()>,
) -> Result<()> {
    let mut entry = 0;
    while let Some(found) = entries.next_entry().map_err(read_error)? {
        if let Some(node) = files.remove(&entry) {
            let NodeKind::File { size, .. } = tree.node(node).kind else { continue };
            if found.kind != TarEntryKind::File(size) {
                return Err(miette!("it changed while it was read"));
            }
            write(node, entries)?;
        }
        entry += 1;
    }
    Ok(())
}
