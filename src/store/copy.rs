//! Copying images from one store to another.

use std::collections::{HashMap, HashSet};

use miette::{Context, miette};
use oci_spec::image::Descriptor;

use super::error::mismatch;
use super::graph::{GraphWalk, NodeContent, NodeKey, key};
use super::sink::Sink;
use super::source::{MAX_DOCUMENT_BYTES, Source};
use crate::error::Result;
use crate::image::manifest::ManifestContent;
use crate::parallel::{FEW, Gate, MANY, each, each_of};

/// Blobs up to this size take about as long to send as the response to a request: 80 ms at 50 Mbit/s.
pub(crate) const SMALL_BLOB: u64 = 512 << 10;

/// Copies `roots` and everything they refer to from `source` to `sink`, children first. Skips what is there.
///
/// # Errors
/// Returns the first error of either store. What was copied until then stays.
pub fn copy(source: &dyn Source, sink: &dyn Sink, roots: &[Descriptor]) -> Result<()> {
    copy_planned(source, sink, &CopyPlan::new(source, roots)?)
}

/// Copies everything that `root` refers to, but not `root` itself, as [`copy`] does.
///
/// # Errors
/// See [`copy`].
pub(crate) fn copy_content(source: &dyn Source, sink: &dyn Sink, root: &Descriptor) -> Result<()> {
    let mut plan = CopyPlan::new(source, std::slice::from_ref(root))?;
    plan.documents.retain(|document| document.digest() != root.digest());
    copy_planned(source, sink, &plan)
}

fn copy_planned(source: &dyn Source, sink: &dyn Sink, plan: &CopyPlan) -> Result<()> {
    let (small, large): (Vec<_>, Vec<_>) = plan.blobs.iter().partition(|blob| blob.size() <= SMALL_BLOB);
    let transfers = Gate::new(FEW);
    // Each is sent as soon as it is known to be missing, whatever the others wait for.
    each_of(&[(&large, MANY), (&small, MANY)], |blob| {
        if sink.exists(blob)? {
            return Ok(());
        }
        let _turn = (blob.size() > SMALL_BLOB).then(|| transfers.enter());
        push(source, sink, blob)
    })?;
    for level in &plan.levels() {
        each(level, MANY, |document| if sink.exists(document)? { Ok(()) } else { push(source, sink, document) })?;
    }
    Ok(())
}

fn push(source: &dyn Source, sink: &dyn Sink, descriptor: &Descriptor) -> Result<()> {
    match push_once(source, sink, descriptor) {
        // The bytes may have been corrupted on the way: try again.
        Err(error) if mismatch(&error).is_some() => push_once(source, sink, descriptor),
        pushed => pushed,
    }
}

fn push_once(source: &dyn Source, sink: &dyn Sink, descriptor: &Descriptor) -> Result<()> {
    let pushed = sink.push(descriptor, source);
    pushed.wrap_err_with(|| format!("cannot copy {} from {}", descriptor.digest(), source.location()))
}

/// What [`copy`] copies.
#[derive(Default)]
struct CopyPlan {
    blobs: Vec<Descriptor>,
    documents: Vec<Descriptor>,
    /// What each document refers to.
    children: HashMap<NodeKey, Vec<NodeKey>>,
}

impl CopyPlan {
    fn new(source: &dyn Source, roots: &[Descriptor]) -> Result<CopyPlan> {
        let mut plan = CopyPlan::default();
        let mut blobs = HashSet::new();
        for node in GraphWalk::new(source, roots) {
            match node.content {
                NodeContent::Leaf => {
                    if blobs.insert(key(&node.descriptor)) {
                        plan.blobs.push(node.descriptor);
                    }
                }
                NodeContent::Unusable(error) => return Err(error.in_document(&node.descriptor, source)),
                NodeContent::Document(manifest) => {
                    if let ManifestContent::Image { config, .. } = &manifest.content {
                        check_config(source, config)?;
                    }
                    let children = manifest.children().iter().map(key).collect();
                    plan.children.insert(key(&node.descriptor), children);
                    plan.documents.push(node.descriptor);
                }
            }
        }
        Ok(plan)
    }

    /// Returns the documents by level: each refers only to those of lower levels, which come first.
    fn levels(&self) -> Vec<Vec<Descriptor>> {
        let mut heights = HashMap::new();
        let mut levels = Vec::new();
        for document in &self.documents {
            let height = self.height(&key(document), &mut heights);
            if levels.len() < height {
                levels.resize(height, Vec::new());
            }
            levels[height - 1].push(document.clone());
        }
        levels
    }

    /// Returns how many levels of documents there are from a node on: 0 for a blob.
    fn height(&self, node: &NodeKey, heights: &mut HashMap<NodeKey, usize>) -> usize {
        if let Some(height) = heights.get(node) {
            return *height;
        }
        let height = self
            .children
            .get(node)
            .map_or(0, |children| 1 + children.iter().map(|child| self.height(child, heights)).max().unwrap_or(0));
        heights.insert(node.clone(), height);
        height
    }
}

fn check_config(source: &dyn Source, config: &Descriptor) -> Result<()> {
    if config.size() > MAX_DOCUMENT_BYTES {
        return Err(miette!(
            "the config {} in {} has {} bytes, which exceed the limit of {MAX_DOCUMENT_BYTES}",
            config.digest(),
            source.location(),
            config.size()
        ));
    }
    Ok(())
}
