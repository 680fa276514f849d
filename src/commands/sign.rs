//! `cargo oci sign`: sign the index of an image and its manifest for each platform, where they are.

use std::fs::File;
use std::io::Read;

use miette::{Context, miette};
use serde_json::Value;

use super::Outcome;
use crate::attest::sign::{SubjectSigner, unsigned_statements};
use crate::attest::{Signer, Statement};
use crate::cli::{Attest, SignArgs};
use crate::context::image::reference;
use crate::context::subject::{SignableManifest, Subject};
use crate::context::{GlobalContext, key};
use crate::error::{Result, cannot_read};
use crate::event::Listener;
use crate::parallel::{MANY, each};
use crate::reference::BaseReference;
use crate::store::{MAX_DOCUMENT_BYTES, Memory};

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
    let predicates = args.statements.iter().map(predicate).collect::<Result<Vec<_>>>()?;
    let image = Subject::open(reference, context)?;
    let named = args.statements.iter().zip(predicates).map(|(typed, predicate)| {
        Statement::new(&image.repository, image.root.digest(), &typed.predicate_type, predicate)
    });
    let named: Vec<_> = named.collect();
    let signing = Signing { signer, image: &image, image_only: args.image_only, listener: context.listener };
    let manifests = image.signable_manifests()?;
    // The index is signed last: whoever finds it signed finds all of it signed. There is always a first one.
    let (root, images) = manifests.split_at(1);
    signing.sign(images, &[])?;
    signing.sign(root, &named)?;
    Ok(image.pinned)
}

/// An image that is signed where it is.
struct Signing<'a> {
    signer: &'a Signer,
    image: &'a Subject<'a>,
    image_only: bool,
    listener: Listener<'a>,
}

impl Signing<'_> {
    /// Signs manifests of it, `statements` about each, and what is attached to each.
    fn sign(&self, manifests: &[SignableManifest], statements: &[Statement]) -> Result<()> {
        let place = self.image.place();
        let memory = Memory::default();
        let signed = each(manifests, MANY, |manifest| {
            let digest = manifest.descriptor.digest();
            let listed = place.referrers(digest)?;
            let mut all = vec![Statement::signature(digest)];
            all.extend_from_slice(statements);
            if !self.image_only {
                all.extend(unsigned_statements(place, &listed, digest, &self.image.repository)?);
            }
            let (signer, subject) = (self.signer, &manifest.descriptor);
            let missing =
                SubjectSigner { signer, subject, listed: &listed, source: place }.sign_missing(&all, &memory)?;
            Ok((all, missing))
        })?;
        let missing: Vec<_> = signed.iter().flat_map(|(_, missing)| missing.iter().cloned()).collect();
        if !missing.is_empty() {
            place.attach(&missing, &memory)?;
        }
        for (manifest, (statements, missing)) in manifests.iter().zip(&signed) {
            (self.listener)(manifest.signed(place.location(), statements, missing.is_empty()));
        }
        Ok(())
    }
}

/// Reads the JSON of a file.
fn predicate(said: &Attest) -> Result<Value> {
    let path = &said.path;
    let mut text = Vec::new();
    let read = File::open(path).and_then(|file| file.take(MAX_DOCUMENT_BYTES + 1).read_to_end(&mut text));
    let read = read.map_err(|error| cannot_read(path, error))?;
    if read as u64 > MAX_DOCUMENT_BYTES {
        return Err(miette!(
            help = "attach it as it is, with `cargo oci attach`, and sign a smaller document that names its digest",
            "{} is larger than {MAX_DOCUMENT_BYTES} bytes, which is more than a statement holds",
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
