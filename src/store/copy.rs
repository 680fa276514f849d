//! The one verb between two stores.

use std::collections::HashMap;

use miette::{Context, IntoDiagnostic, miette};
use oci_spec::image::Descriptor;

use super::{MOST_DEPTH, MOST_DOCUMENT_BYTES, Sink, Source, is_mismatch, read};
use crate::error::Result;
use crate::image::digest::Digest;
use crate::image::manifest::{self, Manifest};
use crate::image::media_type::is_document;
use crate::parallel::{FEW, MANY, each, each_of};

/// What is no larger is on its way as long as an answer is.
pub const SMALL: u64 = 256 << 10;

/// Copies `roots` and all that they name from `source` to `sink`, children first, skipping what is there.
///
/// # Errors
/// The first error of either side; what was copied until then stays.
pub fn copy(source: &dyn Source, sink: &dyn Sink, roots: &[Descriptor]) -> Result<()> {
    let mut graph = Graph::default();
    for root in roots {
        graph.walk(source, root, 0)?;
    }
    let is_there = each(&graph.blobs, MANY, |blob| sink.exists(blob))?;
    let missing = graph.blobs.iter().zip(is_there).filter(|(_, is_there)| !is_there).map(|(blob, _)| blob);
    let (small, large): (Vec<_>, Vec<_>) = missing.partition(|blob| blob.size() <= SMALL);
    each_of(&[(&large, FEW), (&small, MANY)], |blob| push(source, sink, blob))?;
    for level in &graph.documents {
        each(level, MANY, |document| match sink.exists(document)? {
            true => Ok(()),
            false => push(source, sink, document),
        })?;
    }
    Ok(())
}

fn push(source: &dyn Source, sink: &dyn Sink, descriptor: &Descriptor) -> Result<()> {
    let push = || {
        let pushed = sink.push(descriptor, source);
        pushed.wrap_err_with(|| format!("cannot copy {} from {}", descriptor.digest(), source.location()))
    };
    match push() {
        // Bytes that are wrong once may have been wrong on their way.
        Err(error) if is_mismatch(&error) => push(),
        pushed => pushed,
    }
}

/// What [`copy`] copies.
#[derive(Default)]
struct Graph {
    /// How many levels of documents each is, itself included. By digest and size: one that is called by two sizes is
    /// looked at under both.
    seen: HashMap<(Digest, u64), usize>,
    blobs: Vec<Descriptor>,
    /// Those that name no others first, then those that name these, and so on.
    documents: Vec<Vec<Descriptor>>,
}

impl Graph {
    /// Gives how many levels of documents it is, itself included.
    fn walk(&mut self, source: &dyn Source, descriptor: &Descriptor, depth: usize) -> Result<usize> {
        let name = (descriptor.digest().clone(), descriptor.size());
        if let Some(levels) = self.seen.get(&name) {
            return Ok(*levels);
        }
        if !is_document(descriptor.media_type()) {
            self.seen.insert(name, 0);
            self.blobs.push(descriptor.clone());
            return Ok(0);
        }
        if depth > MOST_DEPTH {
            return Err(miette!(
                "{} in {} is nested deeper than {MOST_DEPTH} indexes",
                descriptor.digest(),
                source.location()
            ));
        }
        let bytes = read(source, descriptor)?;
        let parsed = manifest::parse(descriptor.media_type(), &bytes)
            .into_diagnostic()
            .wrap_err_with(|| format!("cannot use {} from {}", descriptor.digest(), source.location()))?;
        if let Manifest::Image { config, .. } = &parsed
            && config.size() > MOST_DOCUMENT_BYTES
        {
            return Err(miette!(
                "the config {} in {} has {} bytes; more than {MOST_DOCUMENT_BYTES} are refused",
                config.digest(),
                source.location(),
                config.size()
            ));
        }
        let mut below = 0;
        for child in parsed.children() {
            below = below.max(self.walk(source, &child, depth + 1)?);
        }
        if self.documents.len() == below {
            self.documents.push(Vec::new());
        }
        self.documents[below].push(descriptor.clone());
        self.seen.insert(name, below + 1);
        Ok(below + 1)
    }
}
