//! Reads the documents that this program attaches to images: SBOMs and statements.

use miette::IntoDiagnostic;
use oci_spec::image::{ANNOTATION_TITLE, Descriptor, Digest};
use serde_json::Value;

use super::referrer::ReferrerManifest;
use super::statement::{IN_TOTO, Statement};
use crate::config::SbomFormat;
use crate::config::sbom::SPDX_AS_TEXT;
use crate::store::{MAX_DOCUMENT_BYTES, Source, read};

/// A document that is attached to an image.
pub(crate) struct AttachedContent {
    /// What it is.
    pub kind: AttachedKind,
    /// The name of its file; empty if it has none.
    pub file: String,
}

/// What a document is.
pub(crate) enum AttachedKind {
    /// An SBOM.
    Sbom(SbomFormat, Value),
    /// A statement, such as provenance.
    Statement(Statement),
}

impl AttachedContent {
    /// Reads what a list of referrers names, if it is an SBOM or a statement about `subject`. What cannot be read is nothing:
    /// anybody may attach anything.
    pub(crate) fn read(source: &dyn Source, entry: &Descriptor, subject: &Digest) -> Option<AttachedContent> {
        let listed = entry.artifact_type().as_ref().map(ToString::to_string);
        let is_read = |kind: &str| kind == IN_TOTO || format(kind).is_some();
        if listed.is_some_and(|kind| !is_read(&kind)) {
            return None;
        }
        let found = ReferrerManifest::read(source, entry).ok()?;
        let [content] = &found.contents[..] else { return None };
        let is_about = found.subject.is_some_and(|found| found.digest() == subject);
        if !is_about || !is_read(&found.artifact_type) || content.size() > MAX_DOCUMENT_BYTES {
            return None;
        }
        let bytes = read(source, content).ok()?;
        let kind = match format(&found.artifact_type) {
            Some(format) => AttachedKind::Sbom(format, serde_json::from_slice(&bytes).into_diagnostic().ok()?),
            None => AttachedKind::Statement(Statement::read(&bytes).ok().filter(|about| about.is_about(subject))?),
        };
        let title = content.annotations().as_ref().and_then(|annotations| annotations.get(ANNOTATION_TITLE));
        Some(AttachedContent { kind, file: title.cloned().unwrap_or_default() })
    }
}

fn format(artifact_type: &str) -> Option<SbomFormat> {
    let is_it = |format: &SbomFormat| format.media_type() == artifact_type;
    let as_text = (artifact_type == SPDX_AS_TEXT).then_some(SbomFormat::Spdx);
    SbomFormat::ALL.into_iter().find(is_it).or(as_text)
}
