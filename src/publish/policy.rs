//! What is pushed, and the key `policy`: checked before a tag moves.

use serde_json::Value;

use crate::attest::statement::Statement;
use crate::attest::verify::sbom_predicate;
use crate::attest::{PublicKey, Signer};
use crate::build::Built;
use crate::config::Policy;
use crate::context::subject::signable_manifests;
use crate::context::{GlobalContext, key, policy};
use crate::error::Result;
use crate::event::BuiltImage;
use crate::policy::{BrokenRule, PolicyFacts, broken_rules};
use crate::reference::SignerReference;
use crate::store::{MAX_DOCUMENT_BYTES, Source, read};

/// Checks that each image keeps the rules of its table.
///
/// # Errors
/// Returns an error with the rules that an image breaks.
pub(crate) fn check(built: &Built, signer: Option<&Signer>, context: &GlobalContext) -> Result<()> {
    for ((plan, image), layout) in built.plan.images.iter().zip(&built.images).zip(&built.layouts) {
        if let Some(rules) = &plan.policy {
            check_image(rules, image, layout, signer, context)?;
        }
    }
    Ok(())
}

/// Checks that an image keeps rules. `layout` is the source of its content.
///
/// # Errors
/// Returns an error with the rules that it breaks.
pub(crate) fn check_image(
    rules: &Policy,
    image: &BuiltImage,
    layout: &dyn Source,
    signer: Option<&Signer>,
    context: &GlobalContext,
) -> Result<()> {
    let facts = facts(image, layout)?;
    let mut broken: Vec<_> = signed_by(rules, signer, context)?.into_iter().collect();
    broken.extend(broken_rules(rules, &facts, context.environment.now()?));
    if broken.is_empty() {
        return Ok(());
    }
    let help = "no tag has moved; change the image, or `policy` in Cargo.toml";
    Err(policy::error(&image.name, &broken, help))
}

fn facts(image: &BuiltImage, layout: &dyn Source) -> Result<PolicyFacts> {
    let facts = policy::facts(layout, &signable_manifests(layout, &image.root)?)?;
    let mut documents = Vec::new();
    for attachment in image.attached.iter().filter(|attachment| attachment.content.size() <= MAX_DOCUMENT_BYTES) {
        let bytes = read(layout, &attachment.content)?;
        let document = match sbom_predicate(&attachment.artifact_type) {
            Some(kind) => serde_json::from_slice::<Value>(&bytes).ok().map(|sbom| (kind.to_owned(), sbom)),
            None => Statement::read(&bytes).ok().map(|said| (said.predicate_type, said.predicate)),
        };
        documents.extend(document);
    }
    Ok(PolicyFacts { documents, ..facts })
}

/// Returns the rule about signers, if whoever signs is none of them.
fn signed_by(policy: &Policy, signer: Option<&Signer>, context: &GlobalContext) -> Result<Option<BrokenRule>> {
    let broken = |evidence: &str| Ok(Some(BrokenRule { rule: "signers", evidence: evidence.to_owned() }));
    if policy.signers.is_empty() {
        return Ok(None);
    }
    match signer {
        None => broken("nobody signs it: push with `--sign`"),
        Some(Signer::Identity(_)) => {
            // Whom the certificate will name, the service says when it is asked.
            let has_identity = policy.signers.iter().any(|signer| matches!(signer, SignerReference::Identity(_)));
            if has_identity { Ok(None) } else { broken("it is signed without a key, and all signers have one") }
        }
        Some(Signer::Key(own)) => {
            let own: PublicKey = own.public();
            for signer in &policy.signers {
                if let SignerReference::Key(name) = signer
                    && key::public(name, &context.environment)? == own
                {
                    return Ok(None);
                }
            }
            broken("the key that signs it is none of the signers")
        }
    }
}
