//! A plan → finished layouts, each step as early as possible: bases are pulled while cargo runs, and the binaries for a
//! platform become a layer as soon as they are built.

use std::num::NonZero;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex, OnceLock};
use std::thread;
use std::time::Duration;

use miette::{IntoDiagnostic, miette};

use super::auditable::Auditable;
use super::base::{self, BaseState};
use super::binaries::Binaries;
use super::budget;
use super::dynamic::DynamicLinkCheck;
use super::hooks::{Hooks, ImageBase};
use super::image::{AttestImages, ImageBuilder};
use super::inputs::{ImageTargets, Inputs};
use super::job::{ImageJob, PlannedImage};
use super::layers::Layers;
use super::pending::{CompleteLayer, PendingLayers};
use super::referrers::Attachments;
use crate::compile::{Binary, Compiled, Toolchain};
use crate::context::GlobalContext;
use crate::context::base::Bases;
use crate::error::Result;
use crate::event::{BuiltImage, BuiltManifest, Event};
use crate::interrupt;
use crate::parallel::{FEW, Scope, each, lock};
use crate::plan::{ImagePlan, Plan};
use crate::platform::Target;
use crate::reference::BaseReference;
use crate::store::layout::LayoutFolder;
use crate::store::{Cache, Layout, LayoutWriter};

/// If cargo takes longer, it has something to compile.
const NOTHING_TO_COMPILE: Duration = Duration::from_millis(500);

/// Builds the images of a plan.
pub(crate) struct Pipeline<'a> {
    /// The plan.
    pub plan: &'a Plan,
    /// The context of the run.
    pub context: &'a GlobalContext<'a>,
    /// The cache.
    pub cache: Arc<Cache>,
    /// Whether layouts get the layers of bases in registries too.
    pub complete: bool,
    /// Whether SBOMs and provenance are attached.
    pub attach: bool,
}

impl Pipeline<'_> {
    /// Builds all images.
    ///
    /// # Errors
    /// Returns the first failure; then every layout is as it was before.
    pub(crate) fn run(
        &self,
        bases: &mut Bases,
        toolchain: Option<Toolchain>,
        hooks: &dyn Hooks,
    ) -> Result<Vec<(BuiltImage, Layout)>> {
        let images = self.look_at_bases(bases, toolchain.as_ref())?;
        let mut binaries = Binaries::new(self.plan, &images)?;
        let toolchain = match toolchain {
            _ if !binaries.need_cargo() => None,
            Some(toolchain) => Some(toolchain),
            None => Some(Toolchain::find(&self.context.environment, &self.plan.compile.config)?),
        };
        if let Some(toolchain) = &toolchain {
            let check = DynamicLinkCheck::new(bases, Arc::clone(&self.cache));
            binaries.find_glibc(&images, toolchain, check)?;
        }
        let jobs = self.begin(images)?;
        let (compiled, inputs) = self.compile_and_pull(&jobs, bases, &binaries, toolchain.as_ref(), hooks)?;
        let mut check = DynamicLinkCheck::new(bases, Arc::clone(&self.cache));
        for job in &jobs {
            let base = &job.prepared()?.base;
            binaries.check(job.plan, base, &compiled.binaries, toolchain.as_ref(), &mut check)?;
        }
        // Only then is cargo asked for the inputs of the binaries: not for binaries that cannot start.
        let inputs = match inputs {
            Some(inputs) => inputs,
            None => self.inputs(&jobs, toolchain.as_ref())?,
        };
        let mut built = each(&jobs, FEW, |job| {
            let attachments = self.attachments(job, &compiled, &inputs)?;
            let attest =
                |images: &[BuiltManifest]| if self.attach { attachments.in_index(images) } else { Ok(Vec::new()) };
            finish(job, &compiled, &attest)
        })?;
        for (job, image) in jobs.iter().zip(&built) {
            budget::check(job.plan, image, &job.builder.layers)?;
        }
        if self.attach {
            for (job, image) in jobs.iter().zip(&mut built) {
                let attachments = self.attachments(job, &compiled, &inputs)?;
                attachments.vex_warnings(image)?.into_iter().for_each(|warning| self.context.warn(warning));
                image.attached = attachments.attach(image, &job.builder.layers.writer)?;
            }
        }
        self.commit(jobs, built)
    }

    fn attachments<'j>(
        &'j self,
        job: &'j ImageJob,
        compiled: &'j Compiled,
        inputs: &'j Inputs,
    ) -> Result<Attachments<'j>> {
        let (plan, base) = (job.plan, &job.prepared()?.base);
        Ok(Attachments { whole: self.plan, plan, base, binaries: &compiled.binaries, inputs })
    }

    /// Looks at bases before cargo runs: at all bases that need no request, and at those that decide what is compiled, or
    /// whether it can be.
    fn look_at_bases(&self, bases: &mut Bases, toolchain: Option<&Toolchain>) -> Result<Vec<PlannedImage<'_>>> {
        let images = &self.plan.images;
        let is_remote = images.iter().any(|image| matches!(image.base, BaseReference::Registry(_)));
        let mut of_images = images.iter().map(|image| is_compiled_over_any_base(image, toolchain));
        if is_remote && !self.plan.is_offline && of_images.all(|over_any| over_any) {
            return Ok(images.iter().map(|plan| PlannedImage { plan, base: BaseState::Unknown }).collect());
        }
        let mut planned = Vec::new();
        for plan in images {
            planned.push(PlannedImage { plan, base: BaseState::Read(base::read(plan, bases)?) });
        }
        if !is_remote || self.plan.is_offline {
            bases.fetch()?;
            for image in &mut planned {
                if let Some(base) = image.base() {
                    image.base = BaseState::Prepared(base::prepare(image.plan, base.clone(), bases)?);
                }
            }
        }
        Ok(planned)
    }

    /// Begins the layouts of all images. All runs lock layouts in the same order, so that no two wait for each other.
    fn begin<'p>(&'p self, images: Vec<PlannedImage<'p>>) -> Result<Vec<ImageJob<'p>>> {
        let mut in_order: Vec<_> = images.into_iter().enumerate().collect();
        in_order.sort_by(|(_, one), (_, other)| one.plan.layout.cmp(&other.plan.layout));
        let mut jobs = Vec::new();
        for (at, image) in in_order {
            let (plan, listener) = (image.plan, self.context.listener);
            let writer = LayoutWriter::begin(&plan.layout, &plan.local_names()[0], LayoutFolder::Managed, listener)?;
            let layers = Layers {
                writer: writer.with_cache(&self.cache),
                cache: Arc::clone(&self.cache),
                packing: plan.packing,
                listener,
            };
            jobs.push((
                at,
                ImageJob::new(image, ImageBuilder { plan, environment: &self.context.environment, layers }),
            ));
        }
        jobs.sort_by_key(|(at, _)| *at);
        Ok(jobs.into_iter().map(|(_, job)| job).collect())
    }

    /// Compiles, pulls bases and makes layers at the same time. Returns the inputs if they were needed for it.
    fn compile_and_pull<'s>(
        &'s self,
        jobs: &[ImageJob],
        bases: &mut Bases,
        binaries: &Binaries,
        toolchain: Option<&'s Toolchain>,
        hooks: &dyn Hooks,
    ) -> Result<(Compiled, Option<Inputs<'s>>)> {
        let work = Scope::new();
        let (complete, layers) = mpsc::channel();
        let layers = Mutex::new(layers);
        let compiled = thread::scope(|scope| {
            let planned = scope.spawn(|| work.run(|| hooks.on_plan(&self.plan.images)));
            let (cargo_runs, cargo) = mpsc::channel::<()>();
            let work = &work;
            scope.spawn(move || {
                work.run(|| {
                    prepare_bases(jobs, bases)?;
                    let bases = self.copy_bases(jobs, bases)?;
                    // If that has failed, report that error.
                    planned.join().unwrap_or_default().ok_or_else(|| miette!("nothing was begun"))?;
                    // The sender is dropped when cargo has ended.
                    match cargo.recv_timeout(NOTHING_TO_COMPILE) {
                        Err(RecvTimeoutError::Timeout) => hooks.while_compiling(&bases),
                        _ => Ok(()),
                    }
                })
            });
            for _ in 0..thread::available_parallelism().map_or(1, NonZero::get) {
                scope.spawn(|| work.run(|| make_layers(&layers)));
            }
            let pending = PendingLayers::new(jobs, complete);
            let compiled = work.run(|| self.compile(jobs, binaries, toolchain, &pending));
            // Closes the channels, so that the threads that make layers, and the one that waits for cargo, end.
            drop((pending, cargo_runs));
            compiled
        });
        work.finish()?;
        compiled.ok_or_else(|| miette!("a thread panicked"))
    }

    /// Builds all binaries. If they embed the list of their crates, cargo is asked for it when it has built the first: before
    /// that, it may have crates to download, and holds the lock.
    fn compile<'s>(
        &'s self,
        jobs: &[ImageJob],
        binaries: &Binaries,
        toolchain: Option<&'s Toolchain>,
        pending: &PendingLayers,
    ) -> Result<(Compiled, Option<Inputs<'s>>)> {
        let listener = self.context.listener;
        if !Auditable::is_wanted(self.plan, toolchain.is_some()) {
            let compiled = binaries.make(jobs, toolchain, &|binary| pending.arrived(binary), listener)?;
            return Ok((compiled, None));
        }
        let (asked, programs) = (OnceLock::new(), Mutex::new(Vec::new()));
        let arrived = |binary: &Binary| {
            let Ok(inputs) = asked.get_or_init(|| self.inputs(jobs, toolchain)) else { return };
            let program = Auditable { plan: self.plan, cache: &self.cache, inputs }.program(binary);
            if let Ok(program) = &program {
                pending.arrived(program);
            }
            lock(&programs).push(program);
        };
        let mut compiled = binaries.make(jobs, toolchain, &arrived, listener)?;
        let inputs = asked.into_inner().unwrap_or_else(|| self.inputs(jobs, toolchain))?;
        compiled.binaries = std::mem::take(&mut *lock(&programs)).into_iter().collect::<Result<_>>()?;
        Ok((compiled, Some(inputs)))
    }

    fn inputs<'s>(&'s self, jobs: &[ImageJob], toolchain: Option<&'s Toolchain>) -> Result<Inputs<'s>> {
        let images: Vec<_> = jobs.iter().map(|job| ImageTargets { plan: job.plan, targets: &job.targets }).collect();
        Inputs::find(self.plan, &self.cache, toolchain, &images, self.attach)
    }

    /// Copies bases to the layouts.
    fn copy_bases<'b>(&self, jobs: &'b [ImageJob], bases: &'b Bases) -> Result<Vec<ImageBase<'b>>> {
        let mut all = Vec::new();
        for job in jobs {
            let base = &job.prepared()?.base;
            all.push(ImageBase { plan: job.plan, base, source: bases.source(&job.plan.base)? });
        }
        for (base, job) in all.iter().zip(jobs) {
            job.builder.base(base.base, base.source, self.complete)?;
        }
        Ok(all)
    }

    /// Replaces all layouts at the end, when every image is complete.
    fn commit(&self, jobs: Vec<ImageJob>, built: Vec<BuiltImage>) -> Result<Vec<(BuiltImage, Layout)>> {
        let mut committed = Vec::new();
        for (job, image) in jobs.into_iter().zip(built) {
            let layout = job.builder.layers.writer.commit()?;
            self.context.report(Event::Finished { image: Box::new(image.clone()) });
            committed.push((image, layout));
        }
        Ok(committed)
    }
}

/// Returns whether compilation for an image depends neither on its base nor on the verification of the base.
fn is_compiled_over_any_base(image: &ImagePlan, toolchain: Option<&Toolchain>) -> bool {
    let is_static =
        |target: &Target| toolchain.map_or(target.is_static(), |toolchain| toolchain.config.links_statically(*target));
    image.base_verify.is_none() && image.targets().is_some_and(|targets| targets.iter().all(is_static))
}

/// Prepares the bases of all images that were not prepared yet.
fn prepare_bases(jobs: &[ImageJob], bases: &mut Bases) -> Result<()> {
    let mut left = Vec::new();
    for job in jobs.iter().filter(|job| !job.is_prepared()) {
        let base = match job.documents() {
            Some(base) => base.clone(),
            None => base::read(job.plan, bases)?,
        };
        left.push((job, base));
    }
    if left.is_empty() {
        return Ok(());
    }
    bases.fetch()?;
    for (job, base) in left {
        job.set_prepared(base::prepare(job.plan, base, bases)?);
    }
    Ok(())
}

/// Makes layers of binaries until no more arrive.
fn make_layers(complete: &Mutex<Receiver<CompleteLayer>>) -> Result<()> {
    loop {
        let next = lock(complete).recv();
        let Ok(CompleteLayer { job, target, binaries }) = next else { return Ok(()) };
        interrupt::check().into_diagnostic()?;
        job.write_binaries(target, &binaries)?;
    }
}

fn finish(job: &ImageJob, compiled: &Compiled, attest: AttestImages) -> Result<BuiltImage> {
    let prepared = job.prepared()?;
    let mut layers = Vec::new();
    for image in &prepared.base.images {
        layers.push(job.layer(image.target)?);
    }
    job.builder.finish(prepared, &compiled.out_dirs, layers, attest)
}
