//! Signs an image as cosign 2 does: layers for its [tags](super::signature_tag).

use miette::miette;

use super::dsse::Envelope;
use super::sign::is_same;
use super::signature_tag::{TaggedContent, TaggedEvidence, TaggedLayer, TaggedSignature};
use super::signer::Signer;
use super::simple_signing::SimpleSigning;
use super::statement::{IN_TOTO, Statement};
use crate::error::Result;
use crate::image::Digest;
use crate::store::{MAX_DOCUMENT_BYTES, Memory};

/// Signs statements about a manifest of a repository.
pub(crate) struct TagSigner<'a> {
    /// Who signs.
    pub signer: &'a Signer,
    /// The manifest.
    pub subject: &'a Digest,
    /// The repository, as payloads name it.
    pub reference: &'a str,
    /// What is signed already.
    pub known: &'a [TaggedSignature],
}

impl TagSigner<'_> {
    /// Signs the statements that are not signed yet, and puts the content of the layers into `memory`. A statement that the
    /// subject is signed becomes a payload. Returns the layers.
    ///
    /// # Errors
    /// Returns an error if signing fails, or a signed statement is too large to be read again.
    pub(crate) fn sign_missing(&self, statements: &[Statement], memory: &Memory) -> Result<Vec<TaggedLayer>> {
        let missing = statements.iter().filter(|statement| !self.is_signed(statement));
        missing.map(|statement| self.sign(statement, memory)).collect()
    }

    fn is_signed(&self, statement: &Statement) -> bool {
        let says = |known: &TaggedSignature| match self.signer {
            Signer::Key(key) => known.verify(self.subject, &key.public()).ok(),
            // An entry in the public log is permanent: what anybody has signed is not signed again.
            Signer::Identity(_) => known.statement(self.subject).filter(|_| known.evidence.certificate.is_some()),
        };
        let names_repository = |known: &TaggedSignature| match &known.content {
            TaggedContent::Payload { bytes, .. } => {
                SimpleSigning::read(bytes).is_ok_and(|found| found.reference == self.reference)
            }
            _ => true,
        };
        let mut known = self.known.iter();
        known.any(|known| says(known).is_some_and(|said| is_same(&said, statement)) && names_repository(known))
    }

    fn sign(&self, statement: &Statement, memory: &Memory) -> Result<TaggedLayer> {
        if statement.is_signature() {
            let signed = SimpleSigning { reference: self.reference.to_owned(), digest: self.subject.clone() };
            let (signature, evidence) = match self.signer {
                Signer::Key(key) => (signed.sign(key), TaggedEvidence::default()),
                Signer::Identity(identity) => {
                    let bundle = super::tag_evidence::parse(&identity.sign_payload(&signed.payload())?)?;
                    (bundle.signature()?, bundle.evidence()?)
                }
            };
            return Ok(TaggedLayer::of_payload(signed.payload(), &signature, evidence, memory));
        }
        let (envelope, evidence) = match self.signer {
            Signer::Key(key) => (Envelope::sign(key, IN_TOTO, statement.bytes()).bytes(), TaggedEvidence::default()),
            Signer::Identity(identity) => {
                let bundle = super::tag_evidence::parse(&identity.sign_with_promise(&statement.bytes())?)?;
                (bundle.envelope()?, bundle.evidence()?)
            }
        };
        let layer = TaggedLayer::of_envelope(envelope, &statement.predicate_type, evidence, memory);
        if layer.descriptor.size() > MAX_DOCUMENT_BYTES {
            return Err(miette!(
                help = "leave it out: `cargo oci push --sbom false`, or `cargo oci sign --image-only`",
                "the signed {} of {} has {} bytes: the limit is {MAX_DOCUMENT_BYTES}",
                statement.title(),
                self.subject,
                layer.descriptor.size()
            ));
        }
        Ok(layer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attest::PrivateKey;
    use crate::attest::signature_tag::{SignatureManifest, tagged_signatures};
    use crate::image::cosign_tag::CosignTag;
    use crate::image::digest::sha256;
    use crate::image::predicate;
    use crate::store::{Sink, Source};
    use serde_json::json;

    #[test]
    fn tag_signer_signs_each_statement_once() {
        let (memory, subject) = (Memory::default(), sha256(b"image"));
        let signer = Signer::Key(PrivateKey::generate().expect("a key"));
        let statements =
            [Statement::signature(&subject), Statement::new("x", &subject, predicate::PROVENANCE, json!({ "a": 1 }))];
        let missing = |known: &[TaggedSignature], reference: &str, signer: &Signer| {
            let signer = TagSigner { signer, subject: &subject, reference, known };
            signer.sign_missing(&statements, &memory).expect("signs")
        };
        let layers = missing(&[], "ghcr.io/acme/x", &signer);
        assert_eq!(layers.len(), 2);
        for layer in &layers {
            let made = SignatureManifest::with_layers(None, &[&layer.descriptor]).expect("a manifest");
            let root = memory.put_document(made.expect("a new one").manifest);
            memory.tag(&root, &layer.tag.of(&subject)).expect("tags");
        }
        let tagged = |tag: &str| Ok(memory.resolve(Some(&tag.parse().expect("a tag"))).ok());
        let known = tagged_signatures(&memory, &tagged, &subject).expect("reads");
        assert_eq!(missing(&known, "ghcr.io/acme/x", &signer), []);
        // In another repository, the payload has another name.
        let moved = missing(&known, "ghcr.io/acme/y", &signer);
        assert_eq!(moved.iter().map(|layer| layer.tag).collect::<Vec<_>>(), [CosignTag::Signatures]);
        let other = Signer::Key(PrivateKey::generate().expect("a key"));
        assert_eq!(missing(&known, "ghcr.io/acme/x", &other).len(), 2);
    }
}
