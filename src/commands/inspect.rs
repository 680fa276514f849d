//! `cargo oci inspect`: what an image holds, of which nothing large is read.

use miette::{Context, Report, miette};
use oci_spec::image::Digest;

use crate::cli::NamedArgs;
use crate::context::image::{Named, Root, reference};
use crate::environment::Environment;
use crate::error::{Result, or_help};
use crate::event::Listener;
use crate::image::media_type::is_document;
use crate::inspect::attached::{among, is_fallback};
use crate::inspect::{Attached, Image, Inspected, Reader};
use crate::platform::Platform;
use crate::store::Source;

/// Reads the image that is named, or all that its place lists.
///
/// # Errors
/// When there is no such image, or it is not what its digests say; when it has none for the platform that is wanted.
pub fn inspect(args: &NamedArgs, listener: Listener) -> Result<Inspected> {
    let reference = reference(&args.image)?;
    let what = || format!("cannot inspect {reference}");
    let environment = Environment::of_this_process();
    let named = Named::open(&reference, &environment, listener).wrap_err_with(what)?;
    let listed = among(named.source(), named.entries());
    let referrers = |subject: &Digest| named.referrers(subject, &listed);
    let reader = Reader { source: named.source(), referrers: &referrers, only: args.platform.as_ref() };
    let help = || format!("`cargo oci validate {reference}` names each blob that is wrong");
    let images = named.roots().and_then(|roots| all(&reader, roots)).wrap_err_with(what);
    let images = images.map_err(|error| or_help(error, help))?;
    Ok(Inspected { reference: reference.to_string(), images })
}

/// Reads the roots; what is attached to another is shown there alone.
fn all(reader: &Reader, roots: Vec<Root>) -> Result<Vec<Image>> {
    let one = roots.len() == 1;
    let is_image = |root: &Root| is_document(root.descriptor.media_type()) && !is_fallback(&root.descriptor);
    let (mut images, mut platforms) = (Vec::new(), Vec::new());
    for root in roots.into_iter().filter(|root| one || is_image(root)) {
        let (image, found) = reader.image(&root.descriptor, root.tags)?;
        images.push(image);
        platforms.extend(found);
    }
    let attached: Vec<_> = images.iter().flat_map(attached_to).collect();
    images.retain(|image| !attached.contains(&image.digest));
    match reader.only {
        Some(only) => {
            images.retain(|image| !image.manifests.is_empty());
            if images.is_empty() { Err(lacks(reader.source, only, &platforms)) } else { Ok(images) }
        }
        None => Ok(images),
    }
}

/// All that is attached to an image, and to what is attached to it.
fn attached_to(image: &Image) -> Vec<Digest> {
    let of_manifests = image.manifests.iter().flat_map(|manifest| &manifest.attached);
    let mut left: Vec<&Attached> = image.attached.iter().chain(of_manifests).collect();
    let mut found = Vec::new();
    while let Some(attached) = left.pop() {
        found.push(attached.blob.digest.clone());
        left.extend(&attached.attached);
    }
    found
}

/// There is no image for a platform, but for others.
pub(super) fn lacks(source: &dyn Source, only: &Platform, platforms: &[Platform]) -> Report {
    let mut names: Vec<String> = Vec::new();
    for name in platforms.iter().map(ToString::to_string) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    let help = match &names[..] {
        [] => "it is for no platform at all".to_owned(),
        names => format!("it has images for {}", names.join(", ")),
    };
    miette!(help = help, "{} has no image for {only}", source.location())
}
