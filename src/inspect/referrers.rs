//! What is attached to an image: referrers, whose `subject` it is (image-spec, `manifest.md`), and the attestations of
//! BuildKit, which are in the index of the image for the platform `unknown/unknown`.

use std::collections::{HashMap, HashSet};

use miette::IntoDiagnostic;
use serde::Serialize;

use super::blob::{BlobInfo, annotations};
use crate::error::Result;
use crate::image::manifest::{Annotations, Manifest, ManifestContent};
use crate::image::media_type::is_document;
use crate::image::{Descriptor, Digest};
use crate::platform::Platform;
use crate::store::layout::subject_lists::{is_referrers_list, listed_subject};
use crate::store::{Missing, Source, read};

/// A manifest that is attached to another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AttachedManifest {
    /// The manifest.
    #[serde(flatten)]
    pub blob: BlobInfo,
    /// Whether it is listed, but not there.
    pub missing: bool,
    /// The artifact type, or the media type of the config if there is none.
    pub artifact_type: Option<String>,
    /// The annotations of the manifest, or of its descriptor if there are none.
    pub annotations: Annotations,
    /// The blobs.
    pub contents: Vec<AttachedBlob>,
    /// The manifests attached to this one, such as the signature of an SBOM.
    pub attached: Vec<AttachedManifest>,
}

/// The referrers of an image: of its index first, then of its image for each platform.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ImageReferrers {
    /// The full reference of the image.
    pub reference: String,
    /// The index and the manifests.
    pub subjects: Vec<SubjectReferrers>,
    /// How many referrers were left out because there are too many.
    pub omitted: usize,
}

/// The referrers of an index, or of an image for one platform.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SubjectReferrers {
    /// The platform, or `None` for an index.
    pub platform: Option<Platform>,
    /// The digest of the index or manifest.
    pub digest: Digest,
    /// The referrers.
    pub attached: Vec<AttachedManifest>,
}

/// A blob of an attached manifest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AttachedBlob {
    /// The blob.
    #[serde(flatten)]
    pub blob: BlobInfo,
    /// The annotations of the descriptor.
    pub annotations: Annotations,
}

/// Returns the referrers among the entries of a layout, by the digest of their subject. They are found by their `subject`, and
/// in the [lists](crate::store::layout::subject_lists) of their subjects.
///
/// Entries that cannot be read are skipped. Reading the image reports them.
pub(crate) fn group_by_subject(source: &dyn Source, entries: &[Descriptor]) -> HashMap<String, Vec<Descriptor>> {
    let mut groups: HashMap<String, Vec<Descriptor>> = HashMap::new();
    let mut read_entries = HashSet::new();
    for entry in entries.iter().filter(|entry| is_document(entry.media_type())) {
        // The same manifest may have several tags.
        if !is_referrers_list(entry) && !read_entries.insert(entry.digest()) {
            continue;
        }
        let Ok(bytes) = read(source, entry) else { continue };
        let Ok(manifest) = Manifest::parse(entry.media_type(), &bytes) else { continue };
        let referrers = match (manifest.subject, manifest.content, listed_subject(entry)) {
            (Some(subject), ..) => vec![(subject.digest().to_string(), entry.clone())],
            (None, ManifestContent::Index(listed), Some(subject)) => {
                listed.into_iter().map(|listed| (subject.to_string(), listed)).collect()
            }
            _ => Vec::new(),
        };
        for (subject, descriptor) in referrers {
            let group = groups.entry(subject).or_default();
            if group.iter().all(|known| known.digest() != descriptor.digest()) {
                group.push(descriptor);
            }
        }
    }
    groups
}

impl AttachedManifest {
    /// Reads one manifest, without the referrers of it.
    ///
    /// # Errors
    /// Returns an error if the manifest cannot be read.
    pub fn read(source: &dyn Source, descriptor: &Descriptor) -> Result<AttachedManifest> {
        let found = read_one(source, descriptor)?;
        Ok(found.0)
    }
}

/// Reads a manifest. Returns its subject too.
pub(super) fn read_one(source: &dyn Source, descriptor: &Descriptor) -> Result<(AttachedManifest, Option<Digest>)> {
    let mut attached = AttachedManifest {
        blob: BlobInfo::new(descriptor),
        missing: false,
        artifact_type: descriptor.artifact_type().as_ref().map(ToString::to_string),
        annotations: annotations(descriptor),
        contents: Vec::new(),
        attached: Vec::new(),
    };
    let bytes = match read(source, descriptor) {
        Err(error) if error.downcast_ref::<Missing>().is_some() => {
            attached.missing = true;
            return Ok((attached, None));
        }
        bytes => bytes?,
    };
    let manifest = Manifest::parse(descriptor.media_type(), &bytes).into_diagnostic()?;
    let contents = match manifest.content {
        ManifestContent::Index(entries) => entries,
        ManifestContent::Image { config, layers } => {
            attached.artifact_type = Some(config.media_type().to_string());
            layers
        }
    };
    attached.artifact_type = manifest.artifact_type.or(attached.artifact_type);
    if !manifest.annotations.is_empty() {
        attached.annotations = manifest.annotations;
    }
    attached.contents = contents.iter().map(AttachedBlob::new).collect();
    Ok((attached, manifest.subject.map(|subject| subject.digest().clone())))
}

impl AttachedBlob {
    fn new(descriptor: &Descriptor) -> AttachedBlob {
        AttachedBlob { blob: BlobInfo::new(descriptor), annotations: annotations(descriptor) }
    }
}
