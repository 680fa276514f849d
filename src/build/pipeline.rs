//! The line from a plan to finished layouts, on which everything is done as soon as it can be: bases come here while cargo
//! runs, and the programs for a platform become a layer when they are there, not when all are.

use std::collections::HashMap;
use std::num::NonZero;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use miette::{IntoDiagnostic, miette};

use super::auditable::Auditable;
use super::base;
use super::base::{Below, Known};
use super::binaries;
use super::binaries::Programs;
use super::hooks::{Ahead, ImageBase};
use super::image::Work;
use super::inputs::Materials;
use super::layers::Layers;
use super::pending::{Arrivals, Ready};
use super::referrers::Attachments;
use crate::compile::{Compiled, Toolchain};
use crate::context::base::Bases;
use crate::error::Result;
use crate::event::{BuiltImage, Event, Listener};
use crate::image::layer::Layer;
use crate::interrupt;
use crate::parallel::Together;
use crate::parallel::{FEW, each, lock};
use crate::plan::{ImagePlan, Plan};
use crate::platform::Target;
use crate::reference::BaseReference;
use crate::store::layout::LayoutFolder;
use crate::store::{Cache, Layout, LayoutWriter};

/// Cargo is done sooner where it has nothing to compile.
const SOON: Duration = Duration::from_millis(500);

/// What is made, and of what is kept.
pub struct Line<'a> {
    /// What is wanted.
    pub plan: &'a Plan,
    /// What is kept of the runs before.
    pub cache: &'a Arc<Cache>,
    /// Whether layouts are to have the layers of bases in registries too.
    pub complete: bool,
    /// Whether what is said of images is to be attached to them.
    pub attach: bool,
    /// Who wants to know what happens.
    pub listener: Listener<'a>,
}

/// The layers of binaries that were made, by the number of the image and the target.
type Made = Mutex<HashMap<(usize, Target), Layer>>;

impl Line<'_> {
    /// Makes all images.
    ///
    /// # Errors
    /// The first thing that goes wrong; then every layout is as it was before.
    pub fn run(
        &self,
        bases: &mut Bases,
        toolchain: Result<Toolchain>,
        ahead: &dyn Ahead,
    ) -> Result<(Vec<BuiltImage>, Vec<Layout>)> {
        let images = &self.plan.images;
        let known = self.first(bases)?;
        let targets: Vec<_> = (0..images.len()).map(|at| known.targets(at, &images[at])).collect();
        let programs = Programs::of(self.plan, &targets)?;
        let toolchain = programs.need_cargo().then_some(toolchain).transpose()?;
        if let Some(toolchain) = &toolchain {
            programs.expect(&known.bases(), bases, toolchain)?;
        }

        let writers = self.writers()?;
        let work: Vec<_> = images.iter().zip(&writers).map(|(image, writer)| self.work(image, writer)).collect();
        let made = Made::default();
        let together = Together::begin();
        let (ready, waiting) = mpsc::channel();
        let waiting = Mutex::new(waiting);
        let (below, compiled) = thread::scope(|scope| {
            let begun = scope.spawn(|| together.run(|| ahead.begin(images)));
            let bases = &mut *bases;
            let (runs, cargo) = mpsc::channel();
            let below = scope.spawn(|| {
                let cargo = cargo;
                together.run(|| {
                    let below = known.complete(self.plan, bases)?;
                    // Where that has failed, it is what the user is told.
                    begun.join().unwrap_or_default().ok_or_else(|| miette!("nothing was begun"))?;
                    bring(&below, bases, (self, &work, ahead), &cargo)?;
                    Ok(below)
                })
            });
            for _ in 0..thread::available_parallelism().map_or(1, NonZero::get) {
                scope.spawn(|| together.run(|| layers(&waiting, &work, &made)));
            }
            let arrivals = Arrivals::new(images, &targets, ready);
            let toolchain = toolchain.as_ref();
            let compiled = together.run(|| self.compile(&programs, toolchain, &targets, &arrivals));
            // Who makes layers waits for no more.
            drop((arrivals, runs));
            (below.join().unwrap_or_default(), compiled)
        });
        together.end()?;
        let (Some(below), Some((compiled, known))) = (below, compiled) else {
            return Err(miette!("a thread panicked"));
        };
        let read: Vec<_> = below.iter().map(|below| &below.base).collect();
        binaries::check(self.plan, &compiled.binaries, &read, bases)?;
        // Nobody asks what programs are made of that cannot be used.
        let find = || Materials::of(self.plan, self.cache, toolchain.as_ref(), (&targets, self.attach));
        let materials = known.map_or_else(find, Ok)?;
        let mut built = self.finish(&below, &compiled, &made, &work)?;
        if self.attach {
            for (at, image) in built.iter_mut().enumerate() {
                let (plan, base) = (&images[at], &below[at].base);
                let attachments =
                    Attachments { whole: self.plan, plan, base, binaries: &compiled.binaries, materials: &materials };
                image.attached = attachments.attach(image, &writers[at])?;
            }
        }
        drop(work);
        self.commit(writers, built)
    }

    /// Has all programs made; where they are to hold what they are made of, finds that out first: not while they are compiled,
    /// as one cargo that is asked waits for another that compiles, and the user is told so.
    fn compile(
        &self,
        programs: &Programs,
        toolchain: Option<&Toolchain>,
        targets: &[Vec<Target>],
        arrivals: &Arrivals,
    ) -> Result<(Compiled, Option<Materials<'_>>)> {
        if !Auditable::is_wanted(self.plan) {
            let compiled = programs.make(toolchain, &|binary| arrivals.arrived(binary), self.listener)?;
            return Ok((compiled, None));
        }
        let mut compiled = programs.make(toolchain, &|_| (), self.listener)?;
        let materials = Materials::of(self.plan, self.cache, toolchain, (targets, self.attach))?;
        let auditable = Auditable { plan: self.plan, cache: self.cache, materials: &materials };
        for binary in &mut compiled.binaries {
            *binary = auditable.program(binary)?;
            arrivals.arrived(binary);
        }
        Ok((compiled, Some(materials)))
    }

    /// Looks at bases before cargo runs: as far as it depends on them what there is to compile, or whether that can start;
    /// and at all of them where there is nothing to wait for.
    fn first(&self, bases: &mut Bases) -> Result<Known> {
        let images = &self.plan.images;
        // Nothing is compiled over a base that may be refused.
        let is_clear = |image: &ImagePlan| {
            let targets = image.targets().filter(|_| image.base_verify.is_none());
            targets.is_some_and(|targets| targets.iter().all(Target::is_static))
        };
        let is_far = |image: &ImagePlan| matches!(image.base, BaseReference::Registry(_)) && !self.plan.is_offline;
        if !images.iter().any(is_far) {
            return Known::Nothing.complete(self.plan, bases).map(Known::All);
        }
        match images.iter().all(is_clear) {
            true => Ok(Known::Nothing),
            false => base::read(self.plan, bases).map(Known::Documents),
        }
    }

    /// The layouts of all images. Every run takes them in one order, so that no two wait for each other.
    fn writers(&self) -> Result<Vec<LayoutWriter>> {
        let mut images: Vec<_> = self.plan.images.iter().enumerate().collect();
        images.sort_by_key(|(_, image)| &image.layout);
        let mut writers = Vec::new();
        for (at, image) in images {
            let name = &image.local_names()[0];
            let writer = LayoutWriter::begin(&image.layout, name, LayoutFolder::Managed, self.listener)?;
            writers.push((at, writer.with_cache(self.cache)));
        }
        writers.sort_by_key(|(at, _)| *at);
        Ok(writers.into_iter().map(|(_, writer)| writer).collect())
    }

    fn work<'w>(&'w self, image: &'w ImagePlan, writer: &'w LayoutWriter) -> Work<'w> {
        let layers =
            Layers { writer, cache: self.cache, packing: image.packing, time: image.mtime(), listener: self.listener };
        Work { plan: image, layers, listener: self.listener }
    }

    fn finish(&self, below: &[Below], compiled: &Compiled, made: &Made, work: &[Work]) -> Result<Vec<BuiltImage>> {
        let numbers: Vec<_> = (0..work.len()).collect();
        each(&numbers, FEW, |at| {
            let (below, work) = (&below[*at], &work[*at]);
            let layer = |target: Target| {
                let layer = lock(made).get(&(*at, target)).cloned();
                layer.ok_or_else(|| miette!("cargo built no program for {}", target.triple))
            };
            let layers = below.base.images.iter().map(|image| layer(image.target)).collect::<Result<_>>()?;
            work.finish(below, &compiled.out_dirs, layers)
        })
    }

    /// Puts all layouts in the place of the old ones, now that everything is there.
    fn commit(&self, writers: Vec<LayoutWriter>, built: Vec<BuiltImage>) -> Result<(Vec<BuiltImage>, Vec<Layout>)> {
        let mut layouts = Vec::new();
        for (writer, image) in writers.into_iter().zip(&built) {
            layouts.push(writer.commit()?);
            (self.listener)(Event::Finished { image: Box::new(image.clone()) });
        }
        Ok((built, layouts))
    }
}

/// Brings bases to where they are wanted while cargo runs, which is as long as `cargo` has another end.
fn bring(below: &[Below], bases: &Bases, line: (&Line, &[Work], &dyn Ahead), cargo: &Receiver<()>) -> Result<()> {
    let (Line { complete, .. }, work, ahead) = line;
    let mut all = Vec::new();
    for (Below { base, .. }, work) in below.iter().zip(work) {
        all.push(ImageBase { plan: work.plan, base, source: bases.source(&work.plan.base)? });
    }
    ahead.bases(&all)?;
    for (base, work) in all.iter().zip(work) {
        work.base(base.base, base.source, *complete)?;
    }
    match cargo.recv_timeout(SOON) {
        Err(RecvTimeoutError::Timeout) => ahead.wait(&all),
        _ => Ok(()),
    }
}

/// Makes layers of binaries while there are some to come.
fn layers(ready: &Mutex<Receiver<Ready>>, work: &[Work], made: &Made) -> Result<()> {
    loop {
        let next = lock(ready).recv();
        let Ok(Ready { image, target, binaries }) = next else { return Ok(()) };
        interrupt::check().into_diagnostic()?;
        let layer = work[image].binaries(target, &binaries)?;
        lock(made).insert((image, target), layer);
    }
}
