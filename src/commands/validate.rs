//! `cargo oci validate`: every digest, size and diffID of an image, recomputed.

use miette::Context;

use super::inspect::lacks;
use crate::cli::NamedArgs;
use crate::context::image::{Named, reference};
use crate::environment::Environment;
use crate::error::Result;
use crate::event::transfer::Activity;
use crate::event::{Event, Listener};
use crate::store::ProgressSource;
use crate::store::validate::{Validated, validate_all};

/// Looks at the image that is named, or at all that its place lists; gives what is wrong.
///
/// # Errors
/// When there is no such image, or none for the platform that is wanted.
pub fn validate(args: &NamedArgs, listener: Listener) -> Result<Validated> {
    let reference = reference(&args.image)?;
    let what = || format!("cannot validate {reference}");
    let environment = Environment::of_this_process();
    let named = Named::open(&reference, &environment, listener).wrap_err_with(what)?;
    let roots: Vec<_> = named.roots().wrap_err_with(what)?.into_iter().map(|root| root.descriptor).collect();
    let image = reference.to_string();
    listener(Event::Validating { image: image.clone() });
    let source = ProgressSource { source: named.source(), activity: Activity::Validating, listener };
    let found = validate_all(&source, &roots, args.platform.as_ref());
    if found.problems.is_empty() {
        match &args.platform {
            Some(only) if !found.platforms.contains(only) => {
                return Err(lacks(named.source(), only, &found.platforms)).wrap_err_with(what);
            }
            _ => listener(Event::Validated { image, blobs: found.blobs, bytes: found.bytes }),
        }
    }
    Ok(found)
}
