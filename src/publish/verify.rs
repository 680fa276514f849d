//! Verification of an image that is anywhere.

use miette::Report;
use oci_spec::image::Descriptor;

use crate::attest::trusted_signer::TrustedSigner;
use crate::attest::verify::{Verification, verify_referrers};
use crate::context::image::OpenImage;
use crate::context::subject::{SignableManifest, signable_manifests};
use crate::context::{GlobalContext, trusted};
use crate::error::Result;
use crate::inspect::referrers::group_by_subject;
use crate::parallel::{FEW, each};
use crate::reference::SignerReference;
use crate::store::LimitedSource;

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
        Ok(RequiredSigner { reference: reference.clone(), trusted: trusted::current(reference, context)? })
    }

    /// Returns the error that it has not signed `image`.
    pub(crate) fn not_signed(&self, image: &str, known: &Verification) -> Report {
        known.not_signed_error(image, &self.reference)
    }
}

impl ImageVerifier<'_> {
    /// Returns what is known of every manifest of an image. The index must be signed: the manifests in it are named by their
    /// digests, and need no signatures of their own.
    ///
    /// # Errors
    /// Returns an error if the key has not signed the index, or a registry or layout fails.
    pub(crate) fn verify(&self, root: &Descriptor) -> Result<Vec<(SignableManifest, Verification)>> {
        let source = &LimitedSource::new(self.image.source());
        let listed = group_by_subject(self.image.source(), self.image.entries());
        let verify = |manifest: &SignableManifest| {
            let digest = manifest.descriptor.digest();
            verify_referrers(source, &self.image.referrers(digest, &listed)?, digest, &self.signer.trusted)
        };
        let mut manifests = signable_manifests(source, root)?;
        let mut found = Vec::new();
        // Its signature decides: without one, nothing else is read.
        if let Some(at) = manifests.iter().position(|manifest| manifest.descriptor.digest() == root.digest()) {
            let manifest = manifests.remove(at);
            let known = verify(&manifest)?;
            if !known.is_signed() {
                return Err(self.signer.not_signed(self.name, &known));
            }
            found.push((manifest, known));
        }
        let known = each(&manifests, FEW, verify)?;
        found.extend(manifests.into_iter().zip(known));
        Ok(found)
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
