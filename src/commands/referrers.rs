//! `cargo oci referrers`: list what is attached to an image, or print one attachment.

use std::path::Path;

use miette::Context;

use super::Outcome;
use crate::cli::{AttachmentName, ReferrersArgs};
use crate::context::GlobalContext;
use crate::context::attachments::{self, content, copy, list};
use crate::context::image::{OpenImage, reference};
use crate::error::{Result, on_path};
use crate::inspect::referrers::ImageReferrers;
use crate::store::{Source, atomic};

/// Lists what is attached to the image that is named, and to its manifest for each platform; or returns the content of one
/// attachment.
///
/// # Errors
/// Returns an error if there is no such image, or an attachment cannot be read.
pub(crate) fn run(args: &ReferrersArgs, context: &GlobalContext) -> Result<Outcome> {
    let reference = reference(&args.image)?;
    let image = OpenImage::open(&reference, context);
    let Some(name) = &args.get else {
        let found = image.and_then(|image| list(&image, &reference, args.platform.as_ref(), context));
        let found = found.wrap_err_with(|| format!("cannot list what is attached to {reference}"))?;
        return Ok(Outcome::Referrers(found, args.json));
    };
    let content = image.and_then(|image| {
        let found = list(&image, &reference, args.platform.as_ref(), context)?;
        get(&found, name, image.source(), args.output.as_deref())
    });
    content.wrap_err_with(|| format!("cannot read what is attached to {reference}"))
}

/// Writes the content of an attachment to a file, or returns it.
fn get(found: &ImageReferrers, name: &AttachmentName, source: &dyn Source, output: Option<&Path>) -> Result<Outcome> {
    let content = content(found, std::slice::from_ref(name))?;
    let Some(path) = output else {
        return Ok(Outcome::Content(attachments::read(source, &content)?));
    };
    atomic::replace(path, |file| copy(source, &content, file)).map_err(|error| on_path("write", path, error))?;
    Ok(Outcome::Results(vec![path.display().to_string()]))
}
