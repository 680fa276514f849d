//! Signatures under the tags of cosign 2, beside an image in its repository.

use miette::{Report, miette};
use oci_spec::image::{Descriptor, Digest};

use crate::attest::signature_tag::{SignatureManifest, TaggedLayer, tagged_signatures};
use crate::attest::tag_signer::TagSigner;
use crate::attest::{Signer, Statement};
use crate::error::Result;
use crate::image::cosign_tag::CosignTag;
use crate::parallel::{MANY, each};
use crate::registry::Registry;
use crate::registry::tag_edit::{TagChange, TagEdit};
use crate::store::{LimitedSource, Memory, Sink, Source};

/// How often a tag is changed if other clients change it too.
const MAX_EDITS: u32 = 16;

/// The tags of a repository.
pub(crate) struct SignatureTags<'a> {
    /// The repository.
    pub registry: &'a Registry<'a>,
    /// The content of what is signed.
    pub memory: &'a Memory,
}

/// Layers that the tags of a manifest lack.
#[derive(Debug)]
pub(crate) struct MissingTagged {
    subject: Digest,
    layers: Vec<TaggedLayer>,
}

impl MissingTagged {
    /// Returns whether the tags have all.
    pub(crate) fn is_empty(&self) -> bool {
        self.layers.is_empty()
    }
}

impl SignatureTags<'_> {
    /// Signs the statements about a manifest that are not signed there yet. A manifest that was not there is not signed either.
    ///
    /// # Errors
    /// Returns an error if the registry does not respond, or signing fails.
    pub(crate) fn sign_missing(
        &self,
        signer: &Signer,
        subject: &Digest,
        statements: &[Statement],
        was_there: bool,
    ) -> Result<MissingTagged> {
        let known = if was_there {
            let tagged = |tag: &str| self.registry.tagged(tag);
            tagged_signatures(&LimitedSource::new(self.registry), &tagged, subject)?
        } else {
            Vec::new()
        };
        let reference = self.registry.location();
        let signer = TagSigner { signer, subject, reference: &reference, known: &known };
        Ok(MissingTagged { subject: subject.clone(), layers: signer.sign_missing(statements, self.memory)? })
    }

    /// Puts the layers under their tags, beside those that are there. None that others put there is lost.
    ///
    /// # Errors
    /// Returns an error if the registry rejects them, or does not respond.
    pub(crate) fn add(&self, missing: &[&MissingTagged]) -> Result<()> {
        let kinds = [CosignTag::Signatures, CosignTag::Attestations];
        let tags = missing.iter().flat_map(|missing| kinds.map(|kind| (&missing.subject, kind, &missing.layers)));
        let tags: Vec<_> = tags
            .map(|(subject, kind, layers)| {
                let own = layers.iter().filter(|layer| layer.tag == kind).map(|layer| &layer.descriptor);
                (kind.of(subject), own.collect::<Vec<_>>())
            })
            .filter(|(_, layers)| !layers.is_empty())
            .collect();
        let layers: Vec<_> = tags.iter().flat_map(|(_, layers)| layers.iter().copied()).collect();
        each(&layers, MANY, |layer| Sink::push(self.registry, layer, self.memory))?;
        each(&tags, MANY, |(tag, layers)| self.change(tag, layers)).map(drop)
    }

    fn change(&self, tag: &str, layers: &[&Descriptor]) -> Result<()> {
        let mut edit = TagEdit::new(self.registry, tag);
        for attempt in 0..MAX_EDITS {
            let before = edit.read()?;
            let document = before.as_ref().map(|before| &before.document);
            let made = SignatureManifest::with_layers(document, layers);
            let made = made.map_err(|error: Report| error.wrap_err(format!("cannot add to the tag {tag}")))?;
            let Some(SignatureManifest { manifest, config }) = made else { return Ok(()) };
            let config = self.memory.put_document(config);
            Sink::push(self.registry, &config, self.memory)?;
            if edit.write(before.as_ref(), &manifest)? == TagChange::Kept {
                return Ok(());
            }
            edit.pause(attempt)?;
        }
        Err(miette!(
            help = "run the same command again, when fewer others sign the image",
            "cannot add to the tag {tag}: others have changed it {MAX_EDITS} times meanwhile"
        ))
    }
}
