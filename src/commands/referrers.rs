//! `cargo oci referrers`: what is attached to an image.

use miette::Context;

use crate::cli::ReferrersArgs;
use crate::context::image::{Named, reference};
use crate::context::subject::parts;
use crate::environment::Environment;
use crate::error::Result;
use crate::event::Listener;
use crate::inspect::referrers::{AttachedManifest, ImageReferrers, SubjectReferrers, group_by_subject};

/// Lists what is attached to the image that is named, and to its image for each platform.
///
/// # Errors
/// When there is no such image, or what is attached to it cannot be read.
pub fn referrers(args: &ReferrersArgs, listener: Listener) -> Result<ImageReferrers> {
    let reference = reference(&args.image)?;
    let listed = || -> Result<ImageReferrers> {
        let environment = Environment::of_this_process();
        let named = Named::open(&reference, &environment, listener)?;
        let source = named.source();
        let known = group_by_subject(source, named.entries());
        let mut subjects = Vec::new();
        for part in parts(source, &named.root()?)? {
            let digest = part.descriptor.digest().clone();
            let attached = AttachedManifest::of(source, &|subject| named.referrers(subject, &known), &digest)?;
            subjects.push(SubjectReferrers { platform: part.platform, digest, attached });
        }
        Ok(ImageReferrers { reference: reference.to_string(), subjects })
    };
    listed().wrap_err_with(|| format!("cannot list what is attached to {reference}"))
}
