//! `cargo oci verify`: whether the owner of a key has signed an image, and what is said of it.

use miette::{Context, miette};
use oci_spec::image::Descriptor;

use crate::attest::PublicKey;
use crate::attest::verify::{Verification, verify_referrers};
use crate::cli::{Required, VerifyArgs};
use crate::context::image::{Named, reference};
use crate::context::key;
use crate::context::subject::{Part, parts};
use crate::environment::Environment;
use crate::error::{Result, or_help};
use crate::event::{Event, Listener};
use crate::image::predicate;
use crate::inspect::referrers::group_by_subject;

/// Verifies the image that is named; gives its name with its digest, which is what was verified.
///
/// # Errors
/// When the key cannot be used, there is no such image, the key has not signed it, or what is attached to it is not what
/// was attached.
pub fn verify(args: &VerifyArgs, listener: Listener) -> Result<Vec<String>> {
    let environment = Environment::of_this_process();
    let reference = reference(&args.image)?;
    let key = key::public(&args.key, &environment)?;
    let verified = || -> Result<Vec<String>> {
        let named = Named::open(&reference, &environment, listener)?;
        let root = named.root()?;
        let pinned = reference.with_digest(root.digest().as_ref());
        let name = args.key.to_string();
        let found = Verifier { named: &named, key: &key, name: &name, image: pinned.clone() }.all(&root)?;
        found.iter().for_each(|(part, known)| tell(part, known, listener));
        for (required, what, types) in WANTED {
            let is_required = args.require.contains(&required);
            match missing(types, is_required, &found) {
                None => {}
                Some(of) if is_required => {
                    return Err(miette!(
                        help = "`cargo oci push --sign --key PRIVATE-KEY` attaches and signs it, and `cargo oci sign` signs what is attached",
                        "{name} has signed no {what} of {of}"
                    ));
                }
                Some(of) => listener(Event::Warning { message: format!("no {what} is attached to {of}") }),
            }
        }
        Ok(vec![pinned])
    };
    let help =
        || "do not use the image before you know why: `cargo oci validate` names each blob that is wrong".to_owned();
    verified().map_err(|error| or_help(error, help)).wrap_err_with(|| format!("cannot verify {reference}"))
}

/// What a signed image should have, and the types of the statements.
const WANTED: [(Required, &str, &[&str]); 2] = [
    (Required::Sbom, "SBOM", &[predicate::CYCLONEDX, predicate::SPDX]),
    (Required::Provenance, "provenance", &[predicate::PROVENANCE]),
];

/// Who looks at what is attached to an image.
struct Verifier<'a> {
    named: &'a Named<'a>,
    key: &'a PublicKey,
    /// What the key is called.
    name: &'a str,
    image: String,
}

impl Verifier<'_> {
    /// What is known of every part of an image, whose index is signed: its images are named in it by their digests, and
    /// may go without signatures of their own.
    fn all(&self, root: &Descriptor) -> Result<Vec<(Part, Verification)>> {
        let source = self.named.source();
        let listed = group_by_subject(source, self.named.entries());
        let mut found = Vec::new();
        for part in parts(source, root)? {
            let digest = part.descriptor.digest();
            let known = verify_referrers(source, &self.named.referrers(digest, &listed)?, digest, self.key)?;
            if part.descriptor.digest() == root.digest() && !known.is_signed() {
                return Err(known.not_signed_error(&self.image, self.name));
            }
            found.push((part, known));
        }
        Ok(found)
    }
}

fn tell(part: &Part, known: &Verification, listener: Listener) {
    let signed = known.statements.iter().map(|signed| &*signed.statement.predicate_type);
    let mut said: Vec<String> = signed.map(|kind| predicate::title(kind).to_owned()).collect();
    let plain = known.unsigned.iter().filter(|kind| !known.has_statement(kind));
    said.extend(plain.map(|kind| format!("{}, not signed", predicate::title(kind))));
    said.dedup();
    let digest = part.descriptor.digest().clone();
    if said.is_empty() {
        return;
    }
    listener(Event::Verified { image: part.what.clone(), digest, said });
}

/// Of what something is missing that a signed image should have: of the index, or else of each image. `is_signed` says
/// whether it counts only where the key has signed it.
fn missing(types: &[&str], is_signed: bool, found: &[(Part, Verification)]) -> Option<String> {
    let has = |known: &Verification| {
        types.iter().any(|own| known.has_statement(own) || !is_signed && known.unsigned.contains(own))
    };
    let [(_, root), images @ ..] = found else { return None };
    if has(root) {
        return None;
    }
    let lacking: Vec<_> = images.iter().filter(|(_, known)| !has(known)).map(|(part, _)| part.what.as_str()).collect();
    match &lacking[..] {
        [] if !images.is_empty() => None,
        lacking if lacking.len() == images.len() => Some("the image".to_owned()),
        lacking => Some(lacking.join(", ")),
    }
}
