//! `cargo oci build`: Plan → base, binaries → layers → images → index in a layout.

use std::sync::Arc;

use miette::miette;

use super::assemble::{self, Work};
use super::assets::{self, Assets};
use super::bases::Bases;
use super::outputs;
use super::programs::programs;
use crate::cli::BuildArgs;
use crate::compile::Toolchain;
use crate::error::Result;
use crate::event::{BuiltImage, Event, Listener};
use crate::plan::{self, Environment, Plan};
use crate::store::{Cache, Layout};

/// Builds every image that the arguments select.
///
/// # Errors
/// The first thing that goes wrong: then every layout is as it was before, unless it was one of the other outputs, which
/// are written from the finished layouts.
pub fn build(args: &BuildArgs, listener: Listener) -> Result<Vec<BuiltImage>> {
    let environment = Environment::of_this_process();
    let built = Built::make(args, true, &environment, listener, |_| Ok(()))?;
    finish(&built, listener)?;
    Ok(built.images)
}

/// Writes what is wanted besides the layouts.
///
/// # Errors
/// Of writing it.
pub fn finish(built: &Built, listener: Listener) -> Result<()> {
    for (image, layout) in built.images.iter().zip(&built.layouts) {
        outputs::write(&built.plan, layout, image, listener)?;
    }
    match &built.plan.metadata_file {
        Some(path) => outputs::write_metadata(path, &built.images),
        None => Ok(()),
    }
}

/// Images that were built, and what they were built from.
pub struct Built<'a> {
    /// What was planned.
    pub plan: Plan,
    /// What is below.
    pub bases: Bases<'a>,
    /// What is kept of it.
    pub cache: Arc<Cache>,
    /// The results, one for each image of the plan.
    pub images: Vec<BuiltImage>,
    /// Where each is.
    pub layouts: Vec<Layout>,
}

impl<'a> Built<'a> {
    /// Builds, with layouts that are `complete`, or that lack the layers of bases in registries: these are left where
    /// they are. `prepare` may refuse the plan, or change it.
    ///
    /// # Errors
    /// The first thing that goes wrong; then every layout is as it was before.
    pub fn make(
        args: &BuildArgs,
        complete: bool,
        environment: &'a Environment,
        listener: Listener<'a>,
        prepare: impl FnOnce(&mut Plan) -> Result<()>,
    ) -> Result<Built<'a>> {
        // Which toolchain it is does not depend on the plan: it is asked while the plan is made.
        let (plan, toolchain) = std::thread::scope(|scope| {
            let toolchain = scope.spawn(|| Toolchain::find(environment));
            (plan::make(args, environment), toolchain.join().unwrap_or_else(|_| Err(miette!("a thread panicked"))))
        });
        let mut plan = plan?;
        // Programs may all be there already; a toolchain that is wanted for sure is missed at once.
        let toolchain = if plan.prebuilt.is_empty() { Ok(toolchain?) } else { toolchain };
        prepare(&mut plan)?;
        announce(&plan, listener);
        plan.images.iter().try_for_each(assets::check)?;
        let cache = Arc::new(Cache::open(plan.cache.clone())?);
        let mut bases = Bases::new(&cache, complete, plan.is_offline, environment, listener);
        let below: Vec<_> = plan.images.iter().map(|image| bases.read(image)).collect::<Result<_>>()?;
        let mut assets = Vec::new();
        for (image, base) in plan.images.iter().zip(&below) {
            assemble::check(image, base)?;
            assets.push(Assets::over(image, base, bases.source(&image.base)?)?);
        }
        let compiled = programs(&plan, &below, &bases, toolchain, listener)?;

        // Every run takes layouts in one order, so that no two wait for each other.
        let mut work: Vec<_> = plan.images.iter().zip(&below).enumerate().collect();
        work.sort_by_key(|(_, (image, _))| &image.layout);
        let mut prepared = Vec::new();
        for (at, (image, base)) in work {
            let source = bases.source(&image.base)?;
            let assets = &assets[at];
            let work = Work { plan: image, base, source, complete, cache: &cache, assets, compiled: &compiled };
            prepared.push((at, work.assemble(&image.layout, listener)?));
        }
        prepared.sort_by_key(|(at, _)| *at);
        // Nothing is replaced before everything is there.
        let (mut images, mut layouts) = (Vec::new(), Vec::new());
        for (_, (writer, image)) in prepared {
            layouts.push(writer.commit()?);
            listener(Event::Finished { image: Box::new(image.clone()) });
            images.push(image);
        }
        Ok(Built { plan, bases, cache, images, layouts })
    }
}

/// What the user may want to know of a plan before minutes of compiling.
fn announce(plan: &Plan, listener: Listener) {
    for message in &plan.warnings {
        listener(Event::Warning { message: message.clone() });
    }
    for image in plan.images.iter().filter(|image| image.is_tagged_by_template || image.tags.len() > 1) {
        listener(Event::Tagging { image: image.name.clone(), tags: image.tags.clone() });
    }
}
