//! Signatures of an image that is in a registry or a layout.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use miette::miette;
use serde_json::Value;

use super::signature_tags::{MissingTagged, SignatureTags};
use crate::attest::sign::{SubjectSigner, unsigned_statements};
use crate::attest::{Signer, Statement};
use crate::config::SignatureFormat;
use crate::context::subject::{SignableManifest, Subject};
use crate::error::{Result, cannot_read};
use crate::event::{Event, Listener};
use crate::interrupt::blocking;
use crate::parallel::{MANY, each};
use crate::store::{LimitedSource, MAX_DOCUMENT_BYTES, Memory};

/// Signs an image where it is.
pub(crate) struct ImageSigner<'a> {
    /// Signs.
    pub signer: &'a Signer,
    /// The image.
    pub image: &'a Subject<'a>,
    /// How signatures are kept.
    pub format: SignatureFormat,
    /// Whether SBOMs and provenance stay unsigned.
    pub image_only: bool,
    /// Receives what is signed.
    pub listener: Listener<'a>,
}

impl ImageSigner<'_> {
    /// Signs the whole image, and `statements` about its index.
    ///
    /// # Errors
    /// Returns an error if its index or what is attached cannot be read, or nothing can be attached.
    pub(crate) fn sign_all(&self, statements: &[Statement]) -> Result<()> {
        let manifests = self.image.signable_manifests()?;
        if self.format.has_tags() && self.image.registry().is_none() {
            let place = self.image.place().location();
            if !self.format.has_bundles() {
                return Err(miette!(
                    help = "sign it with `--signature-format bundle`, or sign it in the registry that it is pushed to",
                    "{place} has no place for the tags of cosign 2"
                ));
            }
            let message = format!("{place} has no place for the tags of cosign 2: it is signed with bundles alone");
            (self.listener)(Event::Warning { message });
        }
        // The index is signed last: whoever finds it signed finds all of it signed. There is always a first one.
        let (root, images) = manifests.split_at(1);
        self.sign(images, &[])?;
        self.sign(root, statements)
    }

    /// Signs manifests of it, `statements` about each, and what is attached to each.
    ///
    /// # Errors
    /// Returns an error if what is attached cannot be read, or nothing can be attached.
    fn sign(&self, manifests: &[SignableManifest], statements: &[Statement]) -> Result<()> {
        let place = self.image.place();
        let (memory, source) = (Memory::default(), LimitedSource::new(&place));
        let registry = self.image.registry().filter(|_| self.format.has_tags());
        let tags = registry.map(|registry| SignatureTags { registry, memory: &memory });
        let signed = each(manifests, MANY, |manifest| {
            let digest = manifest.descriptor.digest();
            let listed = place.referrers(digest)?;
            let mut all = vec![Statement::signature(digest)];
            all.extend_from_slice(statements);
            if !self.image_only {
                all.extend(unsigned_statements(&source, &listed, digest, &self.image.repository)?);
            }
            let (signer, subject) = (self.signer, &manifest.descriptor);
            let bundles = if self.format.has_bundles() {
                SubjectSigner { signer, subject, listed: &listed, source: &source }.sign_missing(&all, &memory)?
            } else {
                Vec::new()
            };
            let tagged = tags.as_ref().map(|tags| tags.sign_missing(signer, digest, &all, true)).transpose()?;
            Ok((all, bundles, tagged))
        })?;
        let missing: Vec<_> = signed.iter().flat_map(|(_, missing, _)| missing.iter().cloned()).collect();
        if !missing.is_empty() {
            place.attach(&missing, &memory)?;
        }
        if let Some(tags) = tags {
            tags.add(&signed.iter().filter_map(|(.., tagged)| tagged.as_ref()).collect::<Vec<_>>())?;
        }
        for (manifest, (statements, bundles, tagged)) in manifests.iter().zip(&signed) {
            let was_there = bundles.is_empty() && tagged.as_ref().is_none_or(MissingTagged::is_empty);
            (self.listener)(manifest.signed(place.location(), statements, was_there));
        }
        Ok(())
    }
}

/// Reads the predicate of a statement from a JSON file.
///
/// # Errors
/// Returns an error if the file cannot be read, is not JSON, or is too large.
pub(crate) fn read_predicate(path: &Path) -> Result<Value> {
    let name = path.to_owned();
    // The file may be a pipe, as in `--predicate <(…)`.
    let text = blocking::run(move || {
        let mut text = Vec::new();
        File::open(name)?.take(MAX_DOCUMENT_BYTES + 1).read_to_end(&mut text)?;
        Ok(text)
    });
    let text = text.map_err(|error| cannot_read(path, error))?;
    if text.len() as u64 > MAX_DOCUMENT_BYTES {
        return Err(miette!(
            help = "attach it as it is, with `cargo oci attach`, and sign a smaller document that names its digest",
            "{} exceeds the limit of {MAX_DOCUMENT_BYTES} bytes for a statement",
            path.display()
        ));
    }
    serde_json::from_slice(&text).map_err(|error| {
        miette!(
            help = "a statement holds JSON; `cargo oci attach` takes any file",
            "{} is not JSON: {error}",
            path.display()
        )
    })
}
