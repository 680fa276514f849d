//! What validation finds.

use miette::Report;
use oci_spec::image::{Descriptor, MediaType};
use serde::Serialize;

use crate::image::digest::{FoundSize, Mismatch};
use crate::image::media_type::as_oci;
use crate::platform::Platform;
use crate::store::error::{Missing, mismatch};

/// Invalid content of an image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// The digest of the content.
    pub digest: String,
    /// Which part of the image it is.
    pub part: ProblemPart,
    /// The platforms whose images have it, if known.
    pub platforms: Vec<Platform>,
    /// What is wrong.
    pub what: String,
}

/// A part of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ProblemPart {
    /// An index of images.
    Index,
    /// The manifest of an image.
    Manifest,
    /// The config of an image.
    Config,
    /// A layer of an image.
    Layer,
    /// Other content that an index lists.
    Other,
}

impl ProblemPart {
    /// Returns the part that an entry of an index is.
    pub(super) fn of_entry(descriptor: &Descriptor) -> ProblemPart {
        match as_oci(descriptor.media_type()) {
            MediaType::ImageIndex => ProblemPart::Index,
            MediaType::ImageManifest => ProblemPart::Manifest,
            _ => ProblemPart::Other,
        }
    }
}

impl Problem {
    /// Creates a problem from an error.
    pub(super) fn new(descriptor: &Descriptor, part: ProblemPart, platforms: Vec<Platform>, error: &Report) -> Problem {
        let what = match mismatch(error) {
            Some(Mismatch::Digest { found, .. }) => format!("its content has the digest {found}"),
            Some(Mismatch::Size { expected, found: FoundSize::Only(bytes), .. }) => {
                format!("it has only {bytes} of {expected} bytes")
            }
            Some(Mismatch::Size { expected, found: FoundSize::More, .. }) => {
                format!("it has more than {expected} bytes")
            }
            Some(Mismatch::Algorithm(_)) => "cannot verify its digest: expected sha256 or sha512".to_owned(),
            None if error.downcast_ref::<Missing>().is_some() => "it is missing".to_owned(),
            None => error.chain().map(ToString::to_string).collect::<Vec<_>>().join(": "),
        };
        Problem { digest: descriptor.digest().to_string(), part, platforms, what }
    }
}
