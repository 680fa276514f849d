//! One attachment among those of an image.

use miette::{Report, miette};
use oci_spec::image::ANNOTATION_TITLE;

use super::referrers::{AttachedBlob, AttachedManifest, ImageReferrers, SubjectReferrers};
use crate::cli::AttachmentName;
use crate::error::Result;
use crate::image::{Digest, predicate};
use crate::unique::each_once;

/// The annotations that name the predicate type of an attestation: those of BuildKit, and of sigstore bundles.
const PREDICATES: [&str; 2] = [predicate::ANNOTATION, "dev.sigstore.bundle.predicateType"];
/// The start of the artifact types of sigstore bundles.
const BUNDLES: &str = "application/vnd.dev.sigstore.bundle";

/// Returns the content of the attachment that is named, by the first of the names that means one. What is attached to the index
/// itself is meant before what is attached to the image for a platform.
///
/// # Errors
/// Returns an error if there is none, or if there are several.
pub(crate) fn content<'a>(found: &'a ImageReferrers, names: &[AttachmentName]) -> Result<&'a AttachedBlob> {
    let named = names.iter().map(|name| (name, matches(found, name))).find(|(_, matches)| !matches.is_empty());
    let Some((name, matches)) = named else { return Err(none(found)) };
    let of_index: Vec<_> = matches.iter().filter(|(subject, _)| subject.platform.is_none()).copied().collect();
    let meant = if of_index.is_empty() { matches } else { of_index };
    let [(_, attached)] = meant[..] else { return Err(ambiguous(&meant)) };
    let blobs: Vec<_> = match name {
        AttachmentName::Digest(digits) if !begins(&attached.blob.digest, digits) => {
            attached.contents.iter().filter(|content| begins(&content.blob.digest, digits)).collect()
        }
        _ => attached.contents.iter().collect(),
    };
    match blobs[..] {
        [one] => Ok(one),
        [] => Err(miette!("{} has no content", attached.blob.digest)),
        _ => Err(miette!(
            help = "name one by its digest",
            "{} has {} files: {}",
            attached.blob.digest,
            blobs.len(),
            blobs.iter().map(|blob| described(blob)).collect::<Vec<_>>().join(", ")
        )),
    }
}

/// Returns the predicate types that an attachment names, each once.
pub(crate) fn predicates(attached: &AttachedManifest) -> impl Iterator<Item = &str> {
    let all = attached.contents.iter().map(|content| &content.annotations).chain([&attached.annotations]);
    let named = all.flat_map(|annotations| PREDICATES.into_iter().filter_map(|key| annotations.get(key)));
    each_once(named.map(String::as_str)).into_iter()
}

/// Returns the name of the file that was attached, if the attachment says it (image-spec, "Pre-Defined Annotation Keys").
pub(crate) fn title(content: &AttachedBlob) -> Option<&str> {
    content.annotations.get(ANNOTATION_TITLE).map(String::as_str)
}

fn matches<'a>(found: &'a ImageReferrers, name: &AttachmentName) -> Vec<Found<'a>> {
    match name {
        AttachmentName::Digest(digits) => with(found, &|attached| has_digest(attached, digits)),
        AttachmentName::Type(wanted) => with(found, &|attached| attached.artifact_type.as_ref() == Some(wanted)),
        AttachmentName::Kind(kind) => {
            let states = |attached: &AttachedManifest| predicates(attached).any(|one| one.starts_with(kind.predicate));
            let by_type = with(found, &|attached| {
                let is_of_type = attached.artifact_type.as_ref().is_some_and(|one| kind.types.contains(&one.as_str()));
                is_of_type && (states(attached) || predicates(attached).next().is_none())
            });
            if !by_type.is_empty() {
                return by_type;
            }
            // The document itself is meant before its signature.
            let (signed, unsigned): (Vec<_>, Vec<_>) = with(found, &states).into_iter().partition(|(_, attached)| {
                attached.artifact_type.as_deref().is_some_and(|one| one.starts_with(BUNDLES))
            });
            if unsigned.is_empty() { signed } else { unsigned }
        }
    }
}

type Found<'a> = (&'a SubjectReferrers, &'a AttachedManifest);

/// Returns the attachments for which `is_meant` holds, on all levels, each once.
fn with<'a>(found: &'a ImageReferrers, is_meant: &dyn Fn(&AttachedManifest) -> bool) -> Vec<Found<'a>> {
    let mut matches: Vec<Found> = Vec::new();
    for subject in &found.subjects {
        let mut left: Vec<_> = subject.attached.iter().rev().collect();
        while let Some(attached) = left.pop() {
            if is_meant(attached) && matches.iter().all(|(_, known)| known.blob.digest != attached.blob.digest) {
                matches.push((subject, attached));
            }
            left.extend(attached.attached.iter().rev());
        }
    }
    matches
}

fn has_digest(attached: &AttachedManifest, digits: &str) -> bool {
    let contents = attached.contents.iter().map(|content| &content.blob.digest);
    std::iter::once(&attached.blob.digest).chain(contents).any(|digest| begins(digest, digits))
}

fn begins(digest: &Digest, digits: &str) -> bool {
    digest.digest().starts_with(digits)
}

fn described(blob: &AttachedBlob) -> String {
    match title(blob) {
        Some(title) => format!("{} ({title})", blob.blob.digest),
        None => blob.blob.digest.to_string(),
    }
}

fn none(found: &ImageReferrers) -> Report {
    let mut types: Vec<_> = with(found, &|_| true)
        .into_iter()
        .map(|(_, attached)| attached.artifact_type.clone().unwrap_or_else(|| attached.blob.digest.to_string()))
        .collect();
    types.sort();
    types.dedup();
    if types.is_empty() {
        return miette!(
            help = "build the image with `--sbom` or `--provenance`, or attach a file with `cargo oci attach`",
            "nothing is attached to it"
        );
    }
    miette!(help = format!("attached are: {}", types.join(", ")), "there is no such attachment")
}

fn ambiguous(several: &[Found]) -> Report {
    let names: Vec<_> = several
        .iter()
        .map(|(subject, attached)| match &subject.platform {
            Some(platform) => format!("{} of {platform}", attached.blob.digest),
            None => attached.blob.digest.to_string(),
        })
        .collect();
    let is_of_platforms = several.iter().all(|(subject, _)| subject.platform.is_some());
    let or_platform = if is_of_platforms { ", or the image's platform with `--platform`" } else { "" };
    miette!(
        help = format!("name one by its digest{or_platform}"),
        "there are {} such attachments: {}",
        several.len(),
        names.join(", ")
    )
}
