//! What the owner of a key has said of an image, and what else is attached to it.

use std::io;

use miette::{Context, Report, miette};
use oci_spec::image::Descriptor;
use serde_json::Value;

use super::bundle::{BUNDLE, Bundle, Refused};
use super::key::PublicKey;
use super::referrer::Found;
use super::statement::{IN_TOTO, Statement};
use crate::error::Result;
use crate::image::{Digest, predicate};
use crate::store::{MAX_DOCUMENT_BYTES, Missing, Source, open, read};

/// Artifact types of SBOMs that are attached as they are, and the predicate types of the same when they are signed.
const SBOMS: [(&str, &str); 3] = [
    ("application/vnd.cyclonedx+json", predicate::CYCLONEDX),
    ("application/spdx+json", predicate::SPDX),
    ("text/spdx+json", predicate::SPDX),
];

/// A signed statement that is attached to its subject.
#[derive(Clone, Debug)]
pub struct Said {
    /// The manifest that carries it.
    pub manifest: Descriptor,
    /// The statement.
    pub statement: Statement,
    /// The bytes of its bundle.
    pub bundle: Vec<u8>,
}

/// What is attached to one subject.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// What the owner of the key has said of it.
    pub said: Vec<Said>,
    /// Bundles that say nothing of it: which, and why.
    pub refused: Vec<(Digest, String)>,
    /// SBOMs and provenance that are attached as they are: the predicate type of the same when it is signed.
    pub plain: Vec<&'static str>,
}

/// The predicate type of SBOMs of an artifact type, when they are signed; nothing for what is no SBOM.
pub(super) fn sbom_predicate(artifact_type: &str) -> Option<&'static str> {
    SBOMS.iter().find(|(own, _)| *own == artifact_type).map(|(_, predicate_type)| *predicate_type)
}

impl Known {
    /// Whether the owner of the key has said something of that type.
    pub fn has_said(&self, predicate_type: &str) -> bool {
        self.said.iter().any(|said| said.statement.predicate_type == predicate_type)
    }

    /// Whether it is signed: a statement about something else of it does not say that.
    pub fn is_signed(&self) -> bool {
        self.signature().is_some()
    }

    /// The signature of the subject.
    pub fn signature(&self) -> Option<&Said> {
        self.said.iter().find(|said| said.statement.is_signature())
    }

    /// Why it is not signed, for the user; `what` is the image.
    pub fn unsigned(&self, what: &str, key: &str) -> Report {
        let refused = self.refused.iter().map(|(digest, why)| format!("{digest}: {why}")).collect::<Vec<_>>();
        let cause = match &refused[..] {
            [] => format!("nothing that is attached to {what} is a signature by this key"),
            refused => refused.join("\n"),
        };
        let help = match self.refused.is_empty() {
            true => format!("`cargo oci sign {what} --key PRIVATE-KEY` signs it"),
            false => format!(
                "verify with the public key of who has signed it; `cargo oci referrers {what}` lists the signatures"
            ),
        };
        miette!(help = help, "{cause}").wrap_err(format!("{what} is not signed by {key}"))
    }
}

/// Reads what is `listed` as attached to `subject`.
///
/// # Errors
/// What is not what its digest says; what names the key, and was changed since it was signed; an SBOM that is another
/// than the one that is signed.
pub fn look(source: &dyn Source, listed: &[Descriptor], subject: &Digest, key: &PublicKey) -> Result<Known> {
    let mut known = Known::default();
    let mut plain = Vec::new();
    for entry in listed {
        let unusable = || format!("cannot use {}, which is attached to {subject}", entry.digest());
        let found = match Found::read(source, entry) {
            // Lists outlive what they name.
            Err(error) if error.downcast_ref::<Missing>().is_some() => {
                known.refused.push((entry.digest().clone(), "it is listed, but not there".to_owned()));
                continue;
            }
            found => found.wrap_err_with(unusable)?,
        };
        // A list says what it likes; what is attached says itself to what.
        if found.subject.is_none_or(|of| of.digest() != subject) {
            continue;
        }
        for content in &found.contents {
            if let Some(predicate_type) = sbom_predicate(&found.artifact_type) {
                plain.push((entry.digest(), predicate_type, document(source, content).wrap_err_with(unusable)?));
            } else if found.artifact_type == IN_TOTO
                && let Some(json) = document(source, content).wrap_err_with(unusable)?
                && json["predicateType"] == predicate::PROVENANCE
            {
                // Equal images may have been built more than once: there is no one provenance that all others have to equal.
                plain.push((entry.digest(), predicate::PROVENANCE, None));
            }
        }
        let is_bundle =
            |content: &&Descriptor| content.media_type().as_ref() == BUNDLE || found.artifact_type == BUNDLE;
        for content in found.contents.iter().filter(is_bundle) {
            let bytes = read(source, content).wrap_err_with(unusable)?;
            match said(&bytes, subject, key) {
                Ok(statement) => known.said.push(Said { manifest: entry.clone(), statement, bundle: bytes }),
                Err(error) if error.downcast_ref() == Some(&Refused::Changed) => {
                    return Err(crate::error::with_help(error.wrap_err(unusable()), CHANGED.to_owned()));
                }
                Err(error) => known.refused.push((entry.digest().clone(), error.to_string())),
            }
        }
    }
    for (digest, predicate_type, content) in plain {
        matches(&known, digest, predicate_type, content.as_ref())?;
        known.plain.push(predicate_type);
    }
    Ok(known)
}

const CHANGED: &str =
    "do not use the image: somebody may have tampered with it; `cargo oci referrers` lists what is attached";

/// What the owner of the key says of a subject in a bundle.
///
/// # Errors
/// What is no bundle; [`Refused`]; a statement about something else.
pub fn said(bytes: &[u8], subject: &Digest, key: &PublicKey) -> Result<Statement> {
    let bundle = Bundle::read(bytes)?;
    let statement = Statement::read(bundle.verify(key).map_err(Report::from_err)?)?;
    match statement.is_about(subject) {
        true => Ok(statement),
        false => Err(miette!("this key has signed it for something else")),
    }
}

/// A document, all of it held against its digest; nothing where it is too large to be compared.
fn document(source: &dyn Source, content: &Descriptor) -> Result<Option<Value>> {
    if content.size() > MAX_DOCUMENT_BYTES {
        io::copy(&mut open(source, content)?, &mut io::sink()).map_err(crate::store::ReadError)?;
        return Ok(None);
    }
    // One that is no JSON is in a form that is never signed as a predicate.
    Ok(serde_json::from_slice(&read(source, content)?).ok())
}

/// Where a document is signed, the one that lies open is the same.
fn matches(known: &Known, digest: &Digest, predicate_type: &str, content: Option<&Value>) -> Result<()> {
    let signed = known.said.iter().map(|said| &said.statement);
    let mut signed = signed.filter(|statement| statement.predicate_type == predicate_type).peekable();
    match content {
        Some(content) if signed.peek().is_some() && signed.all(|statement| statement.predicate != *content) => {
            Err(miette!(
                help = CHANGED,
                "the {} {digest} is not the one that the key has signed",
                predicate::title(predicate_type)
            ))
        }
        _ => Ok(()),
    }
}
