//! `cargo oci sign`: sign the index of an image and its manifest for each platform, where they are.

use miette::{Context, miette};

use super::Outcome;
use crate::attest::{Signer, Statement};
use crate::cli::SignArgs;
use crate::context::image::reference;
use crate::context::subject::Subject;
use crate::context::{GlobalContext, key};
use crate::error::Result;
use crate::publish::sign::{ImageSigner, read_predicate};
use crate::reference::BaseReference;

/// Signs the image that is named; returns its name with its digest.
///
/// # Errors
/// Returns an error if the key cannot be used, there is no such image, or it takes no signature where it is.
pub(crate) fn run(args: &SignArgs, context: &GlobalContext) -> Result<Outcome> {
    let reference = reference(&args.subject.image)?;
    // The arguments are such that one is named.
    let signer = key::signer(&args.signer, context)?
        .ok_or_else(|| miette!(help = "name a key with `--key`", "cannot sign without a key"))?;
    let signed = sign(args, &reference, &signer, context).wrap_err_with(|| format!("cannot sign {reference}"))?;
    Ok(Outcome::Results(vec![signed]))
}

fn sign(args: &SignArgs, reference: &BaseReference, signer: &Signer, context: &GlobalContext) -> Result<String> {
    let predicates = args.statements.iter().map(|typed| read_predicate(&typed.path)).collect::<Result<Vec<_>>>()?;
    let image = Subject::open(reference, context)?;
    let named = args.statements.iter().zip(predicates).map(|(typed, predicate)| {
        Statement::new(&image.repository, image.root.digest(), &typed.predicate_type, predicate)
    });
    let named: Vec<_> = named.collect();
    let format = args.signer.signature_format.unwrap_or_default();
    let signing =
        ImageSigner { signer, image: &image, format, image_only: args.image_only, listener: context.listener };
    signing.sign_all(&named)?;
    Ok(image.pinned)
}
