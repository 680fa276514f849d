//! `cargo oci sign`: an image's index and its image for each platform, signed where they are.

use std::fs::File;
use std::io::Read;

use miette::{Context, miette};
use serde_json::Value;

use super::keys;
use super::login::Asked;
use super::named::reference;
use super::subjects::{Part, Subject};
use crate::attest::{PrivateKey, Statement};
use crate::cli::{Attest, SignArgs};
use crate::error::{Result, on_path};
use crate::event::{Event, Listener};
use crate::plan::Environment;
use crate::store::{MOST_DOCUMENT_BYTES, Referrers};

/// Signs the image that is named; gives its name with its digest.
///
/// # Errors
/// When the key cannot be used, there is no such image, or its place takes no signature.
pub fn sign(args: &SignArgs, asked: Asked, listener: Listener) -> Result<Vec<String>> {
    let environment = Environment::of_this_process();
    let reference = reference(&args.subject.image)?;
    let key = keys::private(&args.key, &environment, asked)?;
    let signed = || -> Result<Vec<String>> {
        let predicates = args.statements.iter().map(predicate).collect::<Result<Vec<_>>>()?;
        let image = Subject::open(&reference, &environment, listener)?;
        for (said, predicate) in args.statements.iter().zip(predicates) {
            let statement = Statement::new(&image.repository, image.root.digest(), &said.predicate_type, predicate);
            attest(&key, &image, &statement, listener)?;
        }
        all(&key, image.place(), &image.parts()?, listener)?;
        Ok(vec![image.pinned])
    };
    signed().wrap_err_with(|| format!("cannot sign {reference}"))
}

/// The JSON of a file.
fn predicate(said: &Attest) -> Result<Value> {
    let path = &said.path;
    let mut text = Vec::new();
    let read = File::open(path).and_then(|file| file.take(MOST_DOCUMENT_BYTES + 1).read_to_end(&mut text));
    let read = read.map_err(|error| on_path("read", path, error))?;
    if read as u64 > MOST_DOCUMENT_BYTES {
        return Err(miette!(
            help = "attach it as it is, with `cargo oci attach`, and sign a smaller document that names its digest",
            "{} is larger than {MOST_DOCUMENT_BYTES} bytes, which is more than a statement holds",
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

/// Says something of an image's index.
fn attest(key: &PrivateKey, image: &Subject, statement: &Statement, listener: Listener) -> Result<()> {
    let attached = crate::attest::sign::attest(key, &image.root, statement, image.place())?;
    listener(Event::Attached {
        artifact_type: statement.predicate_type.clone(),
        subject: image.root.digest().clone(),
        digest: attached.manifest.digest().clone(),
        to: image.place().place(),
        was_there: attached.was_there,
    });
    Ok(())
}

/// Signs every part of an image where it is. The index comes last: who finds it signed finds all of it signed.
///
/// # Errors
/// The first one's; those before it are signed then.
pub fn all(key: &PrivateKey, place: &dyn Referrers, parts: &[Part], listener: Listener) -> Result<()> {
    for Part { what, descriptor, .. } in parts.iter().rev() {
        let signed = crate::attest::sign::sign(key, descriptor, place)?;
        listener(Event::Signed {
            image: what.clone(),
            digest: descriptor.digest().clone(),
            to: place.place(),
            was_there: signed.was_there,
        });
    }
    Ok(())
}
