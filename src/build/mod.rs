//! `cargo oci build`: Plan → base, binaries → layers → images → index in a layout.

mod auditable;
mod base;
mod binaries;
mod dynamic;
mod files;
pub mod hooks;
mod image;
pub mod inputs;
mod layers;
mod outputs;
mod pending;
mod pipeline;
pub mod referrers;
pub mod verify_base;

use std::sync::Arc;

use miette::miette;

use self::hooks::Ahead;
use self::pipeline::Line;
use crate::cli::BuildArgs;
use crate::compile::Toolchain;
use crate::context::Registries;
use crate::context::base::Bases;
use crate::error::Result;
use crate::event::{BuiltImage, Event, Listener};
use crate::plan::{self, Plan, Request};
use crate::store::{Cache, Layout};

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

/// What is to be built, and by what means.
pub struct Build<'a> {
    /// What was typed.
    pub args: &'a BuildArgs,
    /// Whether layouts are to have the layers of bases in registries too; else these are left where they are.
    pub complete: bool,
    /// Whether what is said of images is to be attached to them.
    pub attach: bool,
    /// Where bases are.
    pub registries: &'a Registries<'a>,
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

impl<'a> Build<'a> {
    /// Builds. `prepare` may refuse the plan, or change it.
    ///
    /// # Errors
    /// The first thing that goes wrong; then every layout is as it was before.
    pub fn run(&self, prepare: impl FnOnce(&mut Plan) -> Result<()>, ahead: &dyn Ahead) -> Result<Built<'a>> {
        let (environment, listener) = (self.registries.environment, self.registries.listener);
        // Which toolchain it is does not depend on the plan: it is asked while the plan is made.
        let (plan, toolchain) = std::thread::scope(|scope| {
            let toolchain = scope.spawn(|| Toolchain::find(environment));
            let plan = plan::make(&Request::new(self.args), environment);
            (plan, toolchain.join().unwrap_or_else(|_| Err(miette!("a thread panicked"))))
        });
        let mut plan = plan?;
        // Programs may all be there already; a toolchain that is wanted for sure is missed at once.
        let toolchain = if plan.prebuilt.is_empty() { Ok(toolchain?) } else { toolchain };
        prepare(&mut plan)?;
        announce(&plan, listener);
        plan.images.iter().try_for_each(files::check)?;
        let cache = Arc::new(Cache::open(plan.cache.clone())?);
        let mut bases = Bases::new(&cache, self.complete, plan.is_offline, self.registries);
        let (complete, attach) = (self.complete, self.attach);
        let line = Line { plan: &plan, cache: &cache, complete, attach, listener };
        let (images, layouts) = line.run(&mut bases, toolchain, ahead)?;
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
