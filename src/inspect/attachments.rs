//! What is attached to images, level by level and up to a limit: what is attached to an image, what is attached to that, …

use std::collections::{HashMap, HashSet};
use std::sync::Mutex;

use super::referrers::{AttachedManifest, read_one};
use crate::error::Result;
use crate::image::{Descriptor, Digest};
use crate::parallel::{MANY, each, lock};
use crate::store::Source;
use crate::store::referrers::TooManyReferrers;

/// Lists the referrers of a digest.
pub(crate) type ListReferrers<'a> = &'a (dyn Fn(&Digest) -> Result<Vec<Descriptor>> + Sync);

/// The most levels of referrers of referrers.
const MOST_DEPTH: usize = 4;
/// The most attached manifests that are read.
const MOST_MANIFESTS: usize = 1_000;
/// The most bytes of them.
const MOST_BYTES: u64 = 64 << 20;

/// Reads what is attached to images. All that it reads together has a limit.
pub(crate) struct AttachmentReader<'a> {
    source: &'a dyn Source,
    referrers: ListReferrers<'a>,
    read: Mutex<ReadSoFar>,
}

#[derive(Default)]
struct ReadSoFar {
    manifests: usize,
    bytes: u64,
    omitted: usize,
    /// The subject of each manifest that was read. A list of a registry may name the same manifests for every digest.
    subjects: HashMap<Digest, Option<Digest>>,
}

/// An entry in the list of referrers of `subject`, which is that of the node `parent`.
struct ListEntry {
    parent: usize,
    subject: Digest,
    descriptor: Descriptor,
}

impl<'a> AttachmentReader<'a> {
    /// Creates a reader that has read nothing yet.
    pub(crate) fn new(source: &'a dyn Source, referrers: ListReferrers<'a>) -> AttachmentReader<'a> {
        AttachmentReader { source, referrers, read: Mutex::default() }
    }

    /// Returns how many manifests were left out, as far as they are known: what is attached to them was not listed.
    pub(crate) fn omitted(&self) -> usize {
        lock(&self.read).omitted
    }

    /// Returns the warning that manifests were left out, or `None` if none were.
    pub(crate) fn warning(&self) -> Option<String> {
        let omitted = self.omitted();
        (omitted > 0).then(|| {
            format!(
                "attachments are left out, at least {omitted}: the limits are {MOST_MANIFESTS} manifests and {} MiB of them",
                MOST_BYTES >> 20
            )
        })
    }

    /// Returns what is attached to each of the `subjects`, and what is attached to that.
    ///
    /// # Errors
    /// Returns an error if the referrers cannot be listed, or content does not match its digest.
    pub(crate) fn attached_to(&self, subjects: &[Digest]) -> Result<Vec<Vec<AttachedManifest>>> {
        // The nodes are the subjects, and then these, each with its parent. Parents come first.
        let mut nodes: Vec<(usize, AttachedManifest)> = Vec::new();
        let mut level: Vec<_> = subjects.iter().cloned().enumerate().collect();
        for _ in 0..MOST_DEPTH {
            let entries = self.limited(self.list(&level)?);
            let read = each(&entries, MANY, |entry| read_one(self.source, &entry.descriptor))?;
            level = Vec::new();
            for (entry, (attached, subject)) in entries.into_iter().zip(read) {
                // A list may be wrong: the subject in the manifest counts.
                if attached.missing || subject.as_ref() == Some(&entry.subject) {
                    level.push((subjects.len() + nodes.len(), attached.blob.digest.clone()));
                    nodes.push((entry.parent, attached));
                }
                lock(&self.read).subjects.insert(entry.descriptor.digest().clone(), subject);
            }
        }
        Ok(tree(subjects.len(), nodes))
    }

    /// Lists the referrers of a level. Those that are left out in any case are only counted.
    fn list(&self, level: &[(usize, Digest)]) -> Result<Vec<ListEntry>> {
        let most = MOST_MANIFESTS - lock(&self.read).manifests;
        let lists = each(level, MANY, |(parent, subject)| {
            let listed = match (self.referrers)(subject) {
                Err(error) if error.downcast_ref::<TooManyReferrers>().is_some() => {
                    lock(&self.read).omitted += 1;
                    return Ok(Vec::new());
                }
                listed => listed?,
            };
            let mut seen = HashSet::new();
            let mut entries = Vec::new();
            for descriptor in listed {
                let is_of_another = lock(&self.read)
                    .subjects
                    .get(descriptor.digest())
                    .is_some_and(|known| known.as_ref().is_some_and(|known| known != subject));
                if !is_of_another && seen.insert(descriptor.digest().clone()) {
                    entries.push(ListEntry { parent: *parent, subject: subject.clone(), descriptor });
                }
            }
            lock(&self.read).omitted += entries.len().saturating_sub(most);
            entries.truncate(most);
            Ok(entries)
        })?;
        Ok(lists.into_iter().flatten().collect())
    }

    /// Removes the entries that exceed the limit.
    fn limited(&self, entries: Vec<ListEntry>) -> Vec<ListEntry> {
        let mut read = lock(&self.read);
        let mut kept = Vec::new();
        for entry in entries {
            let bytes = read.bytes.saturating_add(entry.descriptor.size());
            if read.manifests < MOST_MANIFESTS && bytes <= MOST_BYTES {
                read.manifests += 1;
                read.bytes = bytes;
                kept.push(entry);
            } else {
                read.omitted += 1;
            }
        }
        kept
    }
}

/// Puts each node below its parent. The first `roots` nodes are not among `nodes`.
fn tree(roots: usize, mut nodes: Vec<(usize, AttachedManifest)>) -> Vec<Vec<AttachedManifest>> {
    let mut found = vec![Vec::new(); roots];
    // The last node has all its children.
    while let Some((parent, mut node)) = nodes.pop() {
        node.attached.reverse();
        match parent.checked_sub(roots) {
            None => found[parent].push(node),
            Some(parent) => nodes[parent].1.attached.push(node),
        }
    }
    for attached in &mut found {
        attached.reverse();
    }
    found
}
