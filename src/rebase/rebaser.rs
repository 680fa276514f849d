//! Puts images on their new bases.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use jiff::Timestamp;
use miette::{Context, IntoDiagnostic, miette};
use oci_spec::image::Descriptor;
use serde_json::Value;

use super::contents::{BaseContents, FitCheck, relies_on_base};
use super::documents::RebasedSubject;
use super::folder::RebaseInFolder;
use super::job::{OpenRebase, RebasePlace};
use super::origin::{BuiltImagePart, REBUILD};
use super::renewed::{BaseOfImage, Renewal, RenewedImage};
use super::repository::RebaseInRepository;
use crate::attest::Signer;
use crate::base::end_of_life::creation_day;
use crate::config::SignatureFormat;
use crate::context::GlobalContext;
use crate::context::base::Bases;
use crate::context::subject::Subject;
use crate::error::Result;
use crate::event::Event;
use crate::publish::sign::ImageSigner;
use crate::reference::BaseReference;
use crate::store::layer::layers_of;
use crate::store::{Memory, Source};
use crate::unique::each_once;

/// Puts images on their new bases.
pub(crate) struct Rebaser<'a> {
    /// The bases, which were read.
    pub bases: &'a Bases<'a>,
    /// What is in them, as far as images rely on it.
    pub contents: HashMap<String, BaseContents>,
    /// The tags to set in place of those of the images.
    pub tags: &'a [String],
    /// Signs the images, if there is one.
    pub signer: Option<&'a Signer>,
    /// The context of the run.
    pub context: &'a GlobalContext<'a>,
}

/// An image between two bases.
pub(crate) struct Rebase<'a> {
    /// The image.
    pub open: OpenRebase<'a>,
    /// The base that it was built on.
    pub old: BaseOfImage,
    /// The base that it comes on.
    pub new: BaseOfImage,
    /// How signatures are kept.
    pub format: SignatureFormat,
}

impl Rebase<'_> {
    /// Returns whether the image is on the new base already.
    fn is_done(&self) -> bool {
        let digest = |base: &BaseOfImage| base.base.root.as_ref().map(|root| root.digest().clone());
        digest(&self.old) == digest(&self.new) && self.old.name == self.new.name
    }

    /// Returns whether a base of another name may be of another distribution.
    fn is_elsewhere(&self) -> bool {
        match (&self.open.old_place, &self.open.new_place) {
            (BaseReference::Registry(old), BaseReference::Registry(new)) => old.location() != new.location(),
            _ => true,
        }
    }

    fn is_dynamic(&self) -> Option<bool> {
        self.open.attached.told().is_dynamic
    }
}

impl<'a> Rebaser<'a> {
    /// Creates a rebaser, and reads what the images rely on in their bases: each base once.
    ///
    /// # Errors
    /// Returns an error if a base cannot be read.
    pub(crate) fn new(
        images: &[Rebase],
        bases: &'a Bases<'a>,
        tags: &'a [String],
        signer: Option<&'a Signer>,
    ) -> Result<Rebaser<'a>> {
        let context = bases.context();
        let cache = context.cache()?;
        let mut contents = HashMap::new();
        for rebase in images.iter().filter(|rebase| !rebase.is_done()) {
            let (is_dynamic, is_elsewhere) = (rebase.is_dynamic().unwrap_or(true), rebase.is_elsewhere());
            let parts = rebase.open.image.images.iter();
            for part in parts.filter(|part| is_elsewhere || relies_on_base(part, is_dynamic)) {
                for (base, place) in [(&rebase.old, &rebase.open.old_place), (&rebase.new, &rebase.open.new_place)] {
                    let image = base.image_for(part)?;
                    let key = layers_key(&image.layers);
                    if let Entry::Vacant(unread) = contents.entry(key) {
                        let fetch = || bases.fetch_one(place);
                        let found = BaseContents::read(image, bases.source(place)?, &cache, fetch);
                        unread.insert(found.wrap_err_with(|| format!("cannot read the base {place}"))?);
                    }
                }
            }
        }
        Ok(Rebaser { bases, contents, tags, signer, context })
    }

    /// Puts an image on its new base. Returns its name with its digest.
    ///
    /// # Errors
    /// Returns an error if the image does not fit the base, or cannot be written. Then no tag has moved, except those that the
    /// error names.
    pub(crate) fn run(&self, rebase: &Rebase) -> Result<String> {
        let name = rebase.open.place.name();
        self.rebase(rebase).wrap_err_with(|| format!("cannot rebase {name}"))
    }

    fn rebase(&self, rebase: &Rebase) -> Result<String> {
        let base = rebase.new.name.clone().unwrap_or_else(|| rebase.open.new_place.to_string());
        let is_done = rebase.is_done();
        self.context.report(Event::Rebasing {
            image: rebase.open.place.name(),
            base: base.clone(),
            unchanged: is_done,
        });
        let image = &rebase.open.image;
        if is_done {
            return self.keep(rebase);
        }
        self.check(rebase, &base)?;
        let memory = Memory::default();
        let told = rebase.open.attached.told();
        let renewed = Renewal { image, old: &rebase.old, new: &rebase.new, known: told.settings }.run(&memory)?;
        let attached = self.attachments(rebase, &renewed, &memory)?;
        match &rebase.open.place {
            RebasePlace::Repository { registry, reference, tags } => {
                let parts = image.images.iter();
                let known: Vec<_> = parts.flat_map(|part| part.below.iter().chain(&part.own)).cloned().collect();
                let repository = RebaseInRepository {
                    registry,
                    reference,
                    base: &rebase.open.new_place,
                    base_source: self.bases.source(&rebase.open.new_place)?,
                    known: &known,
                    memory: &memory,
                    signer: self.signer,
                    format: rebase.format,
                    context: self.context,
                };
                let layers: Vec<_> = each_once(renewed.images.iter().flat_map(|part| part.below.clone()));
                repository.send(&layers, &renewed.documents, &attached, &renewed.root)?;
                let moved = if self.tags.is_empty() {
                    repository.move_tags(tags, &renewed.root)?;
                    tags.iter().map(|(tag, _)| tag.clone()).collect()
                } else {
                    repository.set_tags(self.tags, &renewed.root)?;
                    self.tags.to_vec()
                };
                let (image, sent) = (short_name(reference.repository()), registry.sent());
                self.context.report(Event::Pushed {
                    image,
                    to: registry.location(),
                    tags: moved,
                    sent,
                    was_there: false,
                });
                Ok(repository.named(renewed.root.digest()))
            }
            RebasePlace::Folder { layout, reference } => {
                let folder = RebaseInFolder {
                    layout,
                    reference,
                    image,
                    base_source: self.bases.source(&rebase.open.new_place)?,
                    memory: &memory,
                    listener: self.context.listener,
                };
                folder.write(&renewed.root, &attached, self.tags)?;
                let named = BaseReference::Layout(reference.clone()).with_digest(renewed.root.digest().as_ref());
                self.context.report(Event::Wrote { path: reference.path.clone(), only: None });
                if let Some(signer) = self.signer {
                    let image = Subject::open(&named.parse().into_diagnostic()?, self.context)?;
                    let (format, listener) = (rebase.format, self.context.listener);
                    ImageSigner { signer, image: &image, format, image_only: false, listener }.sign_all(&[])?;
                }
                Ok(named)
            }
        }
    }

    /// Returns the name of an image that stays as it is; tags that were named are set.
    fn keep(&self, rebase: &Rebase) -> Result<String> {
        let root = &rebase.open.image.root;
        match &rebase.open.place {
            RebasePlace::Repository { registry, reference, .. } => {
                for tag in self.tags {
                    registry.tag_from(root, tag, registry.as_ref())?;
                }
                Ok(reference.with_digest(root.digest().as_ref()))
            }
            RebasePlace::Folder { reference, .. } => {
                Ok(BaseReference::Layout(reference.clone()).with_digest(root.digest().as_ref()))
            }
        }
    }

    fn check(&self, rebase: &Rebase, base: &str) -> Result<()> {
        if rebase.new.base.root.as_ref().is_some_and(|root| root.digest() == rebase.open.image.root.digest()) {
            return Err(miette!(help = "name another base with `--onto`", "{base} is that image itself"));
        }
        let source: &dyn Source = rebase.open.place.source();
        for part in &rebase.open.image.images {
            let (below, above) = (rebase.old.image_for(part)?, rebase.new.image_for(part)?);
            let known = |layers: &[Descriptor]| self.contents.get(&layers_key(layers));
            if let Some((old, new)) = known(&below.layers).zip(known(&above.layers)) {
                let families = old.family().zip(new.family()).filter(|(old, new)| old != new);
                if let Some((old, new)) = families {
                    return Err(miette!(
                        help = format!(
                            "{REBUILD}, where users, folders and programs of it are checked: set `base` in Cargo.toml"
                        ),
                        "{base} is of another distribution: {new} in place of {old}"
                    ));
                }
                let is_dynamic = rebase.is_dynamic().unwrap_or(true);
                FitCheck { image: part, is_dynamic, old, new, base, source }.run()?;
            }
            // All layers are there and ours, or the config would not be.
            layers_of(&part.config, &part.own)?;
        }
        let created = |base: &BaseOfImage, part: &BuiltImagePart| {
            let image = base.image_for(part).ok()?;
            creation_day(image.config.get("created").and_then(Value::as_str)?)
        };
        let first = rebase.open.image.images.first();
        let ages = first.and_then(|part| created(&rebase.old, part).zip(created(&rebase.new, part)));
        if let Some((old, new)) = ages.filter(|(old, new)| new < old) {
            self.context.warn_once(format!(
                "{base} is older than the base that {} is on: it was made on {new}, and that on {old}",
                rebase.open.place.name()
            ));
        }
        Ok(())
    }

    /// Makes what is attached to the new image.
    fn attachments(&self, rebase: &Rebase, renewed: &RenewedImage, memory: &Memory) -> Result<Vec<Descriptor>> {
        let image = &rebase.open.image;
        let created = image.images.first().and_then(|part| part.config.get("created")).and_then(Value::as_str);
        let created = created.and_then(|text| text.parse().ok()).unwrap_or(Timestamp::UNIX_EPOCH);
        let Some(root) = &rebase.new.base.root else { return Ok(Vec::new()) };
        let named = rebase.new.name.as_ref().and_then(|name| name.parse::<BaseReference>().ok());
        let named = named.unwrap_or_else(|| rebase.open.new_place.clone());
        let repository = match &rebase.open.place {
            RebasePlace::Repository { reference, .. } => Some(reference.location()),
            RebasePlace::Folder { .. } => None,
        };
        let subject = RebasedSubject {
            image,
            renewed,
            old: &rebase.open.old,
            new: (&named, root.digest()),
            repository: repository.as_deref(),
        };
        let documents = rebase.open.attached.renew(&subject, created, memory)?;
        if !image.attestations.is_empty() {
            self.context.warn(format!(
                "{} is rebased without the attestations in its index: build it again to have them there",
                rebase.open.place.name()
            ));
        }
        if !documents.left_out.is_empty() {
            self.context.warn(format!(
                "{} is rebased without what others have attached about the old image: {}",
                rebase.open.place.name(),
                documents.left_out.join(", ")
            ));
        }
        Ok(documents.manifests)
    }
}

fn layers_key(layers: &[Descriptor]) -> String {
    layers.iter().map(|layer| layer.digest().to_string()).collect::<Vec<_>>().join(" ")
}

fn short_name(repository: &str) -> String {
    repository.rsplit('/').next().unwrap_or(repository).to_owned()
}
