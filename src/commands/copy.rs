//! `cargo oci copy`: an image → other registries, layouts and archives.

use miette::{Context, miette};

use super::Outcome;
use crate::cli::CopyArgs;
use crate::context::GlobalContext;
use crate::context::image::{ImageRoot, OpenImage, reference};
use crate::context::verify::RequiredSigner;
use crate::copy::copied::CopySource;
use crate::copy::copier::{Copier, too_many_tags};
use crate::copy::destination::{CopyDestination, DestinationPlace};
use crate::error::Result;
use crate::inspect::referrers::group_by_subject;
use crate::parallel::{FEW, each};
use crate::reference::{BaseReference, Reference, TagOrDigest};
use crate::store::documents::ReadOnce;
use crate::store::layout::tag;
use crate::unique::each_once;

/// Copies the image that is named to all destinations; returns the name of each copy with its digest.
///
/// # Errors
/// Returns the first failure; then the tags there have not moved, except those that the error names.
pub(crate) fn run(args: &CopyArgs, context: &GlobalContext) -> Result<Outcome> {
    let destinations = destinations(args)?;
    let required = args.signer().map(|signer| RequiredSigner::find(&signer, context)).transpose()?;
    let from = reference(&args.source)?;
    let repository = match &from {
        BaseReference::Registry(reference) => Some(reference),
        _ => None,
    };
    let image = OpenImage::open(&from, context)?;
    let once = ReadOnce::new(image.source());
    let roots = roots(args, &image, repository)?;
    let listed = group_by_subject(image.source(), image.entries());
    let image_name = image_name(&from);
    let copies = each(&roots, FEW, |root| {
        let name = from.with_digest(root.descriptor.digest().as_ref());
        let source = CopySource {
            image: &image,
            source: &once,
            listed: &listed,
            repository,
            name: &name,
            platforms: &args.platform,
            required: required.as_ref(),
            referrers: args.referrers,
            context,
        };
        let tags = if args.tags.is_empty() { root.tags.clone() } else { each_once(args.tags.iter().cloned()) };
        each(&destinations, FEW, |destination| {
            Copier { source: &source, destination, image: &image_name }.copy(&root.descriptor, &tags)
        })
    })?;
    let copies = copies.into_iter().flatten();
    Ok(Outcome::Results(each_once(copies)))
}

/// Returns the destinations that were typed.
fn destinations(args: &CopyArgs) -> Result<Vec<CopyDestination>> {
    let mut destinations = Vec::new();
    for text in &args.destinations {
        let destination = CopyDestination::parse(text).wrap_err_with(|| format!("cannot copy to {text}"))?;
        if destination.tag.is_some() && (args.all_tags || !args.tags.is_empty()) {
            return Err(too_many_tags(text));
        }
        if args.all_tags && !matches!(destination.place, DestinationPlace::Registry(_)) {
            return Err(miette!(
                help = "copy each tag to a folder or file of its own, without `--all-tags`",
                "cannot copy all tags to {text}: only a registry has room for several images"
            ));
        }
        destinations.push(destination);
    }
    Ok(destinations)
}

/// Returns the images to copy, each with its tags.
fn roots(args: &CopyArgs, image: &OpenImage, repository: Option<&Reference>) -> Result<Vec<ImageRoot>> {
    if args.all_tags {
        if repository.is_none() || Reference::is_named_in(&args.source) {
            return Err(miette!(
                help = "name the repository alone, as in `ghcr.io/acme/hello`",
                "cannot copy all tags of {}: it is no repository",
                args.source
            ));
        }
        return tagged_roots(image, &args.source);
    }
    let root = image.root()?;
    let tags = match image.name() {
        Some(TagOrDigest::Tag(named)) => vec![named.clone()],
        Some(TagOrDigest::Digest(_)) => Vec::new(),
        None => {
            let same = image.entries().iter().filter(|entry| entry.digest() == root.digest());
            each_once(same.filter_map(tag).map(str::to_owned))
        }
    };
    Ok(vec![ImageRoot { descriptor: root, tags }])
}

/// Returns all images of a repository that have tags.
fn tagged_roots(image: &OpenImage, name: &str) -> Result<Vec<ImageRoot>> {
    let tags = image.tags()?;
    let found = each(&tags, FEW, |tag| image.source().resolve(Some(&TagOrDigest::Tag(tag.clone()))))?;
    let mut roots: Vec<ImageRoot> = Vec::new();
    for (tag, descriptor) in tags.into_iter().zip(found) {
        match roots.iter_mut().find(|root| root.descriptor.digest() == descriptor.digest()) {
            Some(root) => root.tags.push(tag),
            None => roots.push(ImageRoot { descriptor, tags: vec![tag] }),
        }
    }
    if roots.is_empty() {
        return Err(miette!(help = "check the name of the repository", "{name} has no tags"));
    }
    Ok(roots)
}

/// Returns the name that a layout of the image gets.
fn image_name(from: &BaseReference) -> String {
    let name = match from {
        BaseReference::Registry(reference) => reference.repository().rsplit('/').next().map(str::to_owned),
        BaseReference::Layout(place) | BaseReference::Archive(place) => {
            place.path.file_stem().map(|name| name.to_string_lossy().into_owned())
        }
        BaseReference::Embedded | BaseReference::Scratch => None,
    };
    name.unwrap_or_else(|| "image".to_owned())
}
