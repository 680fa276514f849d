//! A root in a source → an image, with all that its small documents say.

use std::collections::{HashMap, HashSet};

use miette::{Context, IntoDiagnostic, miette};
use serde_json::Value;

use super::attached::{Attached, Referrers, attests};
use super::config::{Config, Step, diff_ids, steps, text};
use super::{BaseName, Blob, Image, ImageManifest, Layer, annotations};
use crate::error::Result;
use crate::image::manifest::{Annotations, Manifest, ManifestContent, is_for_none, platform_of};
use crate::image::media_type::{as_oci, is_document};
use crate::image::{Descriptor, Digest, MediaType};
use crate::parallel::{MANY, each};
use crate::platform::Platform;
use crate::store::graph::{GraphError, GraphWalk, NodeContent};
use crate::store::{Missing, Source, read};

/// Reads images.
pub struct Reader<'a> {
    /// Where they are.
    pub source: &'a dyn Source,
    /// What is attached to what there.
    pub referrers: Referrers<'a>,
    /// The one platform that is wanted.
    pub only: Option<&'a Platform>,
}

/// Images in one index: no real one has more.
const MOST_IMAGES: usize = 1_000;

impl Reader<'_> {
    /// The image that `root` describes, and the platforms that it is for, also those that are not wanted.
    ///
    /// # Errors
    /// Content that is not there, is no image, or is not what its digest says.
    pub fn image(&self, root: &Descriptor, tags: Vec<String>) -> Result<(Image, Vec<Platform>)> {
        let Manifest { content, annotations, .. } = self.document(root)?;
        let (entries, of_index) = match content {
            // One is asked for before many are: the answer may be that there is no use in asking.
            ManifestContent::Index(entries) => {
                (self.flat(entries)?, Attached::of(self.source, self.referrers, root.digest())?)
            }
            ManifestContent::Image { .. } => (vec![root.clone()], Vec::new()),
        };
        let attests_something = |entry: &Descriptor| is_for_none(entry) || attests(entry).is_some();
        let (attestations, entries): (Vec<_>, Vec<_>) = entries.into_iter().partition(attests_something);

        let is_wanted = |platform: Option<&Platform>| self.only.is_none_or(|only| platform == Some(only));
        let may_be = |entry: &&Descriptor| platform_of(entry).is_none_or(|platform| is_wanted(Some(&platform)));
        let mut platforms: Vec<_> = entries.iter().filter_map(platform_of).collect();
        let entries: Vec<_> = entries.iter().filter(may_be).collect();
        let mut manifests = each(&entries, MANY, |entry| self.manifest(entry))?;
        let told = |manifest: &ImageManifest| manifest.platform.clone().filter(|own| !platforms.contains(own));
        let untold: Vec<_> = manifests.iter().filter_map(told).collect();
        platforms.extend(untold);
        manifests.retain(|manifest| is_wanted(manifest.platform.as_ref()));

        let mut image = Image {
            tags,
            digest: root.digest().clone(),
            media_type: root.media_type().clone(),
            size: size(root, &manifests),
            annotations,
            manifests,
            attached: of_index,
        };
        for manifest in &mut image.manifests {
            manifest.base = base(manifest, &image.annotations);
        }
        self.attest(&mut image, &attestations)?;
        Ok((image, platforms))
    }

    /// The images of an index and of the indexes in it.
    fn flat(&self, entries: Vec<Descriptor>) -> Result<Vec<Descriptor>> {
        let is_index = |entry: &Descriptor| as_oci(entry.media_type()) == MediaType::ImageIndex;
        let (mut found, mut seen) = (Vec::new(), HashSet::new());
        for node in GraphWalk::new(self.source, &entries).descend_into(is_index) {
            let entry = node.descriptor;
            if !seen.insert((entry.digest().clone(), platform_of(&entry).map(|platform| platform.to_string()))) {
                continue;
            }
            if seen.len() > MOST_IMAGES {
                return Err(miette!("it has more than {MOST_IMAGES} images"));
            }
            match node.content {
                NodeContent::Leaf if is_document(entry.media_type()) => found.push(entry),
                // Other content may be listed next to images.
                NodeContent::Leaf | NodeContent::Document(_) => {}
                NodeContent::Unusable(GraphError::Read(error)) if error.downcast_ref::<Missing>().is_some() => {
                    found.push(entry);
                }
                NodeContent::Unusable(error) => return Err(error.in_document(&entry, self.source)),
            }
        }
        Ok(found)
    }

    fn document(&self, descriptor: &Descriptor) -> Result<Manifest> {
        let bytes = read(self.source, descriptor)?;
        Manifest::parse(descriptor.media_type(), &bytes)
            .into_diagnostic()
            .wrap_err_with(|| format!("{} is not an image", descriptor.digest()))
    }

    fn manifest(&self, descriptor: &Descriptor) -> Result<ImageManifest> {
        let mut manifest = ImageManifest {
            platform: platform_of(descriptor),
            blob: Blob::new(descriptor),
            missing: false,
            artifact_type: None,
            annotations: Annotations::new(),
            base: None,
            config: None,
            layers_size: 0,
            layers: Vec::new(),
            attached: Vec::new(),
        };
        let (config, layers, artifact_type, annotations) = match self.document(descriptor) {
            Ok(Manifest { content: ManifestContent::Image { config, layers }, artifact_type, annotations, .. }) => {
                (config, layers, artifact_type, annotations)
            }
            Err(error) if error.downcast_ref::<Missing>().is_none() => return Err(error),
            _ => {
                manifest.missing = true;
                return Ok(manifest);
            }
        };
        let content = self.content(&config)?;
        manifest.platform = platform(manifest.platform, &content);
        manifest.artifact_type = artifact_type;
        if manifest.artifact_type.is_none() && as_oci(config.media_type()) != MediaType::ImageConfig {
            manifest.artifact_type = Some(config.media_type().to_string());
        }
        manifest.annotations = annotations;
        manifest.config = Some(Config::new(&config, &content));
        manifest.layers_size = layers.iter().map(Descriptor::size).fold(0, u64::saturating_add);
        let told = diff_ids(&content, layers.len()).into_iter().zip(steps(&content, layers.len()));
        manifest.layers =
            layers.iter().zip(told).map(|(layer, (diff_id, step))| Layer::new(layer, diff_id, step)).collect();
        manifest.attached = Attached::of(self.source, self.referrers, descriptor.digest())?;
        Ok(manifest)
    }

    /// The config of an image; nothing of an artifact's, which may be anything.
    fn content(&self, config: &Descriptor) -> Result<Value> {
        match as_oci(config.media_type()) {
            MediaType::ImageConfig => serde_json::from_slice(&read(self.source, config)?)
                .into_diagnostic()
                .wrap_err_with(|| format!("{} is not an image config", config.digest())),
            _ => Ok(Value::Null),
        }
    }

    /// Puts what is attested beside that of which it is; the rest belongs to the index.
    fn attest(&self, image: &mut Image, attestations: &[Descriptor]) -> Result<()> {
        let of = |entry: &Descriptor| {
            let of = attests(entry);
            image.manifests.iter().position(|manifest| of == Some(manifest.blob.digest.as_ref()))
        };
        let wanted: Vec<_> = attestations
            .iter()
            .map(|entry| (of(entry), entry))
            .filter(|(of, _)| of.is_some() || self.only.is_none())
            .collect();
        for (of, attached) in each(&wanted, MANY, |(of, entry)| Ok((*of, Attached::read(self.source, entry)?)))? {
            match of.and_then(|of| image.manifests.get_mut(of)) {
                Some(manifest) => manifest.attached.push(attached),
                None => image.attached.push(attached),
            }
        }
        Ok(())
    }
}

impl Layer {
    fn new(descriptor: &Descriptor, diff_id: Option<String>, step: Step) -> Layer {
        Layer {
            blob: Blob::new(descriptor),
            diff_id,
            created_by: step.created_by,
            comment: step.comment,
            annotations: annotations(descriptor),
        }
    }
}

/// What the index says that an image is for, or else its config, which may know the variant better.
fn platform(listed: Option<Platform>, config: &Value) -> Option<Platform> {
    let own = || {
        let (os, architecture) = (text(&config["os"])?, text(&config["architecture"])?);
        Some(Platform { os, architecture, variant: text(&config["variant"]) })
    };
    match listed {
        Some(listed) if listed.variant.is_none() => Some(Platform { variant: text(&config["variant"]), ..listed }),
        Some(listed) => Some(listed),
        None => own(),
    }
}

/// What an image calls its base: each of the two by the first that says it.
fn base(manifest: &ImageManifest, index: &Annotations) -> Option<BaseName> {
    let labels = manifest.config.as_ref().map(|config| &config.run.labels);
    let says = |key: &str| {
        let places = [Some(&manifest.annotations), Some(index), labels];
        let key = format!("org.opencontainers.image.base.{key}");
        places.into_iter().flatten().find_map(|place| place.get(&key).cloned())
    };
    let base = BaseName { name: says("name"), digest: says("digest") };
    (base.name.is_some() || base.digest.is_some()).then_some(base)
}

/// All of an image, each part once.
fn size(root: &Descriptor, manifests: &[ImageManifest]) -> u64 {
    let mut sizes: HashMap<&Digest, u64> = HashMap::from([(root.digest(), root.size())]);
    for manifest in manifests.iter().filter(|manifest| !manifest.missing) {
        sizes.insert(&manifest.blob.digest, manifest.blob.size);
        sizes.extend(manifest.config.iter().map(|config| (&config.blob.digest, config.blob.size)));
        sizes.extend(manifest.layers.iter().map(|layer| (&layer.blob.digest, layer.blob.size)));
    }
    sizes.into_values().fold(0, u64::saturating_add)
}
