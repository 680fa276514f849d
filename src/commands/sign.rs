//! `cargo oci sign`: an image's index and its image for each platform, signed where they are.

use std::fs::File;
use std::io::Read;

use miette::{Context, miette};
use serde_json::Value;

use super::login::Asked;
use crate::attest::sign::{lacking, unsigned};
use crate::attest::{Signer, Statement};
use crate::cli::{Attest, SignArgs};
use crate::context::image::reference;
use crate::context::key;
use crate::context::subject::{Part, Subject};
use crate::environment::Environment;
use crate::error::{Result, on_path};
use crate::event::Listener;
use crate::parallel::{MANY, each};
use crate::store::{MAX_DOCUMENT_BYTES, Memory};

/// Signs the image that is named; gives its name with its digest.
///
/// # Errors
/// When the key cannot be used, there is no such image, or its place takes no signature.
pub fn sign(args: &SignArgs, asked: Asked, listener: Listener) -> Result<Vec<String>> {
    let environment = Environment::of_this_process();
    let reference = reference(&args.subject.image)?;
    // The arguments are such that one is named.
    let none = || miette!(help = "name a key with `--key`", "nobody signs");
    let signer = key::signer(&args.signer, &environment, asked)?.ok_or_else(none)?;
    let signed = || -> Result<Vec<String>> {
        let predicates = args.statements.iter().map(predicate).collect::<Result<Vec<_>>>()?;
        let image = Subject::open(&reference, &environment, listener)?;
        let named = args.statements.iter().zip(predicates).map(|(said, predicate)| {
            Statement::new(&image.repository, image.root.digest(), &said.predicate_type, predicate)
        });
        let signing = Signing { signer: &signer, image: &image, image_only: args.image_only, listener };
        let parts = image.parts()?;
        // The index comes last: who finds it signed finds all of it signed. Without an index, the image is all there is. One
        // of them always is there.
        let (root, images) = parts.split_at(1);
        signing.sign(images, &[])?;
        signing.sign(root, &named.collect::<Vec<_>>())?;
        Ok(vec![image.pinned])
    };
    signed().wrap_err_with(|| format!("cannot sign {reference}"))
}

/// An image that is signed where it is.
struct Signing<'a> {
    signer: &'a Signer,
    image: &'a Subject<'a>,
    image_only: bool,
    listener: Listener<'a>,
}

impl Signing<'_> {
    /// Signs parts of it, and what is said of them: in `statements`, and where they are.
    fn sign(&self, parts: &[Part], statements: &[Statement]) -> Result<()> {
        let place = self.image.place();
        let memory = Memory::default();
        let signed = each(parts, MANY, |part| {
            let digest = part.descriptor.digest();
            let listed = place.referrers(digest)?;
            let mut all = vec![Statement::signature(digest)];
            all.extend_from_slice(statements);
            if !self.image_only {
                all.extend(unsigned(place, &listed, digest, &self.image.repository)?);
            }
            let lacking = lacking(self.signer, &part.descriptor, &all, (&listed, place), &memory)?;
            Ok((all, lacking))
        })?;
        let lacking: Vec<_> = signed.iter().flat_map(|(_, lacking)| lacking.iter().cloned()).collect();
        if !lacking.is_empty() {
            place.attach(&lacking, &memory)?;
        }
        for (part, (statements, lacking)) in parts.iter().zip(&signed) {
            (self.listener)(part.signed(place.location(), statements, lacking.is_empty()));
        }
        Ok(())
    }
}

/// The JSON of a file.
fn predicate(said: &Attest) -> Result<Value> {
    let path = &said.path;
    let mut text = Vec::new();
    let read = File::open(path).and_then(|file| file.take(MAX_DOCUMENT_BYTES + 1).read_to_end(&mut text));
    let read = read.map_err(|error| on_path("read", path, error))?;
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
