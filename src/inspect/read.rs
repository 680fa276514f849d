//! The descriptor of an image → its [`ImageInfo`], from its manifests and configs.

use std::collections::{HashMap, HashSet};

use miette::{Context, IntoDiagnostic, miette};
use serde_json::Value;

use super::attachments::AttachmentReader;
use super::blob::BlobInfo;
use super::config::{ConfigInfo, diff_ids, history_steps, text};
use super::image::{BaseName, ImageInfo, LayerInfo, ManifestInfo};
use super::referrers::AttachedManifest;
use crate::error::Result;
use crate::image::attestation::attested_digest;
use crate::image::exact_number;
use crate::image::manifest::{Annotations, Manifest, ManifestContent, is_for_none, platform_of};
use crate::image::media_type::{as_oci, is_document};
use crate::image::{Descriptor, Digest, MediaType};
use crate::parallel::{MANY, each};
use crate::platform::Platform;
use crate::store::graph::{GraphError, GraphWalk, NodeContent};
use crate::store::{Missing, Source, read};

/// Reads images.
pub(crate) struct ImageReader<'a> {
    /// Where the images are.
    pub source: &'a dyn Source,
    /// Reads what is attached in the source.
    pub attachments: &'a AttachmentReader<'a>,
    /// The platform to read, or `None` for all.
    pub only: Option<&'a Platform>,
}

/// The most entries of an index and the indexes in it.
const MOST_IMAGES: usize = 1_000;

impl ImageReader<'_> {
    /// Reads the image of `root`. Returns all its platforms too, including those that are not selected.
    ///
    /// # Errors
    /// Returns an error if content is missing, is not an image, or does not match its digest.
    pub(crate) fn image(&self, root: &Descriptor, tags: Vec<String>) -> Result<(ImageInfo, Vec<Platform>)> {
        let Manifest { content, annotations, .. } = self.document(root)?;
        let (entries, of_index) = match content {
            // Requests the referrers of the index first: a registry that fails here is not asked for all the others.
            ManifestContent::Index(entries) => {
                let of_index = self.attachments.attached_to(std::slice::from_ref(root.digest()))?;
                (self.flatten(&entries)?, of_index.into_iter().flatten().collect())
            }
            ManifestContent::Image { .. } => (vec![root.clone()], Vec::new()),
        };
        let (attestations, entries): (Vec<_>, Vec<_>) =
            entries.into_iter().partition(|entry| is_for_none(entry) || attested_digest(entry).is_some());

        let mut platforms: Vec<_> = entries.iter().filter_map(platform_of).collect();
        // The config tells the platform of entries without one.
        let entries = entries.iter().filter(|entry| platform_of(entry).is_none_or(|own| self.is_selected(Some(&own))));
        let mut manifests = each(&entries.collect::<Vec<_>>(), MANY, |entry| self.manifest(entry))?;
        let of_configs = manifests.iter().filter_map(|manifest| manifest.platform.clone());
        let of_configs: Vec<_> = of_configs.filter(|own| !platforms.contains(own)).collect();
        platforms.extend(of_configs);
        manifests.retain(|manifest| self.is_selected(manifest.platform.as_ref()));
        self.add_attached(&mut manifests)?;

        let mut image = ImageInfo {
            tags,
            digest: root.digest().clone(),
            media_type: root.media_type().clone(),
            size: total_size(root, &manifests),
            annotations,
            manifests,
            attached: of_index,
        };
        for manifest in &mut image.manifests {
            manifest.base = base(manifest, &image.annotations);
        }
        self.add_attestations(&mut image, &attestations)?;
        Ok((image, platforms))
    }

    fn is_selected(&self, platform: Option<&Platform>) -> bool {
        self.only.is_none_or(|only| platform == Some(only))
    }

    /// Returns the manifests of an index and the indexes in it.
    fn flatten(&self, entries: &[Descriptor]) -> Result<Vec<Descriptor>> {
        let (mut found, mut seen) = (Vec::new(), HashSet::new());
        for node in GraphWalk::new(self.source, entries).descend_into(is_index) {
            let entry = node.descriptor;
            if !seen.insert((entry.digest().clone(), platform_of(&entry).map(|platform| platform.to_string()))) {
                continue;
            }
            if seen.len() > MOST_IMAGES {
                return Err(miette!("the index exceeds the limit of {MOST_IMAGES} images"));
            }
            match node.content {
                NodeContent::Leaf if is_document(entry.media_type()) => found.push(entry),
                // An index may list other content too.
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

    fn manifest(&self, descriptor: &Descriptor) -> Result<ManifestInfo> {
        let mut manifest = ManifestInfo {
            platform: platform_of(descriptor),
            blob: BlobInfo::new(descriptor),
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
        let content = self.config(&config)?;
        manifest.platform = platform(manifest.platform, &content);
        manifest.artifact_type = artifact_type;
        if manifest.artifact_type.is_none() && as_oci(config.media_type()) != MediaType::ImageConfig {
            manifest.artifact_type = Some(config.media_type().to_string());
        }
        manifest.annotations = annotations;
        manifest.config = Some(ConfigInfo::new(&config, &content));
        manifest.layers_size = layers.iter().map(Descriptor::size).fold(0, u64::saturating_add);
        let details = diff_ids(&content, layers.len()).into_iter().zip(history_steps(&content, layers.len()));
        manifest.layers =
            layers.iter().zip(details).map(|(layer, (diff_id, step))| LayerInfo::new(layer, diff_id, step)).collect();
        Ok(manifest)
    }

    /// Adds to each manifest what is attached to it.
    fn add_attached(&self, manifests: &mut [ManifestInfo]) -> Result<()> {
        let mut there: Vec<_> = manifests.iter_mut().filter(|manifest| !manifest.missing).collect();
        let digests: Vec<_> = there.iter().map(|manifest| manifest.blob.digest.clone()).collect();
        for (manifest, attached) in there.iter_mut().zip(self.attachments.attached_to(&digests)?) {
            manifest.attached = attached;
        }
        Ok(())
    }

    /// Reads the config of an image. That of an artifact may be anything: it is `Null`.
    fn config(&self, config: &Descriptor) -> Result<Value> {
        match as_oci(config.media_type()) {
            MediaType::ImageConfig => exact_number::parse(&read(self.source, config)?)
                .map(Value::Object)
                .into_diagnostic()
                .wrap_err_with(|| format!("{} is not an image config", config.digest())),
            _ => Ok(Value::Null),
        }
    }

    /// Adds each attestation to the manifest that it attests, or else to the index.
    fn add_attestations(&self, image: &mut ImageInfo, attestations: &[Descriptor]) -> Result<()> {
        let mut selected = Vec::new();
        for entry in attestations {
            let digest = attested_digest(entry);
            let at = image.manifests.iter().position(|manifest| digest == Some(manifest.blob.digest.as_ref()));
            if at.is_some() || self.only.is_none() {
                selected.push((at, entry));
            }
        }
        let found = each(&selected, MANY, |(at, entry)| Ok((*at, AttachedManifest::read(self.source, entry)?)))?;
        for (at, attached) in found {
            match at.and_then(|at| image.manifests.get_mut(at)) {
                Some(manifest) => manifest.attached.push(attached),
                None => image.attached.push(attached),
            }
        }
        Ok(())
    }
}

fn is_index(descriptor: &Descriptor) -> bool {
    as_oci(descriptor.media_type()) == MediaType::ImageIndex
}

/// Returns the platform of the index, or else of the config. The variant may be in the config only.
fn platform(listed: Option<Platform>, config: &Value) -> Option<Platform> {
    match listed {
        Some(listed) if listed.variant.is_none() => Some(Platform { variant: text(&config["variant"]), ..listed }),
        Some(listed) => Some(listed),
        None => Some(Platform {
            os: text(&config["os"])?,
            architecture: text(&config["architecture"])?,
            variant: text(&config["variant"]),
        }),
    }
}

/// Returns the base image by the annotations of the manifest, those of the index, or the labels, in this order.
fn base(manifest: &ManifestInfo, index: &Annotations) -> Option<BaseName> {
    let labels = manifest.config.as_ref().map(|config| &config.run.labels);
    let all: Vec<_> = [Some(&manifest.annotations), Some(index), labels].into_iter().flatten().collect();
    let [name, digest] = ["name", "digest"].map(|key| {
        let key = format!("org.opencontainers.image.base.{key}");
        all.iter().find_map(|annotations| annotations.get(&key).cloned())
    });
    (name.is_some() || digest.is_some()).then_some(BaseName { name, digest })
}

/// Returns the total size of an image. Shared content counts once.
fn total_size(root: &Descriptor, manifests: &[ManifestInfo]) -> u64 {
    let mut sizes: HashMap<&Digest, u64> = HashMap::from([(root.digest(), root.size())]);
    for manifest in manifests.iter().filter(|manifest| !manifest.missing) {
        sizes.insert(&manifest.blob.digest, manifest.blob.size);
        sizes.extend(manifest.config.iter().map(|config| (&config.blob.digest, config.blob.size)));
        sizes.extend(manifest.layers.iter().map(|layer| (&layer.blob.digest, layer.blob.size)));
    }
    sizes.into_values().fold(0, u64::saturating_add)
}
