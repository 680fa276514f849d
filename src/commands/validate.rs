//! `cargo oci validate`: recompute every digest, size and diffID of an image.

use miette::Context;

use super::Outcome;
use crate::cli::NamedArgs;
use crate::context::GlobalContext;
use crate::context::image::{OpenImage, no_image_for, reference};
use crate::error::Result;
use crate::event::Event;
use crate::event::counter::Activity;
use crate::store::ProgressSource;
use crate::store::validate::validate_all;

/// Validates the image that is named, or all images of its layout; returns what is wrong.
///
/// # Errors
/// Returns an error if there is no such image, or none for the platform.
pub(crate) fn run(args: &NamedArgs, context: &GlobalContext) -> Result<Outcome> {
    let reference = reference(&args.image)?;
    let failure = || format!("cannot validate {reference}");
    let image = OpenImage::open(&reference, context).wrap_err_with(failure)?;
    let roots: Vec<_> = image.roots().wrap_err_with(failure)?.into_iter().map(|root| root.descriptor).collect();
    let name = reference.to_string();
    context.report(Event::Validating { image: name.clone() });
    let source = ProgressSource { source: image.source(), activity: Activity::Validating, listener: context.listener };
    let found = validate_all(&source, &roots, args.platform.as_ref());
    if found.problems.is_empty() {
        if let Some(platform) = args.platform.as_ref().filter(|platform| !found.platforms.contains(platform)) {
            return Err(no_image_for(platform, image.source(), &found.platforms)).wrap_err_with(failure);
        }
        context.report(Event::Validated { image: name, blobs: found.blobs, bytes: found.bytes });
    }
    Ok(Outcome::Validated(found, args.json))
}
