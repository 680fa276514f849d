//! A source → the images in it, for one platform each.

use std::collections::HashMap;

use miette::{Context, IntoDiagnostic, Report, miette};
use oci_spec::image::{Descriptor, Digest, MediaType};
use serde_json::{Value, json};

use super::job::{PartSource, SourcePlace, is_same_repository};
use super::metadata::PushedManifest;
use crate::context::GlobalContext;
use crate::context::image::OpenImage;
use crate::error::Result;
use crate::image::attestation::{attested_digest, listed_attestation, no_platform};
use crate::image::manifest::{Annotations, Manifest, ManifestContent, index_entry, is_for_none, platform_of};
use crate::image::media_type::{is_config, is_document};
use crate::inspect::referrers::group_by_subject;
use crate::parallel::{MANY, each};
use crate::platform::Platform;
use crate::reference::{BaseReference, Reference, TagOrDigest};
use crate::registry::Registry;
use crate::store::graph::MAX_DEPTH;
use crate::store::{Source, read};

/// An image for one platform.
#[derive(Clone, Debug)]
pub(crate) struct IndexPart {
    /// The platform.
    pub platform: Platform,
    /// The manifest.
    pub descriptor: Descriptor,
    /// Its entry in an index, with all that the index says that it comes from, such as the version of Windows.
    pub entry: Value,
    /// The annotations of the manifest.
    pub annotations: Annotations,
    /// Config and layers.
    pub content: Vec<Descriptor>,
    /// What the user calls its source.
    pub origin: String,
    /// The attestations about it in the index that lists it (BuildKit, `attestation-storage.md`).
    pub attestations: Vec<(Descriptor, Value)>,
}

/// Where parts are.
pub(crate) enum PartPlace<'a> {
    /// In the repository of the index.
    Here,
    /// In another one, or in a layout or archive; with the referrers that those list.
    Elsewhere(Box<OpenImage<'a>>, HashMap<String, Vec<Descriptor>>),
}

/// A source that was opened, and its parts.
pub(crate) struct OpenParts<'a> {
    /// Where they are.
    pub place: PartPlace<'a>,
    /// The repository, if it is another one.
    pub repository: Option<Reference>,
    /// The parts.
    pub parts: Vec<IndexPart>,
}

impl<'a> OpenParts<'a> {
    /// Opens a source and takes it apart. `here` is the repository of the index.
    ///
    /// # Errors
    /// Returns an error if there is nothing, or something else than images.
    pub(crate) fn open(
        source: &PartSource,
        here: &Registry,
        repository: &Reference,
        context: &GlobalContext<'a>,
    ) -> Result<OpenParts<'a>> {
        OpenParts::find(source, here, repository, context).wrap_err_with(|| format!("cannot use {}", source.origin))
    }

    fn find(
        source: &PartSource,
        here: &Registry,
        repository: &Reference,
        context: &GlobalContext<'a>,
    ) -> Result<OpenParts<'a>> {
        let is_here = |other: &Reference| is_same_repository(other, repository);
        let elsewhere = |image: &BaseReference| {
            let open = OpenImage::open(image, context)?;
            let listed = group_by_subject(open.source(), open.entries());
            Ok::<_, Report>(PartPlace::Elsewhere(Box::new(open), listed))
        };
        let (place, from, roots) = match &source.place {
            SourcePlace::Here(digest) => {
                let root = here.resolve(Some(&TagOrDigest::Digest(digest.clone())))?;
                (PartPlace::Here, None, vec![(None, root)])
            }
            SourcePlace::Image(BaseReference::Registry(image)) if is_here(image) => {
                (PartPlace::Here, None, vec![(None, here.resolve(Some(image.name()))?)])
            }
            SourcePlace::Image(image) => {
                let from = match image {
                    BaseReference::Registry(image) => Some(image.clone()),
                    _ => None,
                };
                let place = elsewhere(image)?;
                let PartPlace::Elsewhere(open, _) = &place else { return Err(miette!("it is not open")) };
                let root = open.root()?;
                (place, from, vec![(None, root)])
            }
            SourcePlace::Pushed { repository, manifests } => {
                let roots =
                    manifests.iter().map(|pushed| (Some(pushed.platform.clone()), pushed.descriptor())).collect();
                if is_here(repository) {
                    (PartPlace::Here, None, roots)
                } else {
                    (elsewhere(&BaseReference::Registry(repository.clone()))?, Some(repository.clone()), roots)
                }
            }
        };
        let parts = each(&roots, MANY, |(platform, root)| {
            let mut parts = Vec::new();
            let mut taken = TakenApart { source: place.source(here), origin: &source.origin, parts: &mut parts };
            taken.add(&plain(root), platform.clone(), None, 0)?;
            Ok(parts)
        })?;
        let mut parts: Vec<_> = parts.into_iter().flatten().collect();
        if let SourcePlace::Pushed { manifests, .. } = &source.place {
            add_attestations(&mut parts, manifests);
        }
        if parts.is_empty() {
            return Err(miette!(
                help = "build it again, and name what was pushed then",
                "it is an index without images"
            ));
        }
        Ok(OpenParts { place, repository: from, parts })
    }
}

impl PartPlace<'_> {
    /// Returns the source of the content. `here` is the repository of the index.
    pub(crate) fn source<'s>(&'s self, here: &'s Registry) -> &'s dyn Source {
        match self {
            PartPlace::Here => here,
            PartPlace::Elsewhere(image, _) => image.source(),
        }
    }

    /// Returns the referrers of a manifest.
    ///
    /// # Errors
    /// Returns an error if the registry does not respond.
    pub(crate) fn referrers(&self, here: &Registry, subject: &Digest) -> Result<Vec<Descriptor>> {
        match self {
            PartPlace::Here => here.referrers(subject),
            PartPlace::Elsewhere(image, listed) => image.referrers(subject, listed),
        }
    }
}

/// Adds what indexes that were pushed attest of their images.
fn add_attestations(parts: &mut [IndexPart], manifests: &[PushedManifest]) {
    for pushed in manifests {
        let Some(attestation) = &pushed.attestation else { continue };
        for part in parts.iter_mut().filter(|part| part.descriptor.digest() == &pushed.digest) {
            let listed = listed_attestation(&pushed.digest, &plain(attestation));
            part.attestations.push((listed.clone(), index_entry(&no_platform(), &listed)));
        }
    }
}

impl PushedManifest {
    fn descriptor(&self) -> Descriptor {
        Descriptor::new(MediaType::ImageManifest, self.size, self.digest.clone())
    }
}

/// Returns the parts of an index or an image that was read.
///
/// # Errors
/// Returns an error if it is something else, or cannot be read.
pub(crate) fn parts_of(source: &dyn Source, root: &Descriptor, origin: &str) -> Result<Vec<IndexPart>> {
    let mut parts = Vec::new();
    TakenApart { source, origin, parts: &mut parts }.add(&plain(root), None, None, 0)?;
    Ok(parts)
}

/// Returns the descriptor without what a layout or an index says of it.
fn plain(root: &Descriptor) -> Descriptor {
    Descriptor::new(root.media_type().clone(), root.size(), root.digest().clone())
}

/// An index or an image on its way to parts.
struct TakenApart<'a> {
    source: &'a dyn Source,
    origin: &'a str,
    parts: &'a mut Vec<IndexPart>,
}

impl TakenApart<'_> {
    /// Adds an image, or all of an index. `platform` is that which a metadata file names, `entry` that of the index around it.
    fn add(
        &mut self,
        descriptor: &Descriptor,
        platform: Option<Platform>,
        entry: Option<&Value>,
        depth: usize,
    ) -> Result<()> {
        if depth > MAX_DEPTH {
            return Err(miette!("it is nested in more than {MAX_DEPTH} indexes"));
        }
        let bytes = read(self.source, descriptor)?;
        let manifest = Manifest::parse(descriptor.media_type(), &bytes).into_diagnostic();
        let manifest = manifest.wrap_err_with(|| format!("{} is no image", descriptor.digest()))?;
        match manifest.content {
            ManifestContent::Index(entries) => {
                let json: Value = serde_json::from_slice(&bytes).into_diagnostic()?;
                self.add_entries(&entries, &json["manifests"], depth)
            }
            ManifestContent::Image { config, layers } => {
                if !is_config(config.media_type()) {
                    let kind = manifest.artifact_type.unwrap_or_else(|| config.media_type().to_string());
                    return Err(miette!(
                        help = "name an image; what is attached to it comes along",
                        "{} is no image: its type is {kind}",
                        descriptor.digest()
                    ));
                }
                let platform = self.platform(descriptor, platform.or_else(|| platform_of(descriptor)), &config)?;
                let entry = match entry {
                    Some(entry) => entry.clone(),
                    None => index_entry(&platform, &plain(descriptor)),
                };
                self.parts.push(IndexPart {
                    platform,
                    descriptor: plain(descriptor),
                    entry,
                    annotations: manifest.annotations,
                    content: std::iter::once(*config).chain(layers).collect(),
                    origin: self.origin.to_owned(),
                    attestations: Vec::new(),
                });
                Ok(())
            }
        }
    }

    fn add_entries(&mut self, entries: &[Descriptor], json: &Value, depth: usize) -> Result<()> {
        let listed = json.as_array().map(Vec::as_slice).unwrap_or_default();
        // Entries that are no descriptors were skipped.
        let written = |entry: &Descriptor| {
            let is_it = |json: &&Value| {
                json["digest"].as_str() == Some(entry.digest().as_ref())
                    && json["platform"]["architecture"].as_str().map(str::to_owned)
                        == entry.platform().as_ref().map(|platform| platform.architecture().to_string())
            };
            listed.iter().find(is_it).cloned().unwrap_or_else(|| json!(entry))
        };
        for entry in entries.iter().filter(|entry| is_document(entry.media_type())) {
            if !is_for_none(entry) && attested_digest(entry).is_none() {
                let written = entry.platform().is_some().then(|| written(entry));
                self.add(entry, None, written.as_ref(), depth + 1)?;
            }
        }
        for entry in entries {
            let attested = attested_digest(entry).unwrap_or_default();
            if let Some(part) = self.parts.iter_mut().find(|part| part.descriptor.digest().as_ref() == attested) {
                part.attestations.push((entry.clone(), written(entry)));
            }
        }
        Ok(())
    }

    /// Returns the platform that is named, which the config must not contradict; else that of the config.
    fn platform(&self, image: &Descriptor, named: Option<Platform>, config: &Descriptor) -> Result<Platform> {
        let json: Value = serde_json::from_slice(&read(self.source, config)?).into_diagnostic()?;
        let text = |key: &str| json[key].as_str().filter(|text| !text.is_empty()).map(str::to_owned);
        let own = text("os").zip(text("architecture"));
        let own = own.map(|(os, architecture)| Platform { os, architecture, variant: text("variant") });
        match (named, own) {
            (Some(named), Some(own)) if !named.agrees_with(&own) => Err(miette!(
                help = "build it again: an engine would take it for a machine that cannot run it",
                "{} is for {own}, but is listed for {named}",
                image.digest()
            )),
            (Some(named), _) => Ok(named),
            (None, Some(own)) => Ok(own),
            (None, None) => Err(miette!(
                help = "set it where the image is built, or leave the image out",
                "the config {} names no platform",
                config.digest()
            )),
        }
    }
}
