//! `cargo oci referrers`: what is attached to an image.

use miette::Context;

use crate::cli::ReferrersArgs;
use crate::context::image::{Named, reference};
use crate::context::subject::parts;
use crate::environment::Environment;
use crate::error::Result;
use crate::event::Listener;
use crate::inspect::Attached;
use crate::inspect::attached::{Attachments, Subject, among};

/// Lists what is attached to the image that is named, and to its image for each platform.
///
/// # Errors
/// When there is no such image, or what is attached to it cannot be read.
pub fn referrers(args: &ReferrersArgs, listener: Listener) -> Result<Attachments> {
    let reference = reference(&args.image)?;
    let listed = || -> Result<Attachments> {
        let environment = Environment::of_this_process();
        let named = Named::open(&reference, &environment, listener)?;
        let source = named.source();
        let known = among(source, named.entries());
        let mut subjects = Vec::new();
        for part in parts(source, &named.root()?)? {
            let digest = part.descriptor.digest().clone();
            let attached = Attached::of(source, &|subject| named.referrers(subject, &known), &digest)?;
            subjects.push(Subject { platform: part.platform, digest, attached });
        }
        Ok(Attachments { reference: reference.to_string(), subjects })
    };
    listed().wrap_err_with(|| format!("cannot list what is attached to {reference}"))
}
