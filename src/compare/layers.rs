//! Two lists of layers → those that differ.

use super::difference::{ChangeKind, LayerChange, NumberedLayer};
use crate::inspect::image::LayerInfo;

/// Returns how many layers both lists begin with: the same digests at the same positions.
pub(super) fn common(a: &[LayerInfo], b: &[LayerInfo]) -> usize {
    a.iter().zip(b).take_while(|(a, b)| a.blob.digest == b.blob.digest).count()
}

/// Returns the layers between those that both lists begin with, and those that both end with.
pub(super) fn changes(a: &[LayerInfo], b: &[LayerInfo]) -> Vec<LayerChange> {
    let below = common(a, b);
    let (a_rest, b_rest) = (&a[below..], &b[below..]);
    let above =
        a_rest.iter().rev().zip(b_rest.iter().rev()).take_while(|(a, b)| a.blob.digest == b.blob.digest).count();
    let (a_rest, b_rest) = (&a_rest[..a_rest.len() - above], &b_rest[..b_rest.len() - above]);
    let layer = |rest: &[LayerInfo], at: usize| {
        rest.get(at).map(|layer| NumberedLayer { number: below + at + 1, blob: layer.blob.clone() })
    };
    (0..a_rest.len().max(b_rest.len()))
        .filter_map(|at| {
            let (a, b) = (layer(a_rest, at), layer(b_rest, at));
            Some(LayerChange { change: ChangeKind::of(a.as_ref(), b.as_ref())?, a, b })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::digest::sha256;
    use crate::image::{Descriptor, MediaType};
    use crate::inspect::config::HistoryStep;

    fn layers(names: &str) -> Vec<LayerInfo> {
        let layer = |name: char| {
            let descriptor = Descriptor::new(MediaType::ImageLayerGzip, 1, sha256(name.to_string().as_bytes()));
            LayerInfo::new(&descriptor, None, HistoryStep::default())
        };
        names.chars().map(layer).collect()
    }

    fn numbers(a: &str, b: &str) -> Vec<(Option<usize>, Option<usize>)> {
        let number = |layer: &Option<NumberedLayer>| layer.as_ref().map(|layer| layer.number);
        changes(&layers(a), &layers(b)).iter().map(|one| (number(&one.a), number(&one.b))).collect()
    }

    #[test]
    fn layers_that_both_images_have_are_left_out() {
        assert_eq!(numbers("abcx", "abdx"), [(Some(3), Some(3))]);
        assert_eq!(numbers("ax", "abcx"), [(None, Some(2)), (None, Some(3))]);
        assert_eq!(numbers("aa", "a"), [(Some(2), None)]);
        assert_eq!(numbers("a", "b"), [(Some(1), Some(1))]);
        assert_eq!(numbers("abc", "abc"), []);
        assert_eq!(common(&layers("abc"), &layers("abd")), 2);
    }
}
