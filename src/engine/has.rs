//! What an engine has of an image already.

use std::collections::{BTreeSet, HashSet};

use miette::IntoDiagnostic;
use oci_spec::image::Descriptor;
use serde_json::Value;

use super::program::Program;
use crate::error::Result;
use crate::image::Digest;
use crate::image::manifest::{ManifestContent, platform_of};
use crate::platform::Platform;
use crate::reference::Reference;
use crate::store::graph::{GraphWalk, NodeContent};
use crate::store::{Cache, Source, read};

/// An image that an engine lists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// What the engine calls it.
    pub id: String,
    /// `NAME:TAG`, in full.
    pub name: Option<String>,
}

impl Listed {
    /// One that is called `name` as engines write it; `<none>` in it is no name.
    pub fn new(id: &str, name: &str) -> Listed {
        let name = Some(name).filter(|name| !name.contains("<none>")).and_then(in_full);
        Listed { id: id.to_owned(), name }
    }
}

/// All images that Docker, or who speaks like it, has. Podman writes the name of the algorithm before an id, as Docker
/// does.
///
/// # Errors
/// When it does not tell.
pub fn images(program: &Program) -> Result<Vec<Listed>> {
    let format = "{{.ID}}\t{{.Repository}}:{{.Tag}}";
    let answer = program.ask(["image", "ls", "--no-trunc", "--format", format])?;
    let lines = answer.stdout.lines().filter_map(|line| line.split_once('\t'));
    Ok(lines.map(|(id, name)| Listed::new(id, name)).collect())
}

/// `NAME:TAG` with its registry: two ways to write a name are one name.
pub fn in_full(name: &str) -> Option<String> {
    name.parse::<Reference>().ok().map(|reference| reference.to_string())
}

/// Which of `names` do not stand for `id`; nothing where the engine has no image `id`.
pub fn names_to_give(images: &[Listed], id: &str, names: &[String]) -> Option<Vec<String>> {
    let is_there = images.iter().any(|image| image.id == id);
    let given: HashSet<_> =
        images.iter().filter(|image| image.id == id).filter_map(|image| image.name.as_deref()).collect();
    let is_given = |name: &String| in_full(name).is_some_and(|name| given.contains(name.as_str()));
    is_there.then(|| names.iter().filter(|name| !is_given(name)).cloned().collect())
}

/// How many of the `wanted` layers, the lowest first, are those of one of these chains of diffIDs: an engine keeps a
/// layer together with all that is below it.
pub fn shared(wanted: &[String], chains: &[Vec<String>]) -> usize {
    let shared = |chain: &Vec<String>| wanted.iter().zip(chain).take_while(|(wanted, has)| wanted == has).count();
    chains.iter().map(shared).max().unwrap_or(0)
}

/// The diffIDs of an image, the lowest first.
///
/// # Errors
/// When its config cannot be read.
pub fn diff_ids(source: &dyn Source, config: &Descriptor) -> Result<Vec<String>> {
    let config: Value = serde_json::from_slice(&read(source, config)?).into_diagnostic()?;
    serde_json::from_value(config["rootfs"]["diff_ids"].clone()).into_diagnostic()
}

/// The layers of the images that an engine lists by the digests of their manifests or indexes, as far as the cache knows
/// their documents: an engine says which images it has, and not what is in them. Of an index only `platform` counts: the
/// others may never have been pulled.
pub fn layers(cache: &Cache, images: &[Listed], platform: &Platform) -> HashSet<Digest> {
    let mut has = HashSet::new();
    let ids: BTreeSet<_> = images.iter().map(|image| image.id.as_str()).collect();
    for id in ids {
        // What the cache does not know, or cannot read, is sent.
        if let Ok(root) = cache.resolve(Some(id)) {
            collect(cache, &root, platform, &mut has);
        }
    }
    has
}

fn collect(cache: &Cache, root: &Descriptor, platform: &Platform, has: &mut HashSet<Digest>) {
    let is_wanted = |image: &Descriptor| image == root || platform_of(image).as_ref() == Some(platform);
    for node in GraphWalk::new(cache, std::slice::from_ref(root)).descend_into(is_wanted) {
        if let NodeContent::Document(manifest) = node.content
            && let ManifestContent::Image { layers, .. } = manifest.content
        {
            has.extend(layers.iter().map(|layer| layer.digest().clone()));
        }
    }
}

/// Keeps the documents of an image that an engine now has, for the next [`layers`].
pub fn remember(cache: &Cache, source: &dyn Source, documents: impl IntoIterator<Item = Descriptor>) {
    if cache.is_read_only() {
        return;
    }
    for document in documents {
        // One that cannot be kept costs the next load some bytes, and nothing else.
        let there = crate::store::Sink::exists(cache, &document).unwrap_or(true);
        if !there {
            let _ = crate::store::Sink::push(cache, &document, source);
        }
    }
}
