//! A repository that an image is pushed to.

use std::collections::HashSet;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use miette::{Context, Report, miette};
use oci_spec::image::Descriptor;

use super::push_plan::PushPlan;
use super::referrers::{MissingReferrers, ReferrersUpload, was_pushed};
use super::tags::{TagMove, TagMoves};
use crate::attest::Signer;
use crate::build::hooks::ImageBase;
use crate::context::GlobalContext;
use crate::context::subject::SignableManifest;
use crate::error::Result;
use crate::event::{BuiltImage, Event};
use crate::image::Digest;
use crate::interrupt::inherit;
use crate::parallel::{MANY, each, lock};
use crate::reference::{BaseReference, Reference};
use crate::registry::Registry;
use crate::registry::referrers::RejectedReferrers;
use crate::registry::referrers_tag::{ListCheck, ListUpdate};
use crate::store::graph::reachable;
use crate::store::{Cache, Layout, SMALL_BLOB, Source, copy, copy_content};
use crate::unique::each_once;

/// How long the tags that a registry returned are trusted.
const FRESH: Duration = Duration::from_secs(5);

/// A repository that an image is pushed to.
pub(crate) struct Destination<'a> {
    /// The number of the image in the plan.
    pub image: usize,
    /// The repository.
    pub repository: Reference,
    /// The connection to it.
    pub registry: Registry<'a>,
    tagged: Mutex<Option<Tagged>>,
    last: LastBuild,
}

/// The image that was built before this run.
#[derive(Default)]
struct LastBuild {
    /// The image, as its layout lists it.
    roots: Vec<Descriptor>,
    /// Its content.
    digests: HashSet<Digest>,
}

impl LastBuild {
    fn of(plan: &PushPlan) -> LastBuild {
        let Some(layout) = plan.layout.and_then(|folder| Layout::open(folder).ok()) else {
            return LastBuild::default();
        };
        let roots: Vec<_> = layout.entries().iter().filter(|entry| entry.artifact_type().is_none()).cloned().collect();
        let Ok(content) = reachable(&layout, &roots) else { return LastBuild::default() };
        LastBuild { roots, digests: content.iter().map(|descriptor| descriptor.digest().clone()).collect() }
    }
}

const CANNOT_ATTACH: &str = "cannot attach SBOM, provenance or signatures";
const UNCHECKED: &str = "the tags have moved, but what is attached to the image may not be listed";

/// What became of the referrers that were sent beside an image.
struct SentReferrers {
    /// Those that must be sent again.
    left: Vec<Descriptor>,
    /// The lists that were written.
    lists: Vec<ListUpdate>,
}

/// The manifests of tags in a repository.
struct Tagged {
    asked: Instant,
    manifests: Vec<Option<Descriptor>>,
}

/// An image, and the tags that it gets in a repository.
pub(crate) struct TaggedImage<'a> {
    /// The plan.
    pub plan: &'a PushPlan<'a>,
    /// The image.
    pub image: &'a BuiltImage,
    /// The tags that it gets.
    pub tags: &'a [String],
    /// Its content.
    pub source: &'a dyn Source,
    /// Signs it, if there is one.
    pub signer: Option<&'a Signer>,
}

impl<'a> Destination<'a> {
    /// Connects to the repository of the image with the number `image`.
    ///
    /// # Errors
    /// Returns an error if credentials cannot be read, or TLS cannot be set up.
    pub(crate) fn connect(
        image: usize,
        plan: &PushPlan,
        repository: &Reference,
        context: &GlobalContext<'a>,
    ) -> Result<Destination<'a>> {
        let registry = context.connect_to_push(repository)?;
        let (repository, last) = (repository.clone(), LastBuild::of(plan));
        Ok(Destination { image, repository, registry, tagged: Mutex::default(), last })
    }

    /// Returns the context of an error.
    pub(crate) fn failure(&self, image: &str) -> String {
        format!("cannot push {image} to {}", self.registry.location())
    }

    /// Returns the manifests of these tags, `None` for a tag that does not exist. The tags are the same in every call.
    ///
    /// # Errors
    /// Returns an error if the registry does not respond.
    pub(crate) fn tagged(&self, tags: &[String]) -> Result<Vec<Option<Descriptor>>> {
        if let Some(Tagged { asked, manifests }) = &*lock(&self.tagged)
            && asked.elapsed() < FRESH
        {
            return Ok(manifests.clone());
        }
        let manifests = each(tags, MANY, |tag| self.registry.tagged(tag))?;
        *lock(&self.tagged) = Some(Tagged { asked: Instant::now(), manifests: manifests.clone() });
        Ok(manifests)
    }

    /// Pushes the image, what is attached to it, and last its tags.
    ///
    /// # Errors
    /// Returns the first failure, which says what tags have moved.
    pub(crate) fn push(&self, upload: &TaggedImage, context: &GlobalContext) -> Result<()> {
        let TaggedImage { plan, image, tags, source, signer } = upload;
        let tagged = self.tagged(tags)?;
        let manifests = signable(plan, image);
        let cache = context.cache()?;
        let referrers =
            ReferrersUpload { plan, image, manifests: &manifests, layout: *source, signer: *signer, cache: &cache };
        let is_tagged = tagged.iter().any(|there| is(there.as_ref(), &image.root));
        // If it is there, all content exists: it is sent last, and registries reject manifests without their content.
        let is_there = is_tagged || self.may_have(&image.root, &cache)?;
        // Sign once, however often it is sent: transparency logs keep every signature.
        let missing = referrers.missing(&self.registry, is_there).wrap_err(CANNOT_ATTACH)?;
        let mut sent = if is_there {
            SentReferrers { left: missing.referrers.clone(), lists: Vec::new() }
        } else {
            context.report(Event::Pushing { image: image.name.clone(), to: self.registry.location() });
            self.send(upload, &tagged, &cache, &referrers, &missing)?
        };
        // Attach before the tags move.
        let mut attached = referrers.attach(&self.registry, &missing, &sent.left).wrap_err(CANNOT_ATTACH)?;
        sent.lists.append(&mut attached.lists);
        let mut rejected = attached.rejected;
        if referrers.is_any_required() {
            // Signatures differ: other runs may write other lists.
            let check = if signer.is_some() { ListCheck::Thorough } else { ListCheck::Once };
            let lists = std::mem::take(&mut sent.lists);
            rejected.extend(self.registry.finish_lists(lists, check).wrap_err(CANNOT_ATTACH)?);
        }
        let mut warnings = referrers.left_out(&self.registry, rejected).wrap_err(CANNOT_ATTACH)?;
        missing.tag_signatures(&self.registry).wrap_err(CANNOT_ATTACH)?;
        referrers.report_signed(&self.registry, &missing, context.listener);
        let unlisted = self.move_tags(upload, &tagged, sent.lists)?;
        warnings.extend(referrers.left_out(&self.registry, unlisted).wrap_err(CANNOT_ATTACH)?);
        let warnings = each_once(missing.warnings.into_iter().chain(warnings));
        referrers.remember(&self.registry, &warnings);
        for warning in warnings {
            context.warn(warning);
        }
        context.report(Event::Pushed {
            image: image.name.clone(),
            to: self.registry.location(),
            tags: moving(upload, &tagged).map(|(tag, _)| tag.to_owned()).collect(),
            sent: self.registry.sent(),
            was_there: is_there,
        });
        Ok(())
    }

    /// Sends the image and, beside it, what is attached to it. The index is left to the first tag, if that is as safe.
    fn send(
        &self,
        upload: &TaggedImage,
        tagged: &[Option<Descriptor>],
        cache: &Cache,
        referrers: &ReferrersUpload,
        missing: &MissingReferrers,
    ) -> Result<SentReferrers> {
        let TaggedImage { plan, image, tags, source, .. } = upload;
        self.mount(plan.base, image.manifests.iter().flat_map(|manifest| &manifest.layers[..manifest.below]));
        self.assume_new_layers(image, tagged, cache);
        let early = std::thread::scope(|scope| {
            // Referrers may be there before the image is (distribution-spec, "Pushing Manifests with Subject").
            let early = scope.spawn(inherit(|| referrers.attach(&self.registry, missing, &missing.referrers)));
            copy_content(*source, &self.registry, &image.root)?;
            Ok::<_, Report>(early.join().ok().and_then(Result::ok))
        })?;
        let sent = match early {
            // Some registries accept referrers only after the image: what was rejected is sent again.
            Some(early) => SentReferrers {
                left: early.rejected.into_iter().flat_map(|rejected| rejected.manifests).collect(),
                lists: early.lists,
            },
            None => SentReferrers { left: missing.referrers.clone(), lists: Vec::new() },
        };
        // What was asked for must be listed before the tags move, and some registries list nothing before the image is there.
        let is_needed = !sent.left.is_empty() || !sent.lists.is_empty() && referrers.is_any_required();
        // The registry has stored the manifests by their digests, unchanged. So will it the index, also by a tag.
        if is_needed || tags.is_empty() || plan.no_index {
            copy(*source, &self.registry, std::slice::from_ref(&image.root))?;
        }
        Ok(sent)
    }

    /// Moves the tags, and looks at the lists of referrers meanwhile: SBOMs and provenance of the same image are the same, so that
    /// other runs that push it at the same time write the same lists. Returns what the registry does not list.
    fn move_tags(
        &self,
        upload: &TaggedImage,
        tagged: &[Option<Descriptor>],
        lists: Vec<ListUpdate>,
    ) -> Result<Vec<RejectedReferrers>> {
        let TaggedImage { image, source, .. } = upload;
        let moves = moving(upload, tagged).map(|(name, before)| TagMove { name, before }).collect();
        let moves = TagMoves { registry: &self.registry, root: &image.root, source: *source, tags: moves };
        std::thread::scope(|scope| {
            let lists = scope.spawn(inherit(|| self.registry.finish_lists(lists, ListCheck::Once)));
            moves.run()?;
            lists.join().unwrap_or_else(|_| Err(miette!("a thread panicked"))).wrap_err(UNCHECKED)
        })
    }

    /// Returns whether the repository has an image, although no tag is known to name it.
    fn may_have(&self, root: &Descriptor, cache: &Cache) -> Result<bool> {
        if let Some(known) = self.registry.known_existence(root) {
            return Ok(known);
        }
        // An image that was built where another was built before is there only if it was pushed from here.
        if self.last.digests.is_empty() || was_pushed(cache, &self.registry, root.digest()) {
            return self.registry.has(root);
        }
        Ok(false)
    }

    /// Saves the question for layers that are new since the last push from this machine, or that go where no tag is yet, if
    /// sending them takes as long.
    fn assume_new_layers(&self, image: &BuiltImage, tagged: &[Option<Descriptor>], cache: &Cache) {
        let was_sent = self.last_pushed(cache).is_some();
        let is_untagged = !tagged.is_empty() && tagged.iter().all(Option::is_none);
        let is_new = |layer: &Descriptor| {
            if was_sent { !self.last.digests.contains(layer.digest()) } else { is_untagged }
        };
        let own = image.manifests.iter().flat_map(|manifest| &manifest.layers[manifest.below..]);
        own.filter(|layer| layer.size() <= SMALL_BLOB && is_new(layer))
            .for_each(|layer| self.registry.assume_missing(layer));
    }

    /// Returns the image that was built last if this machine has pushed it to the repository.
    fn last_pushed(&self, cache: &Cache) -> Option<&Descriptor> {
        self.last.roots.iter().find(|root| was_pushed(cache, &self.registry, root.digest()))
    }

    /// Returns the layers of a base that the repository lacks, unless it has them with the image that was built last.
    ///
    /// # Errors
    /// Returns an error if the registry does not respond.
    pub(crate) fn new_layers(&self, base: &ImageBase, cache: &Cache) -> Result<Vec<Descriptor>> {
        let mut layers = base.layers();
        if self.is_last_build_tagged() || self.keeps_last_build(cache)? {
            layers.retain(|layer| !self.last.digests.contains(layer.digest()));
        }
        Ok(layers)
    }

    /// Asks for the image that was built last, which may only get another tag now.
    fn keeps_last_build(&self, cache: &Cache) -> Result<bool> {
        self.last_pushed(cache).map_or(Ok(false), |root| self.registry.has(root))
    }

    /// Returns whether a tag refers to the image that was built last: then there may be nothing to send.
    fn is_last_build_tagged(&self) -> bool {
        let tagged = lock(&self.tagged);
        let mut there = tagged.iter().flat_map(|tagged| tagged.manifests.iter().flatten());
        there.any(|there| self.last.roots.iter().any(|root| root.digest() == there.digest()))
    }

    /// Mounts layers of a base in the same registry instead of sending them.
    pub(crate) fn mount<'l>(&self, base: &BaseReference, layers: impl IntoIterator<Item = &'l Descriptor>) {
        if let BaseReference::Registry(base) = base
            && base.registry() == self.repository.registry()
        {
            self.registry.mountable(base.repository(), layers);
        }
    }
}

/// Returns the tags that do not name the image yet, each with what it names.
fn moving<'t>(
    upload: &'t TaggedImage,
    tagged: &'t [Option<Descriptor>],
) -> impl Iterator<Item = (&'t str, Option<&'t Descriptor>)> {
    let tags = upload.tags.iter().map(String::as_str).zip(tagged.iter().map(Option::as_ref));
    tags.filter(|(_, before)| !is(*before, &upload.image.root))
}

fn is(there: Option<&Descriptor>, root: &Descriptor) -> bool {
    there.is_some_and(|there| there.digest() == root.digest())
}

/// Returns the manifests that are signed: the index, and the manifest for each platform.
fn signable(plan: &PushPlan, image: &BuiltImage) -> Vec<SignableManifest> {
    let index = SignableManifest { what: "index".to_owned(), platform: None, descriptor: image.root.clone() };
    let images = image.manifests.iter().map(|manifest| SignableManifest {
        what: manifest.platform.to_string(),
        platform: Some(manifest.platform.clone()),
        descriptor: manifest.descriptor.clone(),
    });
    // Without an index, there is one manifest.
    std::iter::once(index).filter(|_| !plan.no_index).chain(images).collect()
}
