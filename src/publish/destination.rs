//! A repository that an image is pushed to.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use miette::{Context, Report};
use oci_spec::image::Descriptor;

use super::referrers::ReferrersUpload;
use crate::attest::Signer;
use crate::context::GlobalContext;
use crate::context::subject::SignableManifest;
use crate::error::Result;
use crate::event::{BuiltImage, Event};
use crate::interrupt::inherit;
use crate::parallel::{MANY, each, lock};
use crate::plan::ImagePlan;
use crate::reference::{BaseReference, Reference};
use crate::registry::Registry;
use crate::store::{Layout, Sink, Source, copy};

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
}

const CANNOT_ATTACH: &str = "cannot attach SBOM, provenance or signatures";

/// The manifests of tags in a repository.
struct Tagged {
    asked: Instant,
    manifests: Vec<Option<Descriptor>>,
}

/// An image, and the tags that it gets in a repository.
pub(crate) struct TaggedImage<'a> {
    /// The plan.
    pub plan: &'a ImagePlan,
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
        repository: &Reference,
        context: &GlobalContext<'a>,
    ) -> Result<Destination<'a>> {
        let registry = context.connect_to_push(repository)?;
        Ok(Destination { image, repository: repository.clone(), registry, tagged: Mutex::default() })
    }

    /// Returns the context of an error.
    pub(crate) fn failure(&self, plan: &ImagePlan) -> String {
        format!("cannot push {} to {}", plan.name, self.registry.location())
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
    /// Returns the first failure; then no tag has moved.
    pub(crate) fn push(&self, upload: &TaggedImage, context: &GlobalContext) -> Result<()> {
        let TaggedImage { plan, image, tags, source, signer } = upload;
        let root = &image.root;
        let tagged = self.tagged(tags)?;
        let is_there = tagged.iter().any(|there| is(there.as_ref(), root));
        let manifests = signable(plan, image);
        let cache = context.cache()?;
        let referrers =
            ReferrersUpload { image, manifests: &manifests, layout: *source, signer: *signer, cache: &cache };
        // Sign once, however often it is sent: transparency logs keep every signature.
        let missing = referrers.missing(&self.registry, is_there).wrap_err(CANNOT_ATTACH)?;
        let attach = || missing.as_ref().map_or(Ok(()), |missing| referrers.attach(&self.registry, missing));
        let is_attached = if is_there {
            // If the tag is right, all content exists: registries reject manifests without their content.
            false
        } else {
            context.report(Event::Pushing { image: image.name.clone(), to: self.registry.location() });
            self.mount(&plan.base, image.manifests.iter().flat_map(|manifest| &manifest.layers[..manifest.below]));
            std::thread::scope(|scope| {
                // Referrers may be there before the image is (distribution-spec, "Pushing Manifests with Subject").
                let early = scope.spawn(inherit(attach));
                copy(*source, &self.registry, std::slice::from_ref(root))?;
                Ok::<_, Report>(matches!(early.join(), Ok(Ok(()))))
            })?
        };
        // Attach before the tags move. Some registries accept referrers only after the image.
        if !is_attached {
            attach().wrap_err(CANNOT_ATTACH)?;
        }
        if let Some(missing) = &missing {
            referrers.report_signed(&self.registry, missing, context.listener);
        }
        let left: Vec<_> = tags.iter().zip(&tagged).filter(|(_, there)| !is(there.as_ref(), root)).collect();
        each(&left, MANY, |(tag, _)| {
            self.registry.tag(root, tag).wrap_err_with(|| format!("cannot move the tag {tag}"))
        })?;
        context.report(Event::Pushed { image: image.name.clone(), to: self.registry.location(), was_there: is_there });
        Ok(())
    }

    /// Returns whether a tag refers to the image that was built last: then there may be nothing to send.
    pub(crate) fn has_last_build(&self, plan: &ImagePlan) -> bool {
        let Ok(last) = Layout::open(&plan.layout) else { return false };
        let tagged = lock(&self.tagged);
        let mut there = tagged.iter().flat_map(|tagged| tagged.manifests.iter().flatten());
        there.any(|there| last.entries().iter().any(|entry| entry.digest() == there.digest()))
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

fn is(there: Option<&Descriptor>, root: &Descriptor) -> bool {
    there.is_some_and(|there| there.digest() == root.digest())
}

/// Returns the manifests that are signed: the index, and the manifest for each platform.
fn signable(plan: &ImagePlan, image: &BuiltImage) -> Vec<SignableManifest> {
    let index = SignableManifest { what: "index".to_owned(), platform: None, descriptor: image.root.clone() };
    let images = image.manifests.iter().map(|manifest| SignableManifest {
        what: manifest.platform.to_string(),
        platform: Some(manifest.platform.clone()),
        descriptor: manifest.descriptor.clone(),
    });
    // Without an index, there is one manifest.
    std::iter::once(index).filter(|_| !plan.no_index).chain(images).collect()
}
