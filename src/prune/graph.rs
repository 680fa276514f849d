//! Which manifests of a repository need which others: an index its images, and everything what is attached to it.

use std::collections::{BTreeMap, HashSet};

use oci_spec::image::Digest;

use crate::image::cosign_tag::tagged_subject;
use crate::image::manifest::{Manifest, ManifestContent, is_for_none, platform_of};
use crate::image::media_type::is_config;

/// A manifest or an index.
#[derive(Clone, Debug)]
pub(super) struct ManifestNode {
    /// What it is.
    pub kind: String,
    /// What it refers to.
    children: Vec<Digest>,
    /// What it is attached to.
    subjects: Vec<Digest>,
    /// Whether a tag names it that people use.
    pub is_tagged: bool,
}

impl ManifestNode {
    /// Creates the node of something else than an image or an index, which is kept.
    pub(super) fn other(kind: String) -> ManifestNode {
        ManifestNode { kind, children: Vec::new(), subjects: Vec::new(), is_tagged: true }
    }

    /// Creates the node of a manifest with these tags.
    pub(super) fn new(manifest: &Manifest, tags: &[String]) -> ManifestNode {
        let attached_to: Vec<_> = tags.iter().filter_map(|tag| tagged_subject(tag)).collect();
        let is_tagged = tags.len() > attached_to.len();
        let subject = manifest.subject.as_ref().map(|subject| subject.digest().clone());
        let children = match &manifest.content {
            ManifestContent::Index(entries) => entries.iter().map(|entry| entry.digest().clone()).collect(),
            ManifestContent::Image { .. } => Vec::new(),
        };
        ManifestNode {
            kind: kind(manifest),
            children,
            subjects: subject.into_iter().chain(attached_to).collect(),
            is_tagged,
        }
    }

    /// Returns whether it is attached to something.
    pub(super) fn is_attachment(&self) -> bool {
        !self.subjects.is_empty()
    }

    /// Returns the digests of what it is attached to.
    pub(super) fn subjects(&self) -> &[Digest] {
        &self.subjects
    }
}

fn kind(manifest: &Manifest) -> String {
    match &manifest.content {
        ManifestContent::Index(entries) => {
            let platforms = entries.iter().filter(|entry| !is_for_none(entry)).filter_map(platform_of);
            let platforms: Vec<_> = platforms.map(|platform| platform.to_string()).collect();
            if platforms.is_empty() { "index".to_owned() } else { format!("index for {}", platforms.join(", ")) }
        }
        ManifestContent::Image { config, .. } => match &manifest.artifact_type {
            Some(kind) => kind.clone(),
            None if is_config(config.media_type()) => "image".to_owned(),
            None => config.media_type().to_string(),
        },
    }
}

/// All manifests and indexes of a repository that are known.
#[derive(Debug, Default)]
pub(super) struct NeedGraph(pub BTreeMap<String, ManifestNode>);

impl NeedGraph {
    /// Returns the untagged ones that stand alone: nothing refers to them, and they are attached to nothing.
    pub(super) fn untagged(&self) -> Vec<&str> {
        let children: HashSet<_> = self.0.values().flat_map(|node| &node.children).map(Digest::as_ref).collect();
        let is_alone = |(digest, node): &(&String, &ManifestNode)| {
            !node.is_tagged && !node.is_attachment() && !children.contains(digest.as_str())
        };
        self.0.iter().filter(is_alone).map(|(digest, _)| digest.as_str()).collect()
    }

    /// Returns what `roots` need, themselves included: what they refer to, and what is attached to any of that.
    pub(super) fn needed<'g>(&'g self, roots: impl IntoIterator<Item = &'g str>) -> HashSet<&'g str> {
        let mut attached: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (digest, node) in &self.0 {
            for subject in &node.subjects {
                attached.entry(subject.as_ref()).or_default().push(digest);
            }
        }
        let mut needed = HashSet::new();
        let mut next: Vec<&str> = roots.into_iter().collect();
        while let Some(digest) = next.pop() {
            if needed.insert(digest) {
                let children = self.0.get(digest).into_iter().flat_map(|node| &node.children);
                next.extend(children.map(AsRef::as_ref));
                next.extend(attached.get(digest).into_iter().flatten());
            }
        }
        needed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::digest::sha256;

    fn node(children: &[&str], subjects: &[&str], is_tagged: bool) -> ManifestNode {
        let digests = |names: &[&str]| names.iter().map(|name| sha256(name.as_bytes())).collect();
        ManifestNode { kind: String::new(), children: digests(children), subjects: digests(subjects), is_tagged }
    }

    #[test]
    fn images_of_a_tagged_index_are_needed() {
        let nodes = [
            ("index", node(&["amd64", "arm64"], &[], true)),
            ("amd64", node(&[], &[], false)),
            ("arm64", node(&[], &[], false)),
            ("sbom", node(&[], &["arm64"], false)),
            ("signature", node(&[], &["sbom"], false)),
            ("part", node(&["amd64"], &[], false)),
            ("old", node(&["s390x"], &[], false)),
            ("s390x", node(&[], &[], false)),
            ("provenance", node(&[], &["old"], false)),
        ];
        let graph = NeedGraph(nodes.map(|(name, node)| (sha256(name.as_bytes()).to_string(), node)).into());
        let digest = |name: &str| sha256(name.as_bytes()).to_string();
        let mut untagged = graph.untagged();
        untagged.sort_unstable();
        let mut expected = [digest("part"), digest("old")];
        expected.sort();
        assert_eq!(untagged, expected);
        let root = digest("index");
        let needed = graph.needed([root.as_str()]);
        for name in ["index", "amd64", "arm64", "sbom", "signature"] {
            assert!(needed.contains(digest(name).as_str()), "{name}");
        }
        assert_eq!(needed.len(), 5);
    }
}
