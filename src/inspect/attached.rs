//! What is attached to an image: manifests whose `subject` it is (image-spec, `manifest.md`), and what BuildKit attests in
//! the image's own index, for the platform `unknown/unknown`.

use std::collections::HashMap;

use miette::IntoDiagnostic;
use serde::Serialize;

use super::{Blob, annotations};
use crate::error::Result;
use crate::image::manifest::{Annotations, Manifest, ManifestContent};
use crate::image::media_type::is_document;
use crate::image::{Descriptor, Digest};
use crate::platform::Platform;
use crate::store::layout::tag;
use crate::store::{Missing, Source, read};

/// A manifest that is attached to another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Attached {
    /// The manifest.
    #[serde(flatten)]
    pub blob: Blob,
    /// Whether it is listed, but not there.
    pub missing: bool,
    /// What it is: the artifact type, or that of its config where it has none.
    pub artifact_type: Option<String>,
    /// Of the manifest, or of its descriptor where it has none.
    pub annotations: Annotations,
    /// What it holds.
    pub contents: Vec<Content>,
    /// What is attached to it, such as the signature of an SBOM.
    pub attached: Vec<Attached>,
}

/// What is attached to an image: to its index, first, and to its image for each platform.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Attachments {
    /// Where the image is, in full.
    pub reference: String,
    /// What something can be attached to.
    pub subjects: Vec<Subject>,
}

/// An index, or an image for one platform.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Subject {
    /// What it is for; nothing for an index.
    pub platform: Option<Platform>,
    /// Of its manifest.
    pub digest: Digest,
    /// What is attached to it.
    pub attached: Vec<Attached>,
}

/// A blob of something attached.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Content {
    /// The blob.
    #[serde(flatten)]
    pub blob: Blob,
    /// Of its descriptor.
    pub annotations: Annotations,
}

/// Descriptors of what is attached to the content of a digest, by the place where that is.
pub type Referrers<'a> = &'a (dyn Fn(&Digest) -> Result<Vec<Descriptor>> + Sync);

/// Whose attestation a descriptor in an index is (BuildKit, `attestation-storage.md`).
pub fn attests(descriptor: &Descriptor) -> Option<&str> {
    let annotations = descriptor.annotations().as_ref()?;
    annotations.get("vnd.docker.reference.digest").map(String::as_str)
}

/// Whether an entry of a layout is no image, but a list of what is attached to one, as registries without a referrers API
/// have it (distribution-spec, "Referrers Tag Schema").
pub fn is_fallback(entry: &Descriptor) -> bool {
    let named =
        |tag: &str| tag.split_once('-').is_some_and(|(name, hex)| Digest::try_from(format!("{name}:{hex}")).is_ok());
    tag(entry).is_some_and(named)
}

/// What is attached to what among the entries of a layout, by their `subject` and by such lists ([`is_fallback`]).
///
/// An entry that cannot be read is attached to nothing here: who looks at it will hear why.
pub fn among(source: &dyn Source, entries: &[Descriptor]) -> HashMap<String, Vec<Descriptor>> {
    let mut found: HashMap<String, Vec<Descriptor>> = HashMap::new();
    for entry in entries.iter().filter(|entry| is_document(entry.media_type())) {
        let Ok(bytes) = read(source, entry) else { continue };
        let Ok(manifest) = Manifest::parse(entry.media_type(), &bytes) else { continue };
        let attached = match (manifest.subject, manifest.content) {
            (Some(subject), _) => vec![(subject.digest().to_string(), entry.clone())],
            (None, ManifestContent::Index(listed)) if is_fallback(entry) => {
                let subject = tag(entry).unwrap_or_default().replacen('-', ":", 1);
                listed.into_iter().map(|listed| (subject.clone(), listed)).collect()
            }
            _ => Vec::new(),
        };
        for (subject, descriptor) in attached {
            let known = found.entry(subject).or_default();
            if known.iter().all(|known| known.digest() != descriptor.digest()) {
                known.push(descriptor);
            }
        }
    }
    found
}

/// No real one has something attached to something attached to … more often than this.
const MOST_DEPTH: usize = 4;

impl Attached {
    /// Reads what is attached to `subject`, and what is attached to that.
    ///
    /// # Errors
    /// Content that is not what its digest says; no answer.
    pub fn of(source: &dyn Source, referrers: Referrers, subject: &Digest) -> Result<Vec<Attached>> {
        all(source, referrers, subject, 0)
    }

    /// Reads one that is found without its subject.
    ///
    /// # Errors
    /// See [`Attached::of`].
    pub fn read(source: &dyn Source, descriptor: &Descriptor) -> Result<Attached> {
        let found = one(source, descriptor)?;
        Ok(found.0)
    }
}

fn all(source: &dyn Source, referrers: Referrers, subject: &Digest, depth: usize) -> Result<Vec<Attached>> {
    let mut found = Vec::new();
    if depth == MOST_DEPTH {
        return Ok(found);
    }
    for descriptor in referrers(subject)? {
        let (mut attached, of) = one(source, &descriptor)?;
        // A list says what it likes; what is attached says itself to what.
        if attached.missing || of.as_ref() == Some(subject) {
            attached.attached = all(source, referrers, &attached.blob.digest, depth + 1)?;
            found.push(attached);
        }
    }
    Ok(found)
}

/// One of them, and what it says it is attached to.
fn one(source: &dyn Source, descriptor: &Descriptor) -> Result<(Attached, Option<Digest>)> {
    let mut attached = Attached {
        blob: Blob::new(descriptor),
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
    attached.contents = contents.iter().map(Content::new).collect();
    Ok((attached, manifest.subject.map(|subject| subject.digest().clone())))
}

impl Content {
    fn new(descriptor: &Descriptor) -> Content {
        Content { blob: Blob::new(descriptor), annotations: annotations(descriptor) }
    }
}
