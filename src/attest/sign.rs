//! Signed statements about an image, attached to it as cosign 3 does it.

use miette::miette;
use oci_spec::image::Descriptor;

use super::bundle::BUNDLE;
#[cfg(feature = "keyless")]
use super::bundle::Bundle;
use super::referrer::{Found, Referrer};
use super::signer::Signer;
use super::statement::{IN_TOTO, Statement};
use super::verify::{look, sbom_predicate};
use crate::error::Result;
use crate::image::Digest;
use crate::image::manifest::Annotations;
use crate::store::{MAX_DOCUMENT_BYTES, Memory, Source, read};

/// What cosign says of a bundle in the manifest that carries it.
const CONTENT: &str = "dev.sigstore.bundle.content";
const PREDICATE_TYPE: &str = "dev.sigstore.bundle.predicateType";

/// The manifests of what somebody says of a subject, as far as the same was not said before with whatever program: `listed` is
/// what is attached to the subject at `place`. They are put into `memory`, and what they name.
///
/// # Errors
/// Of signing; what is too large to be read again once it is signed.
pub fn lacking(
    signer: &Signer,
    subject: &Descriptor,
    statements: &[Statement],
    (listed, place): (&[Descriptor], &dyn Source),
    memory: &Memory,
) -> Result<Vec<Descriptor>> {
    // No signature comes in these.
    let others: Vec<_> = listed.iter().filter(|entry| !is_plain(entry)).cloned().collect();
    let sign = |statement| Ok((statement, signed(signer, subject, statement, memory)?));
    let made = match signer {
        Signer::Key(key) => {
            let mut made = statements.iter().map(sign).collect::<Result<Vec<_>>>()?;
            let is_listed =
                |made: &Referrer| others.iter().any(|entry| entry.digest() == made.manifest.descriptor.digest());
            made.retain(|(_, referrer)| !is_listed(referrer));
            // Another program signs the same in other bytes: its signatures are new each time.
            if !made.is_empty() && !others.is_empty() {
                let known = look(place, &others, subject.digest(), &key.public());
                let said = known.map(|known| known.said).unwrap_or_default();
                made.retain(|(statement, _)| !said.iter().any(|said| is_same(&said.statement, statement)));
            }
            made
        }
        // Nothing is taken out of the log again: what is said there is not said twice, whoever has said it.
        #[cfg(feature = "keyless")]
        Signer::Identity(_) => {
            let said = certified(place, &others, subject.digest())?;
            let lacking = statements.iter().filter(|statement| !said.iter().any(|said| is_same(said, statement)));
            lacking.map(sign).collect::<Result<Vec<_>>>()?
        }
    };
    Ok(made.iter().map(|(_, referrer)| referrer.store(memory)).collect())
}

fn signed(signer: &Signer, subject: &Descriptor, statement: &Statement, memory: &Memory) -> Result<Referrer> {
    let bundle = signer.sign(statement)?;
    if bundle.len() as u64 > MAX_DOCUMENT_BYTES {
        return Err(miette!(
            help = "leave it out: `cargo oci push --sbom false`, or `cargo oci sign --image-only`",
            "the {} of {} has {} bytes once it is signed; more than {MAX_DOCUMENT_BYTES} are not read",
            statement.title(),
            subject.digest(),
            bundle.len()
        ));
    }
    let annotations = [(CONTENT, "dsse-envelope"), (PREDICATE_TYPE, &statement.predicate_type)];
    let annotations: Annotations = annotations.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
    Ok(Referrer::of_document(subject, BUNDLE, bundle, &annotations, memory))
}

/// What bundles without a key say of a subject. Who has said it is not verified.
#[cfg(feature = "keyless")]
fn certified(place: &dyn Source, listed: &[Descriptor], subject: &Digest) -> Result<Vec<Statement>> {
    let mut said = Vec::new();
    for entry in listed {
        let found = Found::read(place, entry)?;
        for content in found.contents.iter().filter(|content| content.media_type().as_ref() == BUNDLE) {
            let bundle = Bundle::read(&read(place, content)?).ok().filter(|bundle| bundle.hint.is_none());
            let statement = bundle.and_then(|bundle| Statement::read(&bundle.envelope.payload).ok());
            said.extend(statement.filter(|statement| statement.is_about(subject)));
        }
    }
    Ok(said)
}

fn is_same(one: &Statement, other: &Statement) -> bool {
    one.predicate_type == other.predicate_type && (one.is_signature() || one.predicate == other.predicate)
}

/// Whether it is listed as something that no signature comes in. Some lists have other types than the manifests themselves.
fn is_plain(entry: &Descriptor) -> bool {
    let artifact_type = entry.artifact_type().as_ref().map(ToString::to_string).unwrap_or_default();
    artifact_type == IN_TOTO || sbom_predicate(&artifact_type).is_some()
}

/// What is said, without a signature, by documents that are `listed` as attached to a subject: SBOMs, and statements such as
/// provenance. `name` is what the subject is called in signed statements.
///
/// # Errors
/// When one cannot be read, or is not what its digest says.
pub fn unsigned(source: &dyn Source, listed: &[Descriptor], subject: &Digest, name: &str) -> Result<Vec<Statement>> {
    let mut statements = Vec::new();
    for entry in listed.iter().filter(|entry| is_plain(entry)) {
        let found = Found::read(source, entry)?;
        if found.subject.as_ref().is_none_or(|of| of.digest() != subject) {
            continue;
        }
        for content in found.contents.iter().filter(|content| content.size() <= MAX_DOCUMENT_BYTES) {
            let bytes = read(source, content)?;
            statements.extend(match sbom_predicate(&found.artifact_type) {
                // One that is no JSON is in a form that is never signed as a predicate.
                Some(kind) => serde_json::from_slice(&bytes).ok().map(|sbom| Statement::new(name, subject, kind, sbom)),
                None => Statement::read(&bytes).ok().filter(|said| said.is_about(subject) && !said.is_signature()),
            });
        }
    }
    Ok(statements)
}
