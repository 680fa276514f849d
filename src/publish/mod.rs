//! Images → registries, engines and bundles; their signatures.
//!
//! A push sends blobs → manifests by digest, and beside them what is attached → the index and its tags, to every repository of an
//! image.

pub(crate) mod attachments;
pub(crate) mod bundles;
mod destination;
pub(crate) mod dry_run;
pub(crate) mod engines;
pub(crate) mod finished;
pub(crate) mod policy;
mod push_plan;
mod referrers;
pub(crate) mod sign;
pub(crate) mod signature_tags;
pub(crate) mod tags;

use std::sync::OnceLock;

use miette::{Context, Report, miette};

use self::destination::{Destination, TaggedImage};
use self::push_plan::PushPlan;
use crate::attest::Signer;
use crate::build::Built;
use crate::build::hooks::{Hooks, ImageBase};
use crate::context::GlobalContext;
use crate::error::Result;
use crate::parallel::{MANY, each};
use crate::plan::{ImagePlan, Plan};
use crate::store::{Fallback, copy};

/// The repositories that the images of a plan are pushed to.
///
/// As hooks of a build, they ask the registries for tags and layers while cargo runs, and send layers of bases ahead.
pub(crate) struct Destinations<'a> {
    context: &'a GlobalContext<'a>,
    /// Whether no tag is moved.
    by_digest: bool,
    /// Signs images, if there is one.
    signer: Option<&'a Signer>,
    /// Connected as soon as there is a plan.
    open: OnceLock<Vec<Destination<'a>>>,
}

impl<'a> Destinations<'a> {
    /// Creates the destinations, before the plan is made.
    pub(crate) fn new(context: &'a GlobalContext<'a>, by_digest: bool, signer: Option<&'a Signer>) -> Destinations<'a> {
        Destinations { context, by_digest, signer, open: OnceLock::new() }
    }

    /// Pushes all images; returns `registry/repository@digest` for each repository.
    ///
    /// # Errors
    /// Returns the first failure, which says what tags have moved.
    pub(crate) fn push(&self, built: &Built) -> Result<Vec<String>> {
        let mut results = Vec::new();
        for destination in self.open() {
            let (plan, image) = (&built.plan.images[destination.image], &built.images[destination.image]);
            let layout = &built.layouts[destination.image];
            let source = Fallback { primary: layout, secondary: built.bases.source(&plan.base)? };
            let (tags, pushed) = (self.tags(plan), PushPlan::from(plan));
            let upload = TaggedImage { plan: &pushed, image, tags, source: &source, signer: self.signer };
            destination.push(&upload, self.context).wrap_err_with(|| destination.failure(&plan.name))?;
            results.push(destination.repository.with_digest(image.digest.as_ref()));
        }
        Ok(results)
    }

    fn tags<'p>(&self, plan: &'p ImagePlan) -> &'p [String] {
        if self.by_digest { &[] } else { &plan.tags }
    }

    fn open(&self) -> &[Destination<'_>] {
        self.open.get().map(Vec::as_slice).unwrap_or_default()
    }
}

impl Hooks for Destinations<'_> {
    /// Asks the registries for the tags.
    fn on_plan(&self, images: &[ImagePlan]) -> Result<()> {
        let wanted = images.iter().enumerate().flat_map(|(at, plan)| plan.repositories.iter().map(move |to| (at, to)));
        let wanted: Vec<_> = wanted.collect();
        let open = each(&wanted, MANY, |(at, repository)| {
            let plan = &images[*at];
            let destination = Destination::connect(*at, &PushPlan::from(plan), repository, self.context)?;
            destination.tagged(self.tags(plan)).wrap_err_with(|| destination.failure(&plan.name))?;
            Ok(destination)
        })?;
        // This is called once.
        let _ = self.open.set(open);
        Ok(())
    }

    /// Sends the layers of the bases, except those that a registry has with the image that was built last.
    fn while_compiling(&self, bases: &[ImageBase]) -> Result<()> {
        let cache = self.context.cache()?;
        for destination in self.open() {
            let base = &bases[destination.image];
            let send = || {
                let layers = destination.new_layers(base, &cache)?;
                destination.mount(&base.plan.base, &layers);
                copy(base.source, &destination.registry, &layers)
            };
            send().wrap_err_with(|| destination.failure(&base.plan.name))?;
        }
        Ok(())
    }
}

/// Checks that every image has a repository, before anything is built.
///
/// # Errors
/// Returns an error that names the first image without one.
pub(crate) fn check_repositories(plan: &Plan) -> Result<()> {
    match plan.images.iter().find(|image| image.repositories.is_empty()) {
        None => Ok(()),
        Some(image) => Err(no_repository(&image.name)),
    }
}

/// Returns the error of an image without a repository.
pub(crate) fn no_repository(image: &str) -> Report {
    miette!(
        help = format!(
            "name one, as in `cargo oci push ghcr.io/you/{image}`, or set `repository = \"ghcr.io/you/{image}\"` in [package.metadata.oci]"
        ),
        "cannot push {image}: no repository is set"
    )
}
