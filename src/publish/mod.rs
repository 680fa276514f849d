//! `cargo oci push`: build, then blobs → manifests by digest → index → tags, to every repository.

mod referrers;

use std::sync::{Mutex, OnceLock};
use std::time::{Duration, Instant};

use miette::{Context, Report, miette};
use oci_spec::image::Descriptor;

use self::referrers::Companions;
use crate::attest::Signer;
use crate::build::hooks::{Ahead, ImageBase};
use crate::build::{Build, finish};
use crate::cli::PushArgs;
use crate::commands::login::Asked;
use crate::context::Registries;
use crate::context::key;
use crate::context::subject::Part;
use crate::environment::Environment;
use crate::error::Result;
use crate::event::{BuiltImage, Event, Listener};
use crate::parallel::{MANY, each, lock};
use crate::plan::ImagePlan;
use crate::reference::{BaseReference, Reference};
use crate::registry::Registry;
use crate::store::{Cache, Fallback, Layout, Sink, Source, copy};

/// How long the answer of a registry is believed.
const FRESH: Duration = Duration::from_secs(5);

/// Builds and pushes every image that the arguments select; gives `registry/repository@digest` for each repository.
///
/// # Errors
/// The first thing that goes wrong; then no tag of that repository has moved.
pub fn push(args: &PushArgs, asked: Asked, listener: Listener) -> Result<Vec<String>> {
    let environment = Environment::of_this_process();
    // A key that cannot be used is told before anything is built.
    let signer = key::signer(&args.signer, &environment, asked)?;
    let registries = Registries::new(&environment, listener);
    // What is written elsewhere has to be whole.
    let complete = !args.build.output.outputs.is_empty();
    let destinations = Destinations {
        registries: &registries,
        by_digest: args.by_digest,
        signer: signer.as_ref(),
        open: OnceLock::new(),
    };
    let build = Build { args: &args.build, complete, attach: true, registries: &registries };
    let built = build.run(|plan| check_repositories(&plan.images), &destinations)?;
    let mut results = Vec::new();
    for destination in destinations.open() {
        let (plan, image) = (&built.plan.images[destination.image], &built.images[destination.image]);
        let source =
            Fallback { primary: &built.layouts[destination.image], secondary: built.bases.source(&plan.base)? };
        let tags = destinations.tags(plan);
        let pushed = destination.push(plan, image, (tags, destinations.signer), (&source, &built.cache), listener);
        pushed.wrap_err_with(|| destination.failed(plan))?;
        results.push(destination.repository.with_digest(image.digest.as_ref()));
    }
    finish(&built, listener)?;
    Ok(results)
}

/// Where images go.
struct Destinations<'a> {
    registries: &'a Registries<'a>,
    by_digest: bool,
    /// What images are signed with.
    signer: Option<&'a Signer>,
    open: OnceLock<Vec<Destination<'a>>>,
}

impl Destinations<'_> {
    /// Does something with the bases where there may be something to send.
    fn changed(&self, bases: &[ImageBase], work: impl Fn(&Destination, &ImageBase) -> Result<()>) -> Result<()> {
        self.open().iter().try_for_each(|destination| {
            let base = &bases[destination.image];
            match destination.has_last(base.plan) {
                true => Ok(()),
                false => work(destination, base).wrap_err_with(|| destination.failed(base.plan)),
            }
        })
    }

    fn tags<'p>(&self, plan: &'p ImagePlan) -> &'p [String] {
        if self.by_digest { &[] } else { &plan.tags }
    }

    fn open(&self) -> &[Destination<'_>] {
        self.open.get().map(Vec::as_slice).unwrap_or_default()
    }
}

impl Ahead for Destinations<'_> {
    /// Asks what is there.
    fn begin(&self, images: &[ImagePlan]) -> Result<()> {
        let wanted = images.iter().enumerate().flat_map(|(at, plan)| plan.repositories.iter().map(move |to| (at, to)));
        let wanted: Vec<_> = wanted.collect();
        let open = each(&wanted, MANY, |(at, repository)| {
            let registry = self.registries.connect(repository, true)?;
            let destination =
                Destination { image: *at, repository: (*repository).clone(), registry, tags: Mutex::default() };
            let asked = destination.ask(self.tags(&images[*at]));
            asked.wrap_err_with(|| destination.failed(&images[*at]))?;
            Ok(destination)
        })?;
        // This is called once.
        let _ = self.open.set(open);
        Ok(())
    }

    /// Asks which of their layers are there.
    fn bases(&self, bases: &[ImageBase]) -> Result<()> {
        self.changed(bases, |destination, base| {
            each(&base.layers(), MANY, |layer| Sink::exists(&destination.registry, layer)).map(drop)
        })
    }

    /// Their layers travel while cargo runs.
    fn wait(&self, bases: &[ImageBase]) -> Result<()> {
        self.changed(bases, |destination, base| {
            let layers = base.layers();
            destination.mount(&base.plan.base, &layers);
            copy(base.source, &destination.registry, &layers)
        })
    }
}

/// A repository that an image goes to.
struct Destination<'a> {
    /// The number of the image in the plan.
    image: usize,
    repository: Reference,
    registry: Registry<'a>,
    /// What tags stand for there, and when that was asked.
    tags: Mutex<Option<(Instant, Vec<Option<Descriptor>>)>>,
}

impl Destination<'_> {
    fn failed(&self, plan: &ImagePlan) -> String {
        format!("cannot push {} to {}", plan.name, self.registry.location())
    }

    /// What these tags stand for; always the same ones.
    fn ask(&self, tags: &[String]) -> Result<Vec<Option<Descriptor>>> {
        if let Some((asked, there)) = &*lock(&self.tags)
            && asked.elapsed() < FRESH
        {
            return Ok(there.clone());
        }
        let there = each(tags, MANY, |tag| self.registry.tagged(tag))?;
        *lock(&self.tags) = Some((Instant::now(), there.clone()));
        Ok(there)
    }

    fn push(
        &self,
        plan: &ImagePlan,
        image: &BuiltImage,
        (tags, signer): (&[String], Option<&Signer>),
        (source, cache): (&dyn Source, &Cache),
        listener: Listener,
    ) -> Result<()> {
        let root = &image.root;
        let there = self.ask(tags)?;
        let is_right = |there: &Option<Descriptor>| there.as_ref().is_some_and(|there| there.digest() == root.digest());
        let is_there = there.iter().any(is_right);
        let parts = parts(plan, image);
        let companions = Companions { image, parts: &parts, layout: source, signer, cache };
        let failed = || "cannot attach what is said of it";
        // Signed once, however often it is sent: logs of signatures keep everything.
        let lacking = companions.lacking(&self.registry, is_there).wrap_err_with(failed)?;
        let attach = || lacking.as_ref().map_or(Ok(()), |lacking| companions.attach(&self.registry, lacking));
        // A tag that is right has all its content behind it: a registry takes no manifest without.
        let early = match is_there {
            true => None,
            false => {
                listener(Event::Pushing { image: image.name.clone(), to: self.registry.location() });
                self.mount(&plan.base, image.manifests.iter().flat_map(|manifest| &manifest.layers[..manifest.below]));
                std::thread::scope(|scope| {
                    // What is attached may be there before the image is (distribution-spec, "Pushing Manifests with Subject").
                    let early = scope.spawn(attach);
                    copy(source, &self.registry, std::slice::from_ref(root))?;
                    Ok::<_, Report>(early.join().ok())
                })?
            }
        };
        // Whoever follows a tag finds what is attached and signed. Registries that take it only now are asked again.
        if !matches!(early, Some(Ok(()))) {
            attach().wrap_err_with(failed)?;
        }
        if let Some(lacking) = &lacking {
            companions.tell(&self.registry, lacking, listener);
        }
        let wanted: Vec<_> =
            tags.iter().zip(&there).filter(|(_, there)| !is_right(there)).map(|(tag, _)| tag).collect();
        let tag = |tag: &&String| self.registry.tag(root, tag).wrap_err_with(|| format!("cannot move the tag {tag}"));
        each(&wanted, MANY, tag)?;
        listener(Event::Pushed { image: image.name.clone(), to: self.registry.location(), was_there: is_there });
        Ok(())
    }

    /// Whether a tag stands for what was built last: then it may well be that nothing is to be sent.
    fn has_last(&self, plan: &ImagePlan) -> bool {
        let Ok(last) = Layout::open(&plan.layout) else { return false };
        let is_last = |there: &Descriptor| last.entries().iter().any(|entry| entry.digest() == there.digest());
        lock(&self.tags).iter().any(|(_, there)| there.iter().flatten().any(is_last))
    }

    /// Layers of a base in the same registry need not be sent.
    fn mount<'l>(&self, base: &BaseReference, layers: impl IntoIterator<Item = &'l Descriptor>) {
        if let BaseReference::Registry(base) = base
            && base.registry() == self.repository.registry()
        {
            self.registry.mountable(base.repository(), layers);
        }
    }
}

/// What is signed of an image: its index, and the images in it.
fn parts(plan: &ImagePlan, image: &BuiltImage) -> Vec<Part> {
    let index = Part { what: "index".to_owned(), platform: None, descriptor: image.root.clone() };
    let images = image.manifests.iter().map(|manifest| Part {
        what: manifest.platform.to_string(),
        platform: Some(manifest.platform.clone()),
        descriptor: manifest.descriptor.clone(),
    });
    // Without an index, the one image is all there is.
    std::iter::once(index).filter(|_| !plan.no_index).chain(images).collect()
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
