//! `cargo oci verify`: verify the signatures of an image, and what is attached to it.

use miette::{Context, miette};

use super::Outcome;
use crate::attest::PublicKey;
use crate::attest::verify::Verification;
use crate::cli::{Required, VerifyArgs};
use crate::context::image::{OpenImage, reference};
use crate::context::subject::SignableManifest;
use crate::context::{GlobalContext, key};
use crate::error::{Result, or_help};
use crate::event::Event;
use crate::image::predicate;
use crate::publish::verify::{ImageVerifier, missing};
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
    let found = ImageVerifier { image: &image, key, key_name: &key_name, name: &pinned }.verify(&root)?;
    for (manifest, known) in &found {
        report(manifest, known, context);
    }
    for (required, what, types) in WANTED {
        // Most images need no VEX document.
        if required == Required::Vex && !args.require.contains(&required) {
            continue;
        }
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
const WANTED: [(Required, &str, &[&str]); 3] = [
    (Required::Sbom, "SBOM", &[predicate::CYCLONEDX, predicate::SPDX]),
    (Required::Provenance, "provenance", &[predicate::PROVENANCE]),
    (Required::Vex, "VEX document", &[predicate::VEX]),
];

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
