//! Verification of an image that is anywhere.

use std::collections::HashMap;

use miette::IntoDiagnostic;
use oci_spec::image::Descriptor;

use super::image::OpenImage;
use super::subject::{SignableManifest, signable_manifests};
use super::{GlobalContext, trusted};
use crate::attest::signature_tag::tagged_signatures;
use crate::attest::trusted_signer::TrustedSigner;
use crate::attest::verify::{Verification, add_covered, verify_referrers, verify_tagged};
use crate::error::Result;
use crate::image::Digest;
use crate::image::attestation::attested_digest;
use crate::image::manifest::Manifest;
use crate::inspect::referrers::group_by_subject;
use crate::parallel::{FEW, each};
use crate::reference::SignerReference;
use crate::store::documents::ReadOnce;
use crate::store::{LimitedSource, Source, read};

/// Verifies an image, and what is attached to it.
pub(crate) struct ImageVerifier<'a> {
    /// The image.
    pub image: &'a OpenImage<'a>,
    /// Who must have signed it.
    pub signer: &'a RequiredSigner,
    /// The name of the image, for errors.
    pub name: &'a str,
}

/// Who must have signed an image.
pub(crate) struct RequiredSigner {
    /// Its name.
    pub reference: SignerReference,
    /// What it takes to verify that.
    pub trusted: TrustedSigner,
}

impl RequiredSigner {
    /// Finds out what it takes to verify what somebody has signed.
    ///
    /// # Errors
    /// Returns an error if a key, or a file with a trusted root, cannot be used.
    pub(crate) fn find(reference: &SignerReference, context: &GlobalContext) -> Result<RequiredSigner> {
        Ok(RequiredSigner { reference: reference.clone(), trusted: trusted::current(reference, false, context)? })
    }
}

impl ImageVerifier<'_> {
    /// Returns what is known of every manifest of an image. The index must be signed: the manifests in it are named by their
    /// digests, and need no signatures of their own.
    ///
    /// # Errors
    /// Returns an error if the index is not signed as it must be, or a registry or layout fails.
    pub(crate) fn verify(&self, root: &Descriptor) -> Result<Vec<(SignableManifest, Verification)>> {
        let kept = ReadOnce::new(self.image.source());
        let once = LimitedSource::new(&kept);
        let reader = self.reader(&once);
        // Its signature decides: without one, nothing else is read.
        let (known, is_tagged) = reader.root(root)?;
        if !known.is_signed() {
            return Err(known.not_signed_error(self.name, &self.signer.reference));
        }
        let mut manifests = signable_manifests(&once, root)?;
        let Some(at) = manifests.iter().position(|manifest| manifest.descriptor.digest() == root.digest()) else {
            return Ok(Vec::new());
        };
        let mut found = vec![(manifests.remove(at), known)];
        let known = each(&manifests, FEW, |manifest| reader.of(manifest.descriptor.digest(), is_tagged))?;
        found.extend(manifests.into_iter().zip(known));
        add_attested(&once, root, &mut found)?;
        Ok(found)
    }

    /// Returns what is known of the index of an image alone.
    ///
    /// # Errors
    /// Returns an error if a registry or layout fails.
    pub(crate) fn verify_root(&self, root: &Descriptor) -> Result<Verification> {
        let source = LimitedSource::new(self.image.source());
        Ok(self.reader(&source).root(root)?.0)
    }

    fn reader<'r>(&'r self, source: &'r LimitedSource<'r>) -> SignatureReader<'r> {
        let listed = group_by_subject(self.image.source(), self.image.entries());
        SignatureReader { image: self.image, trusted: &self.signer.trusted, source, listed }
    }
}

/// Adds what a signed index itself says of its images.
fn add_attested(source: &dyn Source, root: &Descriptor, found: &mut [(SignableManifest, Verification)]) -> Result<()> {
    let index = Manifest::parse(root.media_type(), &read(source, root)?).into_diagnostic()?;
    let signature = found.first().and_then(|(_, known)| known.signature().cloned());
    let (Some(entries), Some(signature)) = (index.into_index(), signature) else { return Ok(()) };
    for entry in &entries {
        let Some(attested) = attested_digest(entry) else { continue };
        let image = found.iter_mut().find(|(manifest, _)| manifest.descriptor.digest().as_ref() == attested);
        if let Some((manifest, known)) = image {
            add_covered(known, source, entry, manifest.descriptor.digest(), &signature)?;
        }
    }
    Ok(())
}

/// Reads what is attached to the manifests of an image.
struct SignatureReader<'a> {
    image: &'a OpenImage<'a>,
    trusted: &'a TrustedSigner,
    source: &'a LimitedSource<'a>,
    listed: HashMap<String, Vec<Descriptor>>,
}

impl SignatureReader<'_> {
    /// Returns what is known of an index, and whether its signature is under a tag of cosign 2: then what else is signed is,
    /// too.
    fn root(&self, root: &Descriptor) -> Result<(Verification, bool)> {
        let mut known = self.of(root.digest(), false)?;
        if known.is_signed() {
            return Ok((known, false));
        }
        self.add_tagged(&mut known, root.digest())?;
        Ok((known, true))
    }

    fn of(&self, subject: &Digest, is_tagged: bool) -> Result<Verification> {
        let listed = self.image.referrers(subject, &self.listed)?;
        let mut known = verify_referrers(self.source, &listed, subject, self.trusted)?;
        if is_tagged {
            self.add_tagged(&mut known, subject)?;
        }
        Ok(known)
    }

    fn add_tagged(&self, known: &mut Verification, subject: &Digest) -> Result<()> {
        let tagged = tagged_signatures(self.source, &|tag| self.image.tagged(tag), subject)?;
        verify_tagged(known, &tagged, subject, self.trusted);
        Ok(())
    }
}

/// Returns the manifests that lack something a signed image should have: it must be attached to the index, or else to each
/// manifest. With `is_signed`, only what the key has signed counts.
pub(crate) fn missing(types: &[&str], is_signed: bool, found: &[(SignableManifest, Verification)]) -> Option<String> {
    let has = |known: &Verification| {
        types.iter().any(|own| known.has_statement(own) || !is_signed && known.has_unsigned(own))
    };
    let [(_, root), images @ ..] = found else { return None };
    if has(root) {
        return None;
    }
    let missing = images.iter().filter(|(_, known)| !has(known)).map(|(manifest, _)| manifest.what.as_str());
    let missing: Vec<_> = missing.collect();
    if missing.len() == images.len() {
        return Some("the image".to_owned());
    }
    (!missing.is_empty()).then(|| missing.join(", "))
}
