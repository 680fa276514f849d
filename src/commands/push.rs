//! `cargo oci push`: build, then blobs → manifests by digest → index → tags, to every repository.

use miette::{Context, miette};
use oci_spec::image::Descriptor;

use super::bases::connect;
use super::build::Built;
use crate::cli::PushArgs;
use crate::error::Result;
use crate::event::{BuiltImage, Event, Listener};
use crate::plan::{Environment, ImagePlan};
use crate::reference::{BaseReference, Reference};
use crate::registry::Registry;
use crate::store::{Behind, MANY, Sink, Source, copy, each};

/// Builds and pushes every image that the arguments select; gives `registry/repository@digest` for each repository.
///
/// # Errors
/// The first thing that goes wrong; then no tag of that repository has moved.
pub fn push(args: &PushArgs, listener: Listener) -> Result<Vec<String>> {
    let environment = Environment::of_this_process();
    // What is written elsewhere has to be whole.
    let complete = !args.build.output.outputs.is_empty();
    let built = Built::make(&args.build, complete, &environment, listener, |plan| check_repositories(&plan.images))?;
    let mut results = Vec::new();
    for (at, image) in built.images.iter().enumerate() {
        let plan = &built.plan.images[at];
        for repository in &plan.repositories {
            let registry = connect(repository, &environment, true, listener)?;
            let source = Behind { first: &built.layouts[at], second: built.bases.source(&plan.base)? };
            let push = Push { plan, image, repository, registry: &registry, source: &source };
            let tags = if args.by_digest { &[][..] } else { &plan.tags };
            push.run(tags, listener).wrap_err_with(|| format!("cannot push {} to {}", image.name, registry.place()))?;
            results.push(repository.with_digest(image.digest.as_ref()));
        }
    }
    super::build::finish(&built, listener)?;
    Ok(results)
}

/// One image on its way to one repository.
struct Push<'a> {
    plan: &'a ImagePlan,
    image: &'a BuiltImage,
    repository: &'a Reference,
    registry: &'a Registry<'a>,
    source: &'a dyn Source,
}

impl Push<'_> {
    fn run(&self, tags: &[String], listener: Listener) -> Result<()> {
        let root = &self.image.root;
        let there = each(tags, MANY, |tag| self.registry.tagged(tag))?;
        let is_right = |there: &Option<Descriptor>| there.as_ref().is_some_and(|there| there.digest() == root.digest());
        let is_there = there.iter().any(is_right);
        let wanted: Vec<_> =
            tags.iter().zip(&there).filter(|(_, there)| !is_right(there)).map(|(tag, _)| tag).collect();
        // A tag that is right has all its content behind it: a registry takes no manifest without.
        if !is_there {
            listener(Event::Pushing { image: self.image.name.clone(), to: self.registry.place() });
            self.mountable();
            copy(self.source, self.registry, std::slice::from_ref(root))?;
        }
        let tag = |tag: &&String| self.registry.tag(root, tag).wrap_err_with(|| format!("cannot move the tag {tag}"));
        each(&wanted, MANY, tag)?;
        listener(Event::Pushed { image: self.image.name.clone(), to: self.registry.place(), was_there: is_there });
        Ok(())
    }

    /// Layers of a base in the same registry need not be sent.
    fn mountable(&self) {
        let BaseReference::Registry(base) = &self.plan.base else {
            return;
        };
        if base.registry() != self.repository.registry() {
            return;
        }
        for manifest in &self.image.manifests {
            self.registry.mountable(base.repository(), &manifest.layers[..manifest.below]);
        }
    }
}

/// No repository is a mistake that is told before anything is built.
///
/// # Errors
/// The image that has none.
fn check_repositories(images: &[ImagePlan]) -> Result<()> {
    match images.iter().find(|image| image.repositories.is_empty()) {
        None => Ok(()),
        Some(image) => Err(miette!(
            help = format!(
                "name one with `--repository ghcr.io/you/{0}`, or `repository = \"ghcr.io/you/{0}\"` in [package.metadata.oci]",
                image.name
            ),
            "there is no repository to push {} to",
            image.name
        )),
    }
}
