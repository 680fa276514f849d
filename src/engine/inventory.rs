//! The images and layers that an engine has.

use std::collections::{BTreeSet, HashSet};

use miette::IntoDiagnostic;
use oci_spec::image::Descriptor;

use super::program::Program;
use crate::error::Result;
use crate::image::Digest;
use crate::image::exact_number;
use crate::image::manifest::{ManifestContent, platform_of};
use crate::platform::Platform;
use crate::reference::{Reference, TagOrDigest};
use crate::store::graph::{GraphWalk, NodeContent};
use crate::store::{Cache, Source, read};

/// An image that an engine lists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct InventoryImage {
    /// The engine's id of the image.
    pub id: String,
    /// `NAME:TAG` with its registry, or `None` for an untagged image.
    pub name: Option<String>,
}

impl InventoryImage {
    /// Creates an image from the engine's columns. A name with `<none>` is no name.
    pub(super) fn new(id: &str, name: &str) -> InventoryImage {
        let name = Some(name).filter(|name| !name.contains("<none>")).and_then(full_name);
        InventoryImage { id: id.to_owned(), name }
    }
}

/// Lists the images of Docker, or of an engine with the same interface. Ids are digests with their algorithm.
///
/// # Errors
/// Returns an error if the program fails.
pub(super) fn images(program: &Program) -> Result<Vec<InventoryImage>> {
    let format = "{{.ID}}\t{{.Repository}}:{{.Tag}}";
    let output = program.query(["image", "ls", "--no-trunc", "--format", format])?;
    let lines = output.stdout.lines().filter_map(|line| line.split_once('\t'));
    Ok(lines.map(|(id, name)| InventoryImage::new(id, name)).collect())
}

/// Returns `NAME:TAG` with its registry, so that names can be compared, or `None` for an invalid name.
pub(super) fn full_name(name: &str) -> Option<String> {
    name.parse::<Reference>().ok().map(|reference| reference.to_string())
}

/// Returns those of `names` that the image `id` does not have yet, or `None` if the engine has no image `id`.
pub(super) fn missing_names(images: &[InventoryImage], id: &str, names: &[String]) -> Option<Vec<String>> {
    if images.iter().all(|image| image.id != id) {
        return None;
    }
    let own = images.iter().filter(|image| image.id == id);
    let existing: HashSet<_> = own.filter_map(|image| image.name.as_deref()).collect();
    let missing = names.iter().filter(|name| full_name(name).is_none_or(|name| !existing.contains(name.as_str())));
    Some(missing.cloned().collect())
}

/// Returns the ids of the other images that have one of `names`, which the image `id` is about to get.
pub(super) fn replaced_images(images: &[InventoryImage], id: &str, names: &[String]) -> BTreeSet<String> {
    let names: HashSet<_> = names.iter().filter_map(|name| full_name(name)).collect();
    let others = images.iter().filter(|image| image.id != id);
    let others = others.filter(|image| image.name.as_ref().is_some_and(|name| names.contains(name)));
    others.map(|image| image.id.clone()).collect()
}

/// Removes those of the `replaced` images that have no name left: nobody would find them again. Those that containers use
/// stay, and failing to remove one is harmless.
pub(super) fn remove_unnamed(program: &Program, replaced: &BTreeSet<String>) {
    if replaced.is_empty() {
        return;
    }
    let args = ["image", "ls", "--no-trunc", "--quiet", "--filter", "dangling=true"];
    let unnamed = program.query(args).unwrap_or_default().stdout;
    let unnamed: HashSet<_> = unnamed.lines().map(str::trim).collect();
    for id in replaced.iter().filter(|id| unnamed.contains(id.as_str())) {
        program.clean_up(["image", "rm", id]);
    }
}

/// Returns how many of the lowest `wanted` layers are in one of the chains of diffIDs. Docker's classic store keeps a layer
/// together with all layers below it.
pub(super) fn shared_layers(wanted: &[String], chains: &[Vec<String>]) -> usize {
    let lengths = chains.iter().map(|chain| wanted.iter().zip(chain).take_while(|(one, other)| one == other).count());
    lengths.max().unwrap_or(0)
}

/// Returns the diffIDs of an image, the lowest first.
///
/// # Errors
/// Returns an error if the config cannot be read.
pub(super) fn diff_ids(source: &dyn Source, config: &Descriptor) -> Result<Vec<String>> {
    let config = exact_number::parse(&read(source, config)?).into_diagnostic()?;
    serde_json::from_value(config["rootfs"]["diff_ids"].clone()).into_diagnostic()
}

/// Returns the layers of the images that an engine lists by the digest of the manifest or index, as far as the cache has
/// their manifests. Of an index only `platform` counts: the engine may not have pulled the others.
pub(super) fn known_layers(cache: &Cache, images: &[InventoryImage], platform: &Platform) -> HashSet<Digest> {
    let mut layers = HashSet::new();
    let ids: BTreeSet<_> = images.iter().map(|image| image.id.as_str()).collect();
    for id in ids {
        // Layers of images that the cache does not have are sent.
        if let Ok(id) = id.parse::<TagOrDigest>()
            && let Ok(root) = cache.resolve(Some(&id))
        {
            collect_layers(cache, &root, platform, &mut layers);
        }
    }
    layers
}

fn collect_layers(cache: &Cache, root: &Descriptor, platform: &Platform, layers: &mut HashSet<Digest>) {
    for node in GraphWalk::new(cache, std::slice::from_ref(root))
        .descend_into(|image| image == root || platform_of(image).as_ref() == Some(platform))
    {
        if let NodeContent::Document(manifest) = node.content
            && let ManifestContent::Image { layers: own, .. } = manifest.content
        {
            layers.extend(own.iter().map(|layer| layer.digest().clone()));
        }
    }
}

/// Keeps the manifests of a loaded image for the next [`known_layers`].
pub(super) fn remember_manifests(cache: &Cache, source: &dyn Source, documents: impl IntoIterator<Item = Descriptor>) {
    if cache.is_read_only() {
        return;
    }
    for document in documents {
        // If it cannot be kept, the next load sends more bytes.
        if !crate::store::Sink::exists(cache, &document).unwrap_or(true) {
            let _ = crate::store::Sink::push(cache, &document, source);
        }
    }
}
