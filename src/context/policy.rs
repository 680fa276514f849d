//! An image, and a policy → the rules that it breaks.

use jiff::Timestamp;
use miette::{IntoDiagnostic, Report, miette};
use oci_spec::image::ANNOTATION_BASE_IMAGE_NAME;
use serde_json::Value;

use super::subject::SignableManifest;
use crate::error::Result;
use crate::event::VerifiedImage;
use crate::image::manifest::{Manifest, ManifestContent};
use crate::policy::{BrokenRule, PolicyFacts};
use crate::store::{Source, read};

/// How an image without a base is called.
const NO_BASE: &str = "scratch";

/// Returns what the manifests and configs of an image say: its bases, and when it was made.
///
/// # Errors
/// Returns an error if one cannot be read.
pub(crate) fn facts(source: &dyn Source, manifests: &[SignableManifest]) -> Result<PolicyFacts> {
    let mut facts = PolicyFacts::default();
    for manifest in manifests {
        let bytes = read(source, &manifest.descriptor)?;
        let parsed = Manifest::parse(manifest.descriptor.media_type(), &bytes).into_diagnostic()?;
        let ManifestContent::Image { config, .. } = parsed.content else { continue };
        let base = parsed.annotations.get(ANNOTATION_BASE_IMAGE_NAME).cloned().unwrap_or(NO_BASE.to_owned());
        if !facts.bases.contains(&base) {
            facts.bases.push(base);
        }
        let config: Value = serde_json::from_slice(&read(source, &config)?).unwrap_or_default();
        let created = config["created"].as_str().and_then(|text| text.parse::<Timestamp>().ok());
        facts.created = facts.created.into_iter().chain(created).min();
    }
    Ok(facts)
}

/// Adds what is signed of a verified image.
pub(crate) fn with_signed(facts: PolicyFacts, verified: &VerifiedImage) -> PolicyFacts {
    let signed = verified.manifests.iter().flat_map(|manifest| &manifest.signed);
    PolicyFacts {
        certificate: verified.certificate().cloned(),
        is_signed: true,
        documents: signed.map(|said| (said.predicate_type.clone(), said.predicate.clone())).collect(),
        ..facts
    }
}

/// Returns the error of an image that breaks rules.
pub(crate) fn error(image: &str, broken: &[BrokenRule], help: &str) -> Report {
    let lines: Vec<_> = broken.iter().map(|broken| format!("  {}: {}", broken.rule, broken.evidence)).collect();
    miette!(help = help.to_owned(), "{image} breaks the policy\n{}", lines.join("\n"))
}
