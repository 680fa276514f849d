//! Signed statements about an image, attached to it as cosign 3 does it.

use oci_spec::image::Descriptor;

use super::bundle::{BUNDLE, Bundle};
use super::key::PrivateKey;
use super::referrer::{Attached, Referrer};
use super::statement::Statement;
use super::verify::look;
use crate::error::Result;
use crate::image::manifest::Annotations;
use crate::image::predicate;
use crate::store::{Memory, Referrers};

/// What cosign says of a bundle in the manifest that carries it.
const CONTENT: &str = "dev.sigstore.bundle.content";
const PREDICATE_TYPE: &str = "dev.sigstore.bundle.predicateType";

/// The statement, signed, as it is attached to what it is about, and where its content is read from.
///
/// # Errors
/// Of encoding the key.
pub fn signed(key: &PrivateKey, subject: &Descriptor, statement: &Statement) -> Result<(Referrer, Memory)> {
    let bundle = Bundle::sign(key, statement)?.bytes();
    let annotations = [(CONTENT, "dsse-envelope"), (PREDICATE_TYPE, &statement.predicate_type)];
    let annotations: Annotations = annotations.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
    Ok(Referrer::of_document(subject, BUNDLE, bundle, &annotations))
}

/// Signs content where it is, unless the same key has done so before, with whatever program.
///
/// # Errors
/// Of reading what is attached there, and of attaching the signature.
pub fn sign(key: &PrivateKey, subject: &Descriptor, place: &dyn Referrers) -> Result<Attached> {
    attest(key, subject, &Statement::signature(subject.digest()), place)
}

/// Attaches a signed statement to what it is about, unless it is there, signed by the same key.
///
/// # Errors
/// Of reading what is attached there, and of attaching the statement.
pub fn attest(
    key: &PrivateKey,
    subject: &Descriptor,
    statement: &Statement,
    place: &dyn Referrers,
) -> Result<Attached> {
    let (referrer, content) = signed(key, subject, statement)?;
    let listed = place.referrers(subject.digest())?;
    if let Some(same) = listed.iter().find(|entry| entry.digest() == referrer.manifest.descriptor.digest()) {
        return Ok(Attached { manifest: same.clone(), was_there: true });
    }
    // Another program signs the same in other bytes: its signatures are new each time.
    let is_same = |found: &Statement| {
        found.predicate_type == statement.predicate_type
            && (found.predicate_type == predicate::SIGNATURE || found.predicate == statement.predicate)
    };
    let known = look(place, &listed, subject.digest(), &key.public());
    let known = known.ok().and_then(|known| known.said.into_iter().find(|said| is_same(&said.statement)));
    match known {
        Some(said) => Ok(Attached { manifest: said.manifest, was_there: true }),
        None => referrer.put(&content, place),
    }
}
