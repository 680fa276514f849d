//! A plan → committed layouts.
//!
//! | file | what it does |
//! | --- | --- |
//! | `pipeline` | the order of all steps, each as early as possible |
//! | [`hooks`] | what a caller does while images are built |
//! | `job` | one image on its way through the pipeline |
//! | `base`, `verify_base` | the bases of images: read, verified, prepared |
//! | `support` | warnings about bases that get no more fixes |
//! | `binaries`, `dynamic`, `base_files` | binaries: prebuilt or compiled for their base, and checked against it |
//! | `pending` | binaries, as cargo builds them → complete layers |
//! | `files`, `layers` | the key `files` and binaries → layers, reused if nothing has changed |
//! | `image`, `settings` | layers and base → config, manifest, index |
//! | [`inputs`], `auditable` | what binaries are built from: crates, toolchain, Cargo.lock |
//! | [`parameters`] | what the user has chosen, for provenance |
//! | [`referrers`] | SBOMs and provenance, attached in the layout |
//! | `budget` | the key `max-size` |
//! | `outputs` | a finished layout → other places and forms |

mod auditable;
mod base;
mod base_files;
mod binaries;
mod budget;
mod dynamic;
mod files;
pub(crate) mod hooks;
mod image;
pub(crate) mod inputs;
mod job;
mod layers;
pub(crate) mod outputs;
pub(crate) mod parameters;
mod pending;
mod pipeline;
pub(crate) mod referrers;
mod settings;
mod support;
pub(crate) mod verify_base;

use std::sync::Arc;

use miette::miette;

use self::hooks::Hooks;
use self::pipeline::Pipeline;
use crate::attest::vex::VexFile;
use crate::compile::Toolchain;
use crate::context::GlobalContext;
use crate::context::base::Bases;
use crate::error::Result;
use crate::event::{BuiltImage, Event};
use crate::interrupt::inherit;
use crate::plan::{self, Advice, ImagePlan, Plan, Request};
use crate::store::Layout;
use crate::store::cache::records::RecordKind;

/// A build that was requested.
pub(crate) struct Build<'a> {
    /// The arguments of the plan.
    pub request: Request<'a>,
    /// Whether layouts get the layers of bases in registries too.
    pub complete: bool,
    /// Whether SBOMs and provenance are attached.
    pub attach: bool,
    /// The context of the run.
    pub context: &'a GlobalContext<'a>,
}

/// Images that were built.
pub(crate) struct Built<'a> {
    /// The plan.
    pub plan: Plan,
    /// The bases.
    pub bases: Bases<'a>,
    /// The results, one for each image of the plan.
    pub images: Vec<BuiltImage>,
    /// The layout of each.
    pub layouts: Vec<Layout>,
}

impl<'a> Build<'a> {
    /// Builds the images of the request. `check` sees the plan before anything is done.
    ///
    /// # Errors
    /// Returns the first failure; then every layout is as it was before.
    pub(crate) fn run(&self, check: impl FnOnce(&Plan) -> Result<()>, hooks: &dyn Hooks) -> Result<Built<'a>> {
        let environment = &self.context.environment;
        // The toolchain does not depend on the plan: it is looked up while the plan is made.
        let (plan, toolchain) = std::thread::scope(|scope| {
            let config = &self.request.args.cargo.config;
            let toolchain = scope.spawn(inherit(|| Toolchain::find(environment, config)));
            let plan = plan::make(&self.request, environment);
            (plan, toolchain.join().unwrap_or_else(|_| Err(miette!("a thread panicked"))))
        });
        let plan = plan?;
        // If all binaries are prebuilt, no toolchain is needed.
        let toolchain = if plan.prebuilt.is_empty() { Some(toolchain?) } else { toolchain.ok() };
        // A warning may say why the check fails.
        plan.warnings.iter().for_each(|message| self.context.warn(message));
        for warning in &plan.unread_tables {
            self.context.report(Event::UnreadTable { warning: Arc::new(warning.clone()) });
        }
        check(&plan)?;
        announce(&plan, self.context);
        advise(&plan, self.context)?;
        plan.images.iter().try_for_each(files::check)?;
        if self.attach {
            // What is wrong with them is said before minutes of compiling.
            plan.images.iter().try_for_each(|image| VexFile::read_all(&image.vex).map(drop))?;
        }
        let mut bases = Bases::new(self.context, self.complete, plan.is_offline)?;
        let (complete, attach) = (self.complete, self.attach);
        let cache = self.context.cache()?;
        let pipeline = Pipeline { plan: &plan, context: self.context, cache, complete, attach };
        let built = pipeline.run(&mut bases, toolchain, hooks)?;
        let (images, layouts) = built.into_iter().unzip();
        Ok(Built { plan, bases, images, layouts })
    }
}

impl Built<'_> {
    /// Returns each image with its plan and its layout.
    pub(crate) fn each(&self) -> impl Iterator<Item = (&ImagePlan, &BuiltImage, &Layout)> {
        self.plan
            .images
            .iter()
            .zip(&self.images)
            .zip(&self.layouts)
            .map(|((plan, image), layout)| (plan, image, layout))
    }

    /// Writes the outputs besides the layouts.
    ///
    /// # Errors
    /// Returns an error if it cannot be written.
    pub(crate) fn write_outputs(&self, context: &GlobalContext) -> Result<()> {
        for (plan, image, layout) in self.each() {
            outputs::write(&self.plan, plan, layout, image, context.listener)?;
        }
        match &self.plan.metadata_file {
            Some(path) => outputs::write_metadata(path, &self.images),
            None => Ok(()),
        }
    }
}

/// Reports advice that was not given before.
fn advise(plan: &Plan, context: &GlobalContext) -> Result<()> {
    for Advice { layout, text } in &plan.advice {
        let cache = context.cache()?;
        let about = format!("advice about {}", layout.display());
        if cache.get::<String>(RecordKind::Advice, &about).is_none_or(|given| given != *text) {
            context.report(Event::Advice { message: text.clone() });
            cache.put(RecordKind::Advice, &about, text);
        }
    }
    Ok(())
}

/// Reports the tags of the plan, before minutes of compiling.
fn announce(plan: &Plan, context: &GlobalContext) {
    for image in plan.images.iter().filter(|image| image.is_tagged_by_template || image.tags.len() > 1) {
        context.report(Event::Tagging { image: image.name.clone(), tags: image.tags.clone() });
    }
}
