//! `cargo oci verify`: verify the signatures of an image, and what is attached to it.

use miette::{Context, miette};
use oci_spec::image::Descriptor;

use super::Outcome;
use crate::attest::verify::Verification;
use crate::cli::{Required, VerifyArgs};
use crate::config::Policy;
use crate::context::image::{OpenImage, reference};
use crate::context::subject::SignableManifest;
use crate::context::verify::{ImageVerifier, RequiredSigner, missing};
use crate::context::{GlobalContext, policy};
use crate::error::{Result, or_help};
use crate::event::{Event, VerifiedImage, VerifiedManifest, VerifiedStatement};
use crate::image::predicate;
use crate::policy::{PolicyFacts, broken_rules};
use crate::reference::{BaseReference, SignerReference};
use crate::store::LimitedSource;

/// Verifies the image that is named; returns its name with the digest that was verified.
///
/// # Errors
/// Returns an error if who must have signed the image has not, it breaks a rule, or there is no such image.
pub(crate) fn run(args: &VerifyArgs, context: &GlobalContext) -> Result<Outcome> {
    let reference = reference(&args.image)?;
    let policy = args.policy.as_deref().map(Policy::read_file).transpose()?;
    let signers = signers(args, policy.as_ref())?;
    let signers = signers.iter().map(|signer| RequiredSigner::find(signer, context)).collect::<Result<Vec<_>>>()?;
    let verified = verify(args, &reference, &signers, policy.as_ref(), context).map_err(|error| {
        or_help(error, || {
            "do not use the image before you know why: `cargo oci validate` names each blob that is wrong".to_owned()
        })
    });
    Ok(Outcome::Verified(Box::new(verified.wrap_err_with(|| format!("cannot verify {reference}"))?), args.json))
}

/// Returns those of whom one must have signed the image.
fn signers(args: &VerifyArgs, policy: Option<&Policy>) -> Result<Vec<SignerReference>> {
    let of_policy = policy.map(|policy| policy.signers.clone()).unwrap_or_default();
    match args.signer() {
        Some(_) if !of_policy.is_empty() => Err(miette!(
            help = "leave out `--key` and `--certificate-identity`, or `signers` in the policy",
            "two say who must have signed: an argument, and the policy"
        )),
        Some(signer) => Ok(vec![signer]),
        None if of_policy.is_empty() => Err(miette!(
            help = "add `signers` to the policy, or name a key with `--key`",
            "the policy does not say who must have signed"
        )),
        None => Ok(of_policy),
    }
}

fn verify(
    args: &VerifyArgs,
    reference: &BaseReference,
    signers: &[RequiredSigner],
    policy: Option<&Policy>,
    context: &GlobalContext,
) -> Result<VerifiedImage> {
    let image = OpenImage::open(reference, context)?;
    let root = image.root()?;
    let pinned = reference.with_digest(root.digest().as_ref());
    let (signer, found) = signed(&image, &root, &pinned, signers)?;
    let name = signer.reference.to_string();
    let missing = absent(args, &found);
    let policy_facts = match policy {
        Some(_) => {
            let manifests: Vec<_> = found.iter().map(|(manifest, _)| manifest.clone()).collect();
            policy::facts(&LimitedSource::new(image.source()), &manifests)?
        }
        None => PolicyFacts::default(),
    };
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
    if let Some(policy) = policy {
        let broken = broken_rules(policy, &policy::with_signed(policy_facts, &verified), context.environment.now()?);
        if !broken.is_empty() {
            return Err(policy::error(&verified.image, &broken, "use another image, or change the policy"));
        }
    }
    Ok(verified)
}

/// Returns the first of them who has signed the image, and what is known of it.
fn signed<'a>(
    image: &OpenImage,
    root: &Descriptor,
    name: &str,
    signers: &'a [RequiredSigner],
) -> Result<(&'a RequiredSigner, Vec<(SignableManifest, Verification)>)> {
    let mut errors = Vec::new();
    for signer in signers {
        match (ImageVerifier { image, signer, name }).verify(root) {
            Ok(found) => return Ok((signer, found)),
            Err(error) if signers.len() == 1 => return Err(error),
            Err(error) => errors.push(format!("{error}: {}", error.root_cause())),
        }
    }
    Err(miette!("{}", errors.join("\n")))
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
