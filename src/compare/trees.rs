//! The layers of two images → two trees. What both begin with is read once, or not at all.

use miette::Report;

use crate::error::Result;
use crate::filesystem::{ApplyError, HashedTree};
use crate::image::Layer;
use crate::parallel::{FEW, each};
use crate::store::Source;

/// The layers of an image, and where they are.
#[derive(Clone, Copy)]
pub(super) struct LayerStack<'a> {
    /// Where they are.
    pub source: &'a dyn Source,
    /// The layers, the lowest first.
    pub layers: &'a [Layer],
}

/// Returns the trees of two images, of which the first `common` layers are the same.
///
/// They lack the files of those layers if what is above shows that these are the same in both images: then `is_enough` holds.
///
/// # Errors
/// Returns an error if a layer cannot be read, or is not what its digests say.
pub(super) fn trees(
    stacks: [LayerStack; 2],
    common: usize,
    is_enough: impl Fn(&[HashedTree]) -> bool,
) -> Result<Vec<HashedTree>> {
    let empty = HashedTree::default();
    if common == 0 {
        return over(&empty, &stacks, 0);
    }
    match over(&empty, &stacks, common) {
        Ok(trees) if trees.iter().all(HashedTree::is_the_same_over_all) && is_enough(&trees) => return Ok(trees),
        // A hard link, for example, may lead to a file below.
        Err(error) if !is_of_entry(&error) => return Err(error),
        _ => {}
    }
    let mut below = HashedTree::default();
    let [LayerStack { source, layers }, _] = stacks;
    below.apply(source, &layers[..common], 0)?;
    over(&below, &stacks, common)
}

/// Applies the layers from number `first` on to the tree that those below make.
fn over(below: &HashedTree, stacks: &[LayerStack], first: usize) -> Result<Vec<HashedTree>> {
    each(stacks, FEW, |stack| {
        let mut tree = below.clone();
        tree.apply(stack.source, stack.layers, first)?;
        Ok(tree)
    })
}

fn is_of_entry(error: &Report) -> bool {
    error.downcast_ref::<ApplyError>().is_some()
}
