//! Plan, base and binaries → the image for each platform → the index in a layout.

use std::collections::BTreeMap;
use std::path::Path;

use miette::Context;
use oci_spec::image::Descriptor;

use super::base::PreparedBase;
use super::files::{self, AssetLayers};
use super::layers::Layers;
use super::settings::{settings, unknown_variable, with_base};
use crate::base::{Base, BaseImage};
use crate::compile::{Binary, OutDir};
use crate::environment::Environment;
use crate::error::{Result, cannot_read};
use crate::event::counter::Activity;
use crate::event::{BuiltBase, BuiltImage, BuiltManifest, Event};
use crate::image::attestation::IndexAttestation;
use crate::image::config::{History, assemble};
use crate::image::layer::{EntryKind, FileContent, Layer, LayerEntry, with_parents};
use crate::image::manifest::{self, index_entry, index_of_entries};
use crate::plan::ImagePlan;
use crate::platform::Target;
use crate::reference::BaseReference;
use crate::store::{ProgressSource, Sink, Source, copy};

/// Makes the attestations of each image, which go into the index.
pub(crate) type AttestImages<'a> = &'a dyn Fn(&[BuiltManifest]) -> Result<Vec<Option<IndexAttestation>>>;

/// Writes an image to its layout.
pub(crate) struct ImageBuilder<'a> {
    /// The plan of the image.
    pub plan: &'a ImagePlan,
    /// The variables of the run.
    pub environment: &'a Environment,
    /// Makes its layers, and has its layout.
    pub layers: Layers<'a>,
}

impl ImageBuilder<'_> {
    /// Writes the layers of the base, whose content is in `source`. If the layout need not be `complete`, layers of a registry
    /// are not copied, but kept if the layout has them.
    ///
    /// # Errors
    /// Returns an error if the base cannot be read, or the layout cannot be written.
    pub(crate) fn base(&self, base: &Base, source: &dyn Source, complete: bool) -> Result<()> {
        let layers: Vec<_> = base.images.iter().flat_map(|image| image.layers.clone()).collect();
        if complete || !matches!(self.plan.base, BaseReference::Registry(_)) {
            let source = ProgressSource { source, activity: Activity::Copying, listener: self.layers.listener };
            return copy(&source, &self.layers.writer, &layers);
        }
        // `exists` keeps the blob if the layout has it.
        layers.iter().try_for_each(|layer| self.layers.writer.exists(layer).map(drop))
    }

    /// Writes the layer of the binaries for one target.
    ///
    /// # Errors
    /// Returns an error if the binaries cannot be read, or the layout cannot be written.
    pub(crate) fn binaries(&self, target: Target, binaries: &[Binary]) -> Result<Layer> {
        let mut entries = Vec::new();
        for binary in binaries {
            // A prebuilt program may be a link.
            let source = binary.path.canonicalize().map_err(|error| cannot_read(&binary.path, error))?;
            let path = self.plan.bin_dir.join(&binary.name);
            entries.push(LayerEntry::file(path.trim_start_matches('/'), 0o755, FileContent::Path(source)));
        }
        let mut entries = with_parents(entries, self.plan.base == BaseReference::Scratch);
        // The entry of a folder would replace the owner that it has in the layers below.
        let is_named = |entry: &LayerEntry| files::names_folder(self.plan, &entry.path);
        entries.retain(|entry| !matches!(entry.kind, EntryKind::Directory) || !is_named(entry));
        let name = format!("{} {}", self.plan.name, target.platform());
        self.layers.layer(&entries, &name).wrap_err("cannot make the layer of the binaries")
    }

    /// Writes everything else except the layout's index, which is written when the layout is
    /// [committed](crate::store::LayoutWriter::commit). `binaries` are the layers for the platforms of the base.
    ///
    /// # Errors
    /// Returns an error if the assets cannot be read, or the layout cannot be written.
    pub(crate) fn finish(
        &self,
        prepared: &PreparedBase,
        out_dirs: &[OutDir],
        binaries: Vec<Layer>,
        attest: AttestImages,
    ) -> Result<BuiltImage> {
        let PreparedBase { base, facts } = prepared;
        let writer = &self.layers.writer;
        let assets = AssetLayers { plan: self.plan, base, facts, environment: self.environment };
        let mut assets = assets.layers(&self.layers, out_dirs)?.into_iter();
        let mut manifests = Vec::new();
        for (below, binaries) in base.images.iter().zip(binaries) {
            manifests.push(self.image(base, below, assets.next().flatten(), binaries)?);
        }

        let attestations = attest(&manifests)?;
        for (manifest, attestation) in manifests.iter_mut().zip(&attestations) {
            let Some(attestation) = attestation else { continue };
            attestation.documents.iter().try_for_each(|document| writer.add_document(document))?;
            manifest.attestation = Some(attestation.descriptor.clone());
        }
        let attestations: Vec<_> = attestations.into_iter().flatten().collect();
        let root = self.root(base, &manifests, &attestations)?;
        for tag in &self.plan.tags {
            writer.tag(&root, tag)?;
        }
        let layout = &self.plan.layout;
        let digest = root.digest().clone();
        Ok(BuiltImage {
            name: self.plan.name.clone(),
            local_names: self.plan.local_names(),
            reference: format!("oci:{}@{digest}", shown(layout)),
            digest,
            size: size(&root, &manifests, &attestations),
            tags: self.plan.tags.clone(),
            repositories: Vec::new(),
            layout: layout.clone(),
            base: BuiltBase {
                name: self.plan.base.to_string(),
                digest: base.root.as_ref().map(|root| root.digest().clone()),
            },
            manifests,
            attached: Vec::new(),
            root,
        })
    }

    /// Writes the index, unless the plan wants none. Returns the root of the image.
    fn root(&self, base: &Base, manifests: &[BuiltManifest], attestations: &[IndexAttestation]) -> Result<Descriptor> {
        if let (true, [manifest]) = (self.plan.no_index, manifests) {
            return Ok(manifest.descriptor.clone());
        }
        let images = manifests.iter().map(|image| {
            let platform = image.platform.clone();
            (platform.clone(), index_entry(&platform, &image.descriptor))
        });
        let attestations = attestations.iter().map(|attestation| attestation.entry.clone());
        let index = index_of_entries(images.chain(attestations).collect(), &self.annotations(base));
        self.layers.writer.add_document(&index)?;
        Ok(index.descriptor)
    }

    /// Writes config and manifest for one platform.
    fn image(&self, base: &Base, below: &BaseImage, assets: Option<Layer>, binaries: Layer) -> Result<BuiltManifest> {
        let (mut layers, mut histories) = (below.layers.clone(), Vec::new());
        let bins = self.plan.bins.iter().map(|bin| self.plan.bin_dir.join(bin)).collect();
        let assets = assets.map(|layer| (layer, "assets", self.plan.asset_places()));
        for (layer, what, files) in assets.into_iter().chain([(binaries, "binaries", bins)]) {
            let (image, platform) = (self.plan.name.clone(), below.platform.clone());
            (self.layers.listener)(Event::Layered { image, platform, files, bytes: layer.descriptor.size() });
            histories.push(History { diff_id: layer.diff_id, created_by: format!("cargo oci build ({what})") });
            layers.push(layer.descriptor);
        }
        let settings = settings(self.plan, base);
        let config = assemble(&below.config, &below.platform, &settings, &histories)
            .map_err(|error| unknown_variable(self.plan, &error))?;
        let config = manifest::config(config);
        let manifest = manifest::image(&config.descriptor, &layers, &self.annotations(base));
        for document in [&config, &manifest] {
            self.layers.writer.add_document(document)?;
        }
        Ok(BuiltManifest {
            platform: below.platform.clone(),
            digest: manifest.descriptor.digest().clone(),
            size: manifest.descriptor.size(),
            attestation: None,
            config: config.descriptor,
            layers,
            below: below.layers.len(),
            descriptor: manifest.descriptor,
        })
    }

    fn annotations(&self, base: &Base) -> BTreeMap<String, String> {
        let annotations = with_base(self.plan, base, &self.plan.annotations);
        annotations.into_iter().filter_map(|(key, value)| Some((key, value?))).collect()
    }
}

/// Returns the size of `root` and all that it refers to in bytes, each blob once.
fn size(root: &Descriptor, manifests: &[BuiltManifest], attestations: &[IndexAttestation]) -> u64 {
    let parts = manifests.iter().flat_map(|image| image.layers.iter().chain([&image.config, &image.descriptor]));
    let attested = attestations.iter().flat_map(|attestation| &attestation.documents);
    let attested = attested.map(|document| &document.descriptor);
    let sizes: BTreeMap<_, _> =
        parts.chain(attested).chain([root]).map(|part| (part.digest().as_ref(), part.size())).collect();
    sizes.values().sum()
}

/// Returns the path relative to the current folder if it is below it.
fn shown(path: &Path) -> String {
    let current = std::env::current_dir().unwrap_or_default();
    let path = path.strip_prefix(current).unwrap_or(path);
    path.display().to_string().replace('\\', "/")
}
