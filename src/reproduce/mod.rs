//! The provenance of an image → the same build here, and whether it gives the same digest.
//!
//! | file | what it does |
//! | --- | --- |
//! | `arguments` | what provenance records → the arguments of a build |
//! | `conditions` | what must be here as it was there: commit, Cargo.lock, toolchain |

mod arguments;
mod conditions;

use jiff::Timestamp;
use miette::{Context, IntoDiagnostic, Report, miette};

use self::arguments::build_args;
use self::conditions::{BuildConditions, Unmet};
use crate::attest::Statement;
use crate::attest::recorded::RecordedBuild;
use crate::build::Build;
use crate::cli::ReproduceArgs;
use crate::compare::difference::ImageDifference;
use crate::context::GlobalContext;
use crate::context::attachments::{content, list, read};
use crate::context::compare::{Extent, difference, info};
use crate::context::image::OpenImage;
use crate::error::Result;
use crate::event::Event;
use crate::image::attestation::attested_digest;
use crate::image::manifest::Manifest;
use crate::image::{Descriptor, Digest};
use crate::plan::{self, Purpose, Request};
use crate::reference::BaseReference;
use crate::store::{self, Source};

/// What became of a reproduction.
pub(crate) enum Reproduction {
    /// The digest is the same: the reference with it.
    Same(String),
    /// It is not.
    Different(Box<ImageDifference>),
}

/// Builds an image again from what its provenance records, and compares both. Nothing is built if sources or toolchain are not
/// those of the build.
///
/// # Errors
/// Returns an error if there is no provenance, if sources or toolchain differ, or if the build fails.
pub(crate) fn reproduce(
    reference: &BaseReference,
    args: &ReproduceArgs,
    context: &GlobalContext,
) -> Result<Reproduction> {
    let RecordedImage { digest, attested, created, build: recorded } = recorded(reference, context)?;
    let pinned = reference.with_digest(digest.as_ref());
    context.report(Event::Reproducing { image: pinned.clone(), build: recorded.summary() });
    let conditions = BuildConditions { recorded: &recorded, args, context };
    let mut unmet = conditions.of_sources()?;
    let mut build = build_args(&recorded, args)?;
    // Another commit may have another package.
    let plan = match plan::make(&Request { args: &build, purpose: Purpose::Reproduction }, &context.environment) {
        Err(_) if !unmet.is_empty() => return Err(not_here(reference, &unmet)),
        plan => plan?,
    };
    if plan.images.len() > 1 {
        build.image.images = vec![recorded.name.clone()];
    }
    unmet.extend(conditions.of_plan(&plan, created)?);
    if !unmet.is_empty() {
        return Err(not_here(reference, &unmet));
    }
    let request = Request { args: &build, purpose: Purpose::Reproduction };
    let built = Build { request, complete: true, attach: false, context }.run(|_| Ok(()), &())?;
    let [image] = &built.images[..] else {
        return Err(miette!("the package has {} images called {}", built.images.len(), recorded.name));
    };
    let digests = image.manifests.iter().map(|manifest| &manifest.digest).chain([&image.digest]);
    let ours: Vec<_> = image.manifests.iter().map(|manifest| &manifest.digest).collect();
    // What an index attests depends on more than its images: those count.
    let are_images_same = attested.is_some_and(|theirs| theirs.iter().eq(ours));
    if digests.into_iter().any(|built| *built == digest) || are_images_same {
        context.report(Event::Reproduced { image: pinned.clone() });
        return Ok(Reproduction::Same(pinned));
    }
    let [theirs, ours] = [pinned.clone(), image.reference.clone()].map(|name| name.parse::<BaseReference>());
    let extent = Extent { first: true, ..Extent::default() };
    let found = difference([&theirs.map_err(Report::from_err)?, &ours.map_err(Report::from_err)?], extent, context)?;
    context.warn(format!("{pinned} is not reproduced: the same build has the digest {} here", image.digest));
    Ok(Reproduction::Different(Box::new(found)))
}

/// What is known of an image and its build.
struct RecordedImage {
    digest: Digest,
    /// Its images, if its index attests them.
    attested: Option<Vec<Digest>>,
    /// The time in its config, if there is one.
    created: Option<Timestamp>,
    build: RecordedBuild,
}

/// Reads an image and its provenance.
fn recorded(reference: &BaseReference, context: &GlobalContext) -> Result<RecordedImage> {
    let image = OpenImage::open(reference, context)?;
    let root = image.root()?;
    let found = list(&image, reference, None, context)?;
    let name = "provenance".parse().map_err(|why: String| miette!(why))?;
    let bytes = content(&found, &[name]).and_then(|content| read(image.source(), &content));
    let statement = Statement::read(&bytes.wrap_err("it has no provenance that can be read")?)?;
    if !statement.is_about(root.digest()) {
        return Err(miette!(
            help = "`cargo oci referrers` lists what is attached to the image",
            "its provenance is about other images, not about {}",
            root.digest()
        ));
    }
    let build = RecordedBuild::of(&statement)?;
    let info = info(&image, &root, Extent::default(), context)?;
    let created = info.manifests.iter().find_map(|manifest| manifest.config.as_ref()?.created.as_ref()?.parse().ok());
    let attested = attested_images(image.source(), &root)?;
    Ok(RecordedImage { digest: root.digest().clone(), attested, created, build })
}

/// Returns the images of an index with attestations, in its order, or `None` if it has no attestations.
fn attested_images(source: &dyn Source, root: &Descriptor) -> Result<Option<Vec<Digest>>> {
    let manifest = Manifest::parse(root.media_type(), &store::read(source, root)?).into_diagnostic()?;
    let entries = manifest.into_index().unwrap_or_default();
    let (attestations, images): (Vec<_>, Vec<_>) = entries.iter().partition(|entry| attested_digest(entry).is_some());
    Ok((!attestations.is_empty()).then(|| images.into_iter().map(|image| image.digest().clone()).collect()))
}

/// Returns the error of a build that cannot be repeated here.
fn not_here(reference: &BaseReference, unmet: &[Unmet]) -> Report {
    let lines: Vec<_> =
        unmet.iter().map(|one| format!("\n  {}: {}, here: {}", one.what, one.recorded, one.here)).collect();
    let fixes: Vec<_> = unmet.iter().filter_map(|one| one.fix.clone()).collect();
    let help = if fixes.is_empty() {
        "build and push the image from a clean checkout to have it reproduced".to_owned()
    } else {
        fixes.join("; ")
    };
    miette!(help = help, "{reference} cannot be built here as it was built:{}", lines.concat())
}
