//! Committed layouts → engines on this machine.

use std::sync::{Arc, Mutex};

use miette::{Context, miette};

use crate::build::{Build, Built};
use crate::cli::LoadArgs;
use crate::context::GlobalContext;
use crate::engine::Engine;
use crate::engine::local_image::LocalImage;
use crate::error::{Result, or_help};
use crate::event::{BuiltImage, Event};
use crate::parallel::lock;
use crate::plan::{ImagePlan, OnlyPlatform, Plan, Purpose, Request};
use crate::platform::PlatformChoice;
use crate::reference::EngineReference;
use crate::store::Layout;

/// An image that was loaded into an engine.
pub(crate) struct EngineImage {
    /// The plan of the image.
    pub plan: ImagePlan,
    /// The image.
    pub image: BuiltImage,
    /// The engine.
    pub engine: Arc<Engine>,
}

impl EngineImage {
    /// Returns its name in the engine: `NAME:TAG`.
    pub(crate) fn name(&self) -> String {
        let name = self.image.tagged_names().into_iter().next().unwrap_or_default();
        self.engine.local_name(&name)
    }
}

/// Builds images for the platforms of their engines, and loads them. `check` sees the plan and the engines of its images
/// before anything is done.
///
/// # Errors
/// Returns the first failure; then all names of that image are as they were before.
pub(crate) fn load(
    args: &LoadArgs,
    context: &GlobalContext,
    check: impl FnOnce(&Plan, &[Arc<Engine>]) -> Result<()>,
) -> Result<Vec<EngineImage>> {
    let finder = EngineFinder { args, context, known: Mutex::default(), engines: Mutex::default() };
    let platform = |image: &ImagePlan| finder.platform(image);
    // Engines do not store referrers.
    let attach = !args.build.output.outputs.is_empty() || args.build.output.sbom_dir.is_some();
    let request = Request { args: &args.build, purpose: Purpose::Engine(&platform) };
    let build = Build { request, complete: true, attach, context };
    let built = build.run(|plan| check(plan, &lock(&finder.engines)), &())?;
    let engines = std::mem::take(&mut *lock(&finder.engines));
    for ((plan, image, layout), engine) in built.each().zip(&engines) {
        load_one(engine, plan, image, layout, context)?;
    }
    built.write_outputs(context)?;
    let Built { plan, images, .. } = built;
    let loaded = plan.images.into_iter().zip(images).zip(engines);
    Ok(loaded.map(|((plan, image), engine)| EngineImage { plan, image, engine }).collect())
}

fn load_one(
    engine: &Engine,
    plan: &ImagePlan,
    image: &BuiltImage,
    layout: &Layout,
    context: &GlobalContext,
) -> Result<()> {
    let platforms = image.manifests.iter().map(|manifest| manifest.platform.clone()).collect();
    context.report(Event::Loading { image: image.name.clone(), engine: engine.title().to_owned(), platforms });
    let cache = context.cache()?;
    let local = LocalImage { image, layout, cache: &cache, time: plan.mtime(), listener: context.listener };
    let loaded = engine.load(local).wrap_err_with(|| format!("cannot load {} into {}", image.name, engine.title()));
    let loaded = loaded.map_err(|error| {
        or_help(error, || "check that the engine still runs, and load again; the engine's log may say more".to_owned())
    })?;
    context.report(Event::Loaded {
        names: image.tagged_names(),
        engine: engine.title().to_owned(),
        id: loaded.id,
        sent: loaded.sent,
        was_there: loaded.was_present,
    });
    Ok(())
}

/// Finds the engines of the images of a plan.
struct EngineFinder<'a> {
    args: &'a LoadArgs,
    context: &'a GlobalContext<'a>,
    /// Engines by the name that the user typed, each looked up once.
    known: Mutex<Vec<(Option<EngineReference>, Arc<Engine>)>>,
    /// The engine of each image.
    engines: Mutex<Vec<Arc<Engine>>>,
}

impl EngineFinder<'_> {
    /// Finds the engine of an image, and returns the platform to build for: the engine's own, unless the user chose one.
    fn platform(&self, image: &ImagePlan) -> Result<Option<OnlyPlatform>> {
        let engine = self.find(image)?;
        lock(&self.engines).push(Arc::clone(&engine));
        match &self.args.build.image.choices()[..] {
            [] => Ok(Some(OnlyPlatform {
                platform: engine.platform().clone(),
                reason: Some(format!("{} runs programs for {}", engine.title(), engine.platform())),
            })),
            [PlatformChoice::One(target)] => Ok(Some(OnlyPlatform { platform: target.platform(), reason: None })),
            _ if engine.supports_indexes() => Ok(None),
            _ => Err(miette!(
                help = format!(
                    "choose one platform, such as `--platform {}`; Docker with the containerd image store takes several",
                    engine.platform()
                ),
                "cannot load {} for several platforms: {} keeps an image for one",
                image.name,
                engine.title()
            )),
        }
    }

    fn find(&self, image: &ImagePlan) -> Result<Arc<Engine>> {
        let wanted = self.args.engine.engine.as_ref().or(image.engine.as_ref());
        let mut known = lock(&self.known);
        if let Some((_, engine)) = known.iter().find(|(name, _)| name.as_ref() == wanted) {
            return Ok(Arc::clone(engine));
        }
        let engine = Arc::new(Engine::find(wanted, &self.context.environment)?);
        known.push((wanted.cloned(), Arc::clone(&engine)));
        Ok(engine)
    }
}
