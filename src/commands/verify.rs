//! `cargo oci verify`: verify the signatures of an image, and what is attached to it.

use miette::{Context, miette};

use super::Outcome;
use crate::attest::verify::Verification;
use crate::cli::{Required, VerifyArgs};
use crate::context::GlobalContext;
use crate::context::image::{OpenImage, reference};
use crate::context::subject::SignableManifest;
use crate::context::verify::{ImageVerifier, RequiredSigner, missing};
use crate::error::{Result, or_help};
use crate::event::{Event, VerifiedImage, VerifiedManifest, VerifiedStatement};
use crate::image::predicate;
use crate::reference::BaseReference;

/// Verifies the image that is named; returns its name with the digest that was verified.
///
/// # Errors
/// Returns an error if who must have signed the image has not, or there is no such image.
pub(crate) fn run(args: &VerifyArgs, context: &GlobalContext) -> Result<Outcome> {
    let reference = reference(&args.image)?;
    // The arguments are such that somebody is named.
    let signer = args.signer().ok_or_else(|| miette!(help = "name a key with `--key`", "nobody must have signed"))?;
    let signer = RequiredSigner::find(&signer, context)?;
    let verified = verify(args, &reference, &signer, context).map_err(|error| {
        or_help(error, || {
            "do not use the image before you know why: `cargo oci validate` names each blob that is wrong".to_owned()
        })
    });
    Ok(Outcome::Verified(Box::new(verified.wrap_err_with(|| format!("cannot verify {reference}"))?), args.json))
}

fn verify(
    args: &VerifyArgs,
    reference: &BaseReference,
    signer: &RequiredSigner,
    context: &GlobalContext,
) -> Result<VerifiedImage> {
    let image = OpenImage::open(reference, context)?;
    let root = image.root()?;
    let pinned = reference.with_digest(root.digest().as_ref());
    let found = ImageVerifier { image: &image, signer, name: &pinned }.verify(&root)?;
    let name = signer.reference.to_string();
    let missing = absent(args, &found);
    let manifests = found.into_iter().map(|(manifest, known)| facts(manifest, known)).collect();
    let verified = VerifiedImage { image: pinned, signer: name.clone(), manifests };
    report(&verified, context);
    for (required, what, of) in missing {
        if args.require.contains(&required) {
            return Err(miette!(
                help = "`cargo oci push --sign` attaches and signs it, and `cargo oci sign` signs what is attached",
                "{name} has signed no {what} of {of}"
            ));
        }
        context.warn(format!("no {what} is attached to {of}"));
    }
    Ok(verified)
}

/// What a signed image should have, and the types of the statements.
const WANTED: [(Required, &str, &[&str]); 3] = [
    (Required::Sbom, "SBOM", &[predicate::CYCLONEDX, predicate::SPDX]),
    (Required::Provenance, "provenance", &[predicate::PROVENANCE]),
    (Required::Vex, "VEX document", &[predicate::VEX]),
];

/// Returns what the image lacks, and where.
fn absent(args: &VerifyArgs, found: &[(SignableManifest, Verification)]) -> Vec<(Required, &'static str, String)> {
    let mut absent = Vec::new();
    for (required, what, types) in WANTED {
        let is_required = args.require.contains(&required);
        // Most images need no VEX document.
        if is_required || required != Required::Vex {
            absent.extend(missing(types, is_required, found).map(|of| (required, what, of)));
        }
    }
    absent
}

fn facts(manifest: SignableManifest, known: Verification) -> VerifiedManifest {
    let signed = known.statements.into_iter().map(|signed| VerifiedStatement {
        predicate_type: signed.statement.predicate_type,
        predicate: signed.statement.predicate,
        certificate: signed.certificate,
    });
    VerifiedManifest {
        what: manifest.what,
        platform: manifest.platform,
        digest: manifest.descriptor.digest().clone(),
        signed: signed.collect(),
        unsigned: known.unsigned,
        rejected: known.rejected,
    }
}

fn report(verified: &VerifiedImage, context: &GlobalContext) {
    let certificate = verified.certificate().cloned().map(Box::new);
    context.report(Event::SignedBy { signer: verified.signer.clone(), certificate });
    for manifest in &verified.manifests {
        let said = manifest.titles();
        if !said.is_empty() {
            let (image, digest) = (manifest.what.clone(), manifest.digest.clone());
            context.report(Event::Verified { image, digest, said });
        }
        for rejected in &manifest.rejected {
            context
                .warn(format!("{} has {}, which does not count: {}", manifest.what, rejected.digest, rejected.reason));
        }
        for document in manifest.unsigned.iter().filter(|document| !document.is_signed) {
            let has_signed = manifest
                .signed
                .iter()
                .any(|signed| predicate::is_same(&signed.predicate_type, document.predicate_type));
            if has_signed {
                let title = predicate::title(document.predicate_type);
                context.warn(format!(
                    "{} has another {title} that is not signed, and differs from what is: {}",
                    manifest.what, document.digest
                ));
            }
        }
    }
}
