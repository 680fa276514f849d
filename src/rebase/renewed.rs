//! An image on a new base: its configs, manifests and index.

use std::collections::HashMap;

use miette::{Report, miette};
use oci_spec::image::{ANNOTATION_BASE_IMAGE_DIGEST, ANNOTATION_BASE_IMAGE_NAME, Descriptor, Digest};

use super::origin::{BuiltImagePart, BuiltOn, REBUILD};
use super::settings;
use crate::base::{Base, BaseImage};
use crate::error::Result;
use crate::image::attestation::no_platform;
use crate::image::config::{Settings, assemble};
use crate::image::manifest::{self, Annotations, index_entry, index_of_entries};
use crate::platform::Platform;
use crate::store::Memory;

/// A base of an image: what it is called, and what it is.
#[derive(Clone)]
pub(crate) struct BaseOfImage {
    /// The reference, as in Cargo.toml; `None` if it is in no registry.
    pub name: Option<String>,
    /// The base.
    pub base: Base,
}

impl BaseOfImage {
    fn digest(&self) -> Option<&Digest> {
        self.base.root.as_ref().map(Descriptor::digest)
    }

    /// Returns its image for the platform of another.
    ///
    /// # Errors
    /// Returns an error if there is none.
    pub(crate) fn image_for(&self, part: &BuiltImagePart) -> Result<&BaseImage> {
        let found = self.base.images.iter().find(|image| image.target == part.target);
        found.ok_or_else(|| miette!(help = REBUILD, "the base has no image for {}", part.platform))
    }

    /// Returns the annotations, also as labels, that name it.
    fn names(&self) -> Vec<(&'static str, String)> {
        let Some((name, digest)) = self.name.as_ref().zip(self.digest()) else { return Vec::new() };
        vec![(ANNOTATION_BASE_IMAGE_NAME, name.clone()), (ANNOTATION_BASE_IMAGE_DIGEST, digest.to_string())]
    }
}

/// An image that was made anew.
pub(crate) struct RenewedImage {
    /// Its index or manifest.
    pub root: Descriptor,
    /// Its documents, which are in `memory`.
    pub documents: Vec<Descriptor>,
    /// Its image for each platform, in the order of the old ones.
    pub images: Vec<RenewedPart>,
}

/// The image for one platform, made anew.
pub(crate) struct RenewedPart {
    /// The manifest.
    pub descriptor: Descriptor,
    /// The config.
    pub config: Descriptor,
    /// The layers of the new base.
    pub below: Vec<Descriptor>,
}

/// The image on two bases.
pub(crate) struct Renewal<'a> {
    /// The image.
    pub image: &'a BuiltOn,
    /// The base that it was built on.
    pub old: &'a BaseOfImage,
    /// The base that it comes on.
    pub new: &'a BaseOfImage,
    /// The settings that its provenance names.
    pub known: Option<Settings>,
}

impl Renewal<'_> {
    /// Makes the documents of the image on the new base.
    ///
    /// # Errors
    /// Returns an error if the image is not what this program makes on the old base, or if its settings do not fit the new one.
    pub(crate) fn run(&self, memory: &Memory) -> Result<RenewedImage> {
        let Renewal { image, old, new, .. } = self;
        let (mut images, mut documents) = (Vec::new(), Vec::new());
        for part in &image.images {
            let (below, above) = (old.image_for(part)?, new.image_for(part)?);
            let settings = self.settings(part, below)?;
            let renewed = self.part(part, above, settings, memory)?;
            documents.extend([renewed.config.clone(), renewed.descriptor.clone()]);
            images.push(renewed);
        }
        let annotations = with_base(&image.annotations, old, new);
        let root = match &images[..] {
            [only] if !image.has_index => only.descriptor.clone(),
            _ => {
                let entry = |platform: &Platform, of: &Descriptor| (platform.clone(), index_entry(platform, of));
                let parts = image.images.iter().map(|part| entry(&part.platform, &part.descriptor));
                let attestations = image.attestations.iter().map(|attested| entry(&no_platform(), attested));
                let before = index_of_entries(parts.chain(attestations).collect(), &image.annotations);
                if before.descriptor.digest() != image.root.digest() {
                    return Err(changed("its index"));
                }
                let after =
                    image_platforms(image, new)?.into_iter().zip(images.iter().map(|one| one.descriptor.clone()));
                memory.put_document(manifest::index(&after.collect::<Vec<_>>(), &annotations))
            }
        };
        if image.has_index {
            documents.push(root.clone());
        }
        Ok(RenewedImage { root, documents, images })
    }

    /// Returns the settings that made the config of a part, and checks that they and the base make exactly that part.
    fn settings(&self, part: &BuiltImagePart, below: &BaseImage) -> Result<Settings> {
        if digests(&below.layers) != digests(&part.below) {
            return Err(miette!(
                help = "name the base that it was built on with `--old-base`, or build it again on the new one",
                "the lowest layers of the image for {} are not those of {}",
                part.platform,
                self.old.name.as_deref().unwrap_or("that base")
            ));
        }
        let known = self.known.clone().map(|known| with_labels(known, self.old));
        let found = settings::find(&part.config, &below.config, &part.platform, &part.histories, known);
        let found = found.ok_or_else(|| changed(&format!("the config for {}", part.platform)))?;
        let config = manifest::config(part.config.clone());
        let layers: Vec<_> = below.layers.iter().chain(&part.own).cloned().collect();
        let made = manifest::image(&config.descriptor, &layers, &part.annotations);
        if made.descriptor.digest() != part.descriptor.digest() {
            return Err(changed(&format!("the manifest for {}", part.platform)));
        }
        Ok(found)
    }

    fn part(
        &self,
        part: &BuiltImagePart,
        above: &BaseImage,
        settings: Settings,
        memory: &Memory,
    ) -> Result<RenewedPart> {
        let mut chosen = settings;
        chosen.labels.retain(|key, value| {
            !self.old.names().iter().any(|(own, text)| own == key && value.as_ref() == Some(text))
        });
        for (key, text) in self.new.names() {
            chosen.labels.entry(key.to_owned()).or_insert(Some(text));
        }
        let config = assemble(&above.config, &above.platform, &chosen, &part.histories)
            .map_err(|error| miette!(help = REBUILD, "the settings of the image do not fit the new base: {error}"))?;
        let config = memory.put_document(manifest::config(config));
        let layers: Vec<_> = above.layers.iter().chain(&part.own).cloned().collect();
        let annotations = with_base(&part.annotations, self.old, self.new);
        let descriptor = memory.put_document(manifest::image(&config, &layers, &annotations));
        Ok(RenewedPart { descriptor, config, below: above.layers.clone() })
    }
}

/// Returns the platforms of an image on a base, as the base writes them.
fn image_platforms(image: &BuiltOn, new: &BaseOfImage) -> Result<Vec<Platform>> {
    image.images.iter().map(|part| Ok(new.image_for(part)?.platform.clone())).collect()
}

fn changed(what: &str) -> Report {
    miette!(
        help = REBUILD,
        "{what} is not what this version of `cargo oci build` makes on that base: another tool or another version has made it"
    )
}

fn digests(layers: &[Descriptor]) -> Vec<&Digest> {
    layers.iter().map(Descriptor::digest).collect()
}

/// Returns settings with the labels that name a base, as a build adds them.
fn with_labels(mut settings: Settings, base: &BaseOfImage) -> Settings {
    for (key, text) in base.names() {
        settings.labels.entry(key.to_owned()).or_insert(Some(text));
    }
    settings
}

/// Returns annotations that name another base.
fn with_base(annotations: &Annotations, old: &BaseOfImage, new: &BaseOfImage) -> Annotations {
    let mut changed = annotations.clone();
    changed.retain(|key, value| !old.names().iter().any(|(own, text)| own == key && value == text));
    for (key, text) in new.names() {
        changed.entry(key.to_owned()).or_insert(text);
    }
    changed
}

/// Returns the old digests of an image, each with its new one.
pub(crate) fn moved_digests(image: &BuiltOn, renewed: &RenewedImage) -> HashMap<Digest, Digest> {
    let parts = image.images.iter().zip(&renewed.images);
    let parts = parts.map(|(old, new)| (old.descriptor.digest().clone(), new.descriptor.digest().clone()));
    let root = (image.root.digest().clone(), renewed.root.digest().clone());
    parts.chain([root]).collect()
}
