//! The first difference of two images, down to the byte.

use std::io::{self, Read};

use miette::miette;

use super::difference::{ChangeKind, FileChange, FirstDifference, ImageDifference};
use super::images::{ComparedImage, layers_of};
use super::trees::{LayerStack, trees};
use crate::error::Result;
use crate::filesystem::{HashedTree, NodeId, NodeKind, contents};
use crate::image::Digest;
use crate::inspect::image::ManifestInfo;
use crate::store::error::read_error;

/// How much of two files is compared at a time, in bytes.
const CHUNK: usize = 64 << 10;

/// Returns the first difference: a file, if one differs, else a layer, else a value. Layers are read again for it.
///
/// # Errors
/// Returns an error if a layer cannot be read.
pub(crate) fn first(found: &ImageDifference, a: &ComparedImage, b: &ComparedImage) -> Result<Option<FirstDifference>> {
    let platforms = || found.platforms.iter();
    let with_files = platforms().find(|platform| !platform.files.is_empty());
    let Some(platform) = with_files.or(platforms().next()) else {
        let value = found.index.first().map(|value| value.name.clone());
        return Ok(value.map(|value| FirstDifference { value: Some(value), ..FirstDifference::default() }));
    };
    let mut first = FirstDifference { platform: platform.platform.clone(), ..FirstDifference::default() };
    let content = platform.files.iter().find(|file| has_other_content(file));
    if let Some(file) = content.or(platform.files.first()) {
        first.path = Some(file.path.clone());
    } else if let Some(layer) = platform.layers.first() {
        first.layer = layer.b.as_ref().or(layer.a.as_ref()).map(|layer| layer.number);
    } else {
        first.value = platform.manifest.iter().chain(&platform.config).next().map(|value| value.name.clone());
    }
    if let Some(file) = content
        && let (Some(of_a), Some(of_b)) = (manifest(a, platform.a.as_ref()), manifest(b, platform.b.as_ref()))
    {
        let (layer, byte) = byte([a, b], [of_a, of_b], &file.path)?;
        (first.layer, first.byte) = (Some(layer), byte);
    }
    Ok(Some(first))
}

fn has_other_content(file: &FileChange) -> bool {
    file.change == ChangeKind::Changed && file.differs.contains(&"content")
}

fn manifest<'i>(image: &'i ComparedImage, digest: Option<&Digest>) -> Option<&'i ManifestInfo> {
    let mut manifests = image.info.iter().flat_map(|info| &info.manifests);
    manifests.find(|manifest| Some(&manifest.blob.digest) == digest)
}

/// Returns the number of the layer of a file in the second image, and the number of the first byte that differs, from 0.
fn byte(images: [&ComparedImage; 2], manifests: [&ManifestInfo; 2], path: &str) -> Result<(usize, Option<u64>)> {
    let [a, b] = manifests.map(layers_of);
    let (a, b) = (a?, b?);
    let stacks =
        [LayerStack { source: images[0].source, layers: &a }, LayerStack { source: images[1].source, layers: &b }];
    let trees = trees(stacks, 0, |_| true)?;
    let [of_a, of_b] = [0, 1].map(|at| file(&trees[at], path));
    let (of_a, of_b) = (of_a?, of_b?);
    let layer = match trees[1].tree().node(of_b).kind {
        NodeKind::File { origin, .. } => origin.layer + 1,
        _ => 0,
    };
    let mut found = None;
    // Both layers are open at the same time, so that no content is held.
    contents::read(
        stacks[0].source,
        &a,
        trees[0].tree(),
        |node| node == of_a,
        |_, one| {
            contents::read(
                stacks[1].source,
                &b,
                trees[1].tree(),
                |node| node == of_b,
                |_, other| {
                    found = first_byte(one, other).map_err(read_error)?;
                    Ok(())
                },
            )
        },
    )?;
    Ok((layer, found))
}

fn file(tree: &HashedTree, path: &str) -> Result<NodeId> {
    tree.tree().find(path).ok_or_else(|| miette!("{path} is not in the image any more"))
}

/// Returns the number of the first byte that differs, or `None` if there is none.
fn first_byte(a: &mut dyn Read, b: &mut dyn Read) -> io::Result<Option<u64>> {
    let mut before = 0;
    loop {
        let (mut of_a, mut of_b) = (Vec::with_capacity(CHUNK), Vec::with_capacity(CHUNK));
        a.take(CHUNK as u64).read_to_end(&mut of_a)?;
        b.take(CHUNK as u64).read_to_end(&mut of_b)?;
        let same = of_a.iter().zip(&of_b).take_while(|(a, b)| a == b).count();
        if same < of_a.len() || same < of_b.len() {
            return Ok(Some(before + same as u64));
        }
        if of_a.is_empty() {
            return Ok(None);
        }
        before += same as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_byte_is_counted_from_zero() {
        let long = vec![7; CHUNK + 5];
        let mut other = long.clone();
        other[CHUNK + 2] = 8;
        for (a, b, byte) in [
            (&b"abc"[..], &b"abd"[..], Some(2)),
            (b"", b"x", Some(0)),
            (b"ab", b"a", Some(1)),
            (b"ab", b"ab", None),
            (&long, &other, Some(CHUNK as u64 + 2)),
        ] {
            assert_eq!(first_byte(&mut &*a, &mut &*b).expect("reads memory"), byte);
        }
    }
}
