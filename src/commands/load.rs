//! `cargo oci load`: build for the engine's platform, then hand the image over.

use std::sync::Arc;

use miette::{Context, miette};

use crate::build::{Build, finish};
use crate::cli::LoadArgs;
use crate::context::Registries;
use crate::engine::Engine;
use crate::engine::local_image::LocalImage;
use crate::environment::Environment;
use crate::error::{Result, or_help};
use crate::event::{BuiltImage, Event, Listener};
use crate::plan::{ImagePlan, Plan};
use crate::platform::PlatformChoice;
use crate::reference::EngineReference;

/// Builds and loads every image that the arguments select; gives `NAME:TAG` for each.
///
/// # Errors
/// The first thing that goes wrong; then no name of that image stands for something else than before.
pub fn load(args: &LoadArgs, listener: Listener) -> Result<Vec<String>> {
    let environment = Environment::of_this_process();
    let loaded = Handover::make(args, &environment, listener, |_, _| Ok(()))?;
    Ok((0..loaded.images.len()).map(|at| loaded.name(at)).collect())
}

/// Images that engines have now.
pub struct Handover {
    /// The images.
    pub images: Vec<BuiltImage>,
    /// What was planned for each.
    pub plans: Vec<ImagePlan>,
    /// Who has each.
    pub engines: Vec<Arc<Engine>>,
}

impl Handover {
    /// Builds and loads. The plan and the engines of its images have to pass `check`.
    ///
    /// # Errors
    /// The first thing that goes wrong; then no name of that image stands for something else than before.
    pub fn make(
        args: &LoadArgs,
        environment: &Environment,
        listener: Listener,
        check: impl FnOnce(&Plan, &[Arc<Engine>]) -> Result<()>,
    ) -> Result<Handover> {
        let mut engines = Vec::new();
        let registries = Registries::new(environment, listener);
        let prepare = |plan: &mut Plan| {
            engines = engines_of(plan, args, environment)?;
            check(plan, &engines)
        };
        // Engines have no place for what is attached to images.
        let attach = !args.build.output.outputs.is_empty() || args.build.output.sbom_dir.is_some();
        let built = Build { args: &args.build, complete: true, attach, registries: &registries }.run(prepare, &())?;
        for (at, (image, engine)) in built.images.iter().zip(&engines).enumerate() {
            let platforms = image.manifests.iter().map(|manifest| manifest.platform.clone()).collect();
            listener(Event::Loading { image: image.name.clone(), engine: engine.title().to_owned(), platforms });
            let time = built.plan.images[at].mtime();
            let layout = &built.layouts[at];
            let loaded = engine.load(LocalImage { image, layout, cache: &built.cache, time, listener });
            let loaded = loaded.wrap_err_with(|| format!("cannot load {} into {}", image.name, engine.title()));
            let help = || "see that the engine still runs, and load again; its own log may tell more".to_owned();
            let loaded = loaded.map_err(|error| or_help(error, help))?;
            listener(Event::Loaded {
                names: image.tagged_names(),
                engine: engine.title().to_owned(),
                id: loaded.id,
                sent: loaded.sent,
                was_there: loaded.was_present,
            });
        }
        finish(&built, listener)?;
        Ok(Handover { images: built.images, plans: built.plan.images, engines })
    }

    /// What the engine calls an image.
    pub fn name(&self, at: usize) -> String {
        let name = self.images[at].tagged_names().into_iter().next().unwrap_or_default();
        self.engines[at].local_name(&name)
    }
}

/// The engine of each image, whose platform becomes the image's where none was asked for.
fn engines_of(plan: &mut Plan, args: &LoadArgs, environment: &Environment) -> Result<Vec<Arc<Engine>>> {
    // Each is asked once who it is.
    let mut known: Vec<(Option<EngineReference>, Arc<Engine>)> = Vec::new();
    let mut engines = Vec::new();
    for image in &mut plan.images {
        let wanted = args.engine.engine.as_ref().or(image.engine.as_ref());
        let engine = match known.iter().find(|(name, _)| name.as_ref() == wanted) {
            Some((_, engine)) => Arc::clone(engine),
            None => Arc::new(Engine::find(wanted, environment)?),
        };
        known.push((wanted.cloned(), Arc::clone(&engine)));
        match &args.build.image.choices()[..] {
            [] => image
                .narrow(engine.platform())
                .wrap_err_with(|| format!("{} runs programs for {}", engine.title(), engine.platform()))?,
            [PlatformChoice::One(target)] => image.narrow(&target.platform())?,
            _ if engine.supports_indexes() => {}
            _ => {
                return Err(miette!(
                    help = format!(
                        "choose one with `--platform`, such as {}; Docker with the containerd image store takes several",
                        engine.platform()
                    ),
                    "{} keeps an image for one platform, and {} is to be built for several",
                    engine.title(),
                    image.name
                ));
            }
        }
        engines.push(engine);
    }
    Ok(engines)
}
