//! Layers → tree, and the contents of the files that are left. Layers are read once for each of the two.

use std::collections::HashMap;
use std::io::Read;

use miette::{Report, miette};

use super::node::{EntryIndex, NodeId, NodeKind};
use super::tree::Tree;
use crate::error::Result;
use crate::image::Layer;
use crate::image::layer::decompress::TarLimit;
use crate::image::layer::tar_reader::{TarEntry, TarEntryKind, TarReader};
use crate::store::Source;
use crate::store::error::read_error;

/// Cancellation is checked once per this many entries: they may all be in one chunk of content.
const ENTRIES_PER_CHECK: usize = 256;

/// Returns the tree that `layers` make, the lowest layer first. Reads and verifies all of each layer.
///
/// # Errors
/// Returns an error if a layer cannot be read, or an entry cannot be applied.
pub(crate) fn merge(source: &dyn Source, layers: &[Layer]) -> Result<Tree> {
    let mut tree = Tree::default();
    apply(source, layers, 0, &mut tree, &mut |_, _, _| Ok(()))?;
    Ok(tree)
}

/// Receives an entry before it is applied, its position, and its content.
pub(super) type Visit<'a> = &'a mut dyn FnMut(&TarEntry, EntryIndex, &mut dyn Read) -> Result<()>;

/// Applies the layers from number `first` on to the tree that those below make. Reads and verifies all of each.
///
/// # Errors
/// Returns an error if a layer cannot be read, or an entry cannot be applied, or else the error of `visit`.
pub(super) fn apply(source: &dyn Source, layers: &[Layer], first: usize, tree: &mut Tree, visit: Visit) -> Result<()> {
    let limit = limit_of(layers);
    for (number, layer) in layers.iter().enumerate().skip(first) {
        layer.read(source, &limit, |entries| {
            let mut entry = 0;
            while let Some(found) = entries.next_entry().map_err(read_error)? {
                if entry % ENTRIES_PER_CHECK == 0 {
                    crate::interrupt::check().map_err(read_error)?;
                }
                if let TarEntryKind::File(size) = found.kind {
                    // A bomb need not be decompressed to be known.
                    limit.check(size).map_err(read_error)?;
                }
                let at = EntryIndex { layer: number, entry };
                visit(&found, at, entries)?;
                tree.apply(found, at).map_err(Report::new)?;
                entry += 1;
            }
            Ok(())
        })?;
    }
    tree.check_growth().map_err(|error| miette!("cannot unpack the image of {}: {error}", source.location()))
}

/// Calls `write` with every file of the tree that `is_read` selects, in the order of the layers. Layers without such files
/// are not read again.
///
/// # Errors
/// Returns the error of `write`, or an error if a layer cannot be read or has changed.
pub(crate) fn read(
    source: &dyn Source,
    layers: &[Layer],
    tree: &Tree,
    is_read: impl Fn(NodeId) -> bool,
    mut write: impl FnMut(NodeId, &mut dyn Read) -> Result<()>,
) -> Result<()> {
    let mut files_of_layers = vec![HashMap::new(); layers.len()];
    for entry in tree.entries().filter(|entry| is_read(entry.node)) {
        if let NodeKind::File { origin, .. } = tree.node(entry.node).kind {
            files_of_layers[origin.layer].insert(origin.entry, entry.node);
        }
    }
    let limit = limit_of(layers);
    for (layer, files) in layers.iter().zip(&mut files_of_layers) {
        if files.is_empty() {
            continue;
        }
        layer.read(source, &limit, |entries| write_files(entries, files, tree, &mut write))?;
        if !files.is_empty() {
            return Err(miette!("layer {} changed while it was read", layer.descriptor.digest()));
        }
    }
    Ok(())
}

fn limit_of(layers: &[Layer]) -> TarLimit {
    TarLimit::of(layers.iter().map(|layer| &layer.descriptor))
}

/// Writes the files of one layer. `files` has the node of each entry, and loses those that have been written.
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
