//! `cargo oci verify`: verify the signatures of an image, and what is attached to it.

use miette::{Context, miette};
use oci_spec::image::Descriptor;

use super::Outcome;
use crate::attest::PublicKey;
use crate::attest::verify::{Verification, verify_referrers};
use crate::cli::{Required, VerifyArgs};
use crate::context::image::{OpenImage, reference};
use crate::context::subject::{SignableManifest, signable_manifests};
use crate::context::{GlobalContext, key};
use crate::error::{Result, or_help};
use crate::event::Event;
use crate::image::predicate;
use crate::inspect::referrers::group_by_subject;
use crate::reference::BaseReference;

/// Verifies the image that is named; returns its name with the digest that was verified.
///
/// # Errors
/// Returns an error if the key cannot be used or has not signed the image, there is no such image, or an attachment is not
/// what was attached.
pub(crate) fn run(args: &VerifyArgs, context: &GlobalContext) -> Result<Outcome> {
    let reference = reference(&args.image)?;
    let key = key::public(&args.key, &context.environment)?;
    let verified = verify(args, &reference, &key, context).map_err(|error| {
        or_help(error, || {
            "do not use the image before you know why: `cargo oci validate` names each blob that is wrong".to_owned()
        })
    });
    Ok(Outcome::Results(vec![verified.wrap_err_with(|| format!("cannot verify {reference}"))?]))
}

fn verify(args: &VerifyArgs, reference: &BaseReference, key: &PublicKey, context: &GlobalContext) -> Result<String> {
    let image = OpenImage::open(reference, context)?;
    let root = image.root()?;
    let pinned = reference.with_digest(root.digest().as_ref());
    let key_name = args.key.to_string();
    let found = Verifier { image: &image, key, key_name: &key_name, name: &pinned }.all(&root)?;
    for (manifest, known) in &found {
        report(manifest, known, context);
    }
    for (required, what, types) in WANTED {
        let is_required = args.require.contains(&required);
        match missing(types, is_required, &found) {
            None => {}
            Some(of) if is_required => {
                return Err(miette!(
                    help = "`cargo oci push --sign --key PRIVATE-KEY` attaches and signs it, and `cargo oci sign` signs what is attached",
                    "{key_name} has signed no {what} of {of}"
                ));
            }
            Some(of) => context.warn(format!("no {what} is attached to {of}")),
        }
    }
    Ok(pinned)
}

/// What a signed image should have, and the types of the statements.
const WANTED: [(Required, &str, &[&str]); 2] = [
    (Required::Sbom, "SBOM", &[predicate::CYCLONEDX, predicate::SPDX]),
    (Required::Provenance, "provenance", &[predicate::PROVENANCE]),
];

/// Verifies what is attached to an image.
struct Verifier<'a> {
    image: &'a OpenImage<'a>,
    key: &'a PublicKey,
    /// The name of the key, for errors.
    key_name: &'a str,
    /// The name of the image, for errors.
    name: &'a str,
}

impl Verifier<'_> {
    /// Returns what is known of every manifest of an image. The index must be signed: the manifests in it are named by their
    /// digests, and need no signatures of their own.
    fn all(&self, root: &Descriptor) -> Result<Vec<(SignableManifest, Verification)>> {
        let source = self.image.source();
        let listed = group_by_subject(source, self.image.entries());
        let mut found = Vec::new();
        for manifest in signable_manifests(source, root)? {
            let digest = manifest.descriptor.digest();
            let known = verify_referrers(source, &self.image.referrers(digest, &listed)?, digest, self.key)?;
            if digest == root.digest() && !known.is_signed() {
                return Err(known.not_signed_error(self.name, self.key_name));
            }
            found.push((manifest, known));
        }
        Ok(found)
    }
}

fn report(manifest: &SignableManifest, known: &Verification, context: &GlobalContext) {
    let signed = known.statements.iter().map(|signed| &*signed.statement.predicate_type);
    let mut said: Vec<String> = signed.map(|kind| predicate::title(kind).to_owned()).collect();
    let plain = known.unsigned.iter().filter(|kind| !known.has_statement(kind));
    said.extend(plain.map(|kind| format!("{}, not signed", predicate::title(kind))));
    said.dedup();
    if !said.is_empty() {
        let digest = manifest.descriptor.digest().clone();
        context.report(Event::Verified { image: manifest.what.clone(), digest, said });
    }
}

/// Returns the manifests that lack something a signed image should have: it must be attached to the index, or else to each
/// manifest. With `is_signed`, only what the key has signed counts.
fn missing(types: &[&str], is_signed: bool, found: &[(SignableManifest, Verification)]) -> Option<String> {
    let has = |known: &Verification| {
        types.iter().any(|own| known.has_statement(own) || !is_signed && known.unsigned.contains(own))
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
