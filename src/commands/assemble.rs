//! Plan, base and binaries → the image for each platform → the index in a layout.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::thread::ScopedJoinHandle;

use miette::{Context, Report, miette};
use oci_spec::image::{ANNOTATION_BASE_IMAGE_DIGEST, ANNOTATION_BASE_IMAGE_NAME, Descriptor};

use super::assets::Assets;
use super::layers::Layers;
use crate::base::{Base, BaseImage};
use crate::compile::{Binary, Compiled};
use crate::config::Labels;
use crate::error::{Result, on_path};
use crate::event::transfer::Activity;
use crate::event::{BuiltBase, BuiltImage, BuiltManifest, Event, Listener};
use crate::image::config::{History, Settings, UnknownVariable, assemble};
use crate::image::layer::{Content, Entry, Layer, with_parents};
use crate::image::manifest;
use crate::plan::ImagePlan;
use crate::reference::BaseReference;
use crate::store::layout::Place;
use crate::store::{Cache, Counted, LayoutWriter, Sink, Source, copy};

/// What one image is assembled from.
pub struct Work<'a> {
    /// What is wanted.
    pub plan: &'a ImagePlan,
    /// What is below.
    pub base: &'a Base,
    /// Where the base's layers are.
    pub source: &'a dyn Source,
    /// Whether the base's layers are written too; else only those stay that are there already.
    pub complete: bool,
    /// What is kept of the runs before.
    pub cache: &'a Arc<Cache>,
    /// What is put beside the binaries.
    pub assets: &'a Assets<'a>,
    /// What cargo built.
    pub compiled: &'a Compiled,
}

impl Work<'_> {
    /// Writes everything but the layout's index, which [`LayoutWriter::commit`] then does.
    ///
    /// # Errors
    /// Of reading the base and the binaries, and of writing the layout.
    pub fn assemble(&self, layout: &Path, listener: Listener) -> Result<(LayoutWriter, BuiltImage)> {
        let writer = LayoutWriter::begin(layout, &self.plan.local_names()[0], Place::Own, listener)?;
        let writer = writer.remembered_by(self.cache);
        let layers = Layers {
            writer: &writer,
            cache: self.cache,
            packing: self.plan.packing,
            time: self.plan.mtime(),
            listener,
        };
        let base_layers: Vec<_> = self.base.images.iter().flat_map(|image| image.layers.clone()).collect();
        // Layers do not depend on each other: they are compressed side by side.
        let (copied, assets, binaries) = std::thread::scope(|scope| {
            let assets = scope.spawn(|| self.assets.layers(&layers, &self.compiled.out_dirs, listener));
            let images = self.base.images.iter();
            let binaries: Vec<_> = images.map(|image| scope.spawn(|| self.binaries_layer(&layers, image))).collect();
            let copied = match self.complete || !matches!(self.plan.base, BaseReference::Registry(_)) {
                true => {
                    let source = Counted { source: self.source, activity: Activity::Copying, listener };
                    copy(&source, &writer, &base_layers)
                }
                // What is there is kept: asking does that.
                false => base_layers.iter().try_for_each(|layer| writer.exists(layer).map(drop)),
            };
            (copied, joined(assets), binaries.into_iter().map(joined).collect::<Result<Vec<_>>>())
        });
        copied?;
        let (mut assets, binaries) = (assets?.into_iter(), binaries?);

        let mut manifests = Vec::new();
        for (below, binaries) in self.base.images.iter().zip(binaries) {
            manifests.push(self.image(&writer, below, assets.next(), binaries, listener)?);
        }

        let root = self.root(&writer, &manifests)?;
        for tag in &self.plan.tags {
            writer.tag(&root, tag)?;
        }
        let digest = root.digest().clone();
        let image = BuiltImage {
            name: self.plan.name.clone(),
            local_names: self.plan.local_names(),
            reference: format!("oci:{}@{digest}", shown(layout)),
            digest,
            size: size(&root, &manifests),
            tags: self.plan.tags.clone(),
            layout: layout.to_owned(),
            base: BuiltBase {
                name: self.plan.base.to_string(),
                digest: self.base.root.as_ref().map(|root| root.digest().clone()),
            },
            manifests,
            root,
        };
        Ok((writer, image))
    }

    /// What the image is called by: its index, or the one manifest where no index is wanted.
    fn root(&self, writer: &LayoutWriter, manifests: &[BuiltManifest]) -> Result<Descriptor> {
        if let (true, [manifest]) = (self.plan.no_index, manifests) {
            return Ok(manifest.descriptor.clone());
        }
        let entries = manifests.iter().map(|image| (image.platform.clone(), image.descriptor.clone()));
        let index = manifest::index(&entries.collect::<Vec<_>>(), &self.annotations());
        writer.put(&index)?;
        Ok(index.descriptor)
    }

    /// Config and manifest for one platform.
    fn image(
        &self,
        writer: &LayoutWriter,
        below: &BaseImage,
        assets: Option<Layer>,
        binaries: Layer,
        listener: Listener,
    ) -> Result<BuiltManifest> {
        let (mut layers, mut histories) = (below.layers.clone(), Vec::new());
        let bins = self.plan.bins.iter().map(|bin| self.plan.bin_dir.join(bin)).collect();
        let assets = assets.map(|layer| (layer, "assets", self.plan.asset_places()));
        for (layer, what, files) in assets.into_iter().chain([(binaries, "binaries", bins)]) {
            let (image, platform) = (self.plan.name.clone(), below.platform.clone());
            listener(Event::Layered { image, platform, files, bytes: layer.descriptor.size() });
            histories.push(History { diff_id: layer.diff_id, created_by: format!("cargo oci build ({what})") });
            layers.push(layer.descriptor);
        }
        let settings = settings(self.plan, self.base);
        let config = assemble(&below.config, &below.platform, &settings, &histories)
            .map_err(|error| unknown_variable(self.plan, &error))?;
        let config = manifest::config(config);
        let manifest = manifest::image(&config.descriptor, &layers, &self.annotations());
        for document in [&config, &manifest] {
            writer.put(document)?;
        }
        Ok(BuiltManifest {
            platform: below.platform.clone(),
            digest: manifest.descriptor.digest().clone(),
            size: manifest.descriptor.size(),
            config: config.descriptor,
            layers,
            below: below.layers.len(),
            descriptor: manifest.descriptor,
        })
    }

    fn binaries_layer(&self, layers: &Layers, below: &BaseImage) -> Result<Layer> {
        let mut entries = Vec::new();
        for name in &self.plan.bins {
            let binary = binary(&self.compiled.binaries, self.plan, name, below)?;
            // A program that was named may be behind a link.
            let source = binary.path.canonicalize().map_err(|error| on_path("read", &binary.path, error))?;
            let path = self.plan.bin_dir.join(name);
            entries.push(Entry::file(path.trim_start_matches('/'), 0o755, Content::Path(source)));
        }
        let entries = with_parents(entries, self.base.root.is_none());
        let name = format!("{} {}", self.plan.name, below.platform);
        layers.layer(&entries, &name).wrap_err("cannot make the layer of the binaries")
    }

    fn annotations(&self) -> BTreeMap<String, String> {
        let annotations = with_base(self.plan, self.base, &self.plan.annotations);
        annotations.into_iter().filter_map(|(key, value)| Some((key, value?))).collect()
    }
}

/// What was built for an image's program `name`, to go over `below`.
///
/// # Errors
/// When nothing was.
pub fn binary<'a>(all: &'a [Binary], plan: &ImagePlan, name: &str, below: &BaseImage) -> Result<&'a Binary> {
    let is_it = |binary: &&Binary| {
        (&binary.package, binary.run, binary.target) == (&plan.package, plan.run, below.target) && binary.name == name
    };
    all.iter().find(is_it).ok_or_else(|| miette!("cargo built no `{name}` for {}", below.target.triple))
}

fn joined<T>(thread: ScopedJoinHandle<Result<T>>) -> Result<T> {
    thread.join().unwrap_or_else(|_| Err(miette!("a thread panicked")))
}

/// All that `root` names and itself, each content once, in bytes.
fn size(root: &Descriptor, manifests: &[BuiltManifest]) -> u64 {
    let parts = manifests.iter().flat_map(|image| image.layers.iter().chain([&image.config, &image.descriptor]));
    let sizes: BTreeMap<_, _> = parts.chain([root]).map(|part| (part.digest().as_ref(), part.size())).collect();
    sizes.values().sum()
}

/// What the plan sets in the configs of an image.
fn settings(plan: &ImagePlan, base: &Base) -> Settings {
    Settings {
        entrypoint: plan.entrypoint.clone(),
        cmd: plan.cmd.clone(),
        env: plan.env.clone(),
        path: plan.bin_dir.as_str().to_owned(),
        user: plan.user.clone(),
        workdir: plan.workdir.clone(),
        expose: plan.expose.iter().map(ToString::to_string).collect(),
        volumes: plan.volumes.iter().map(ToString::to_string).collect(),
        stop_signal: plan.stop_signal.as_ref().map(ToString::to_string),
        labels: with_base(plan, base, &plan.labels),
        created: plan.created.to_string(),
    }
}

/// A config that cannot be made is told before minutes of compiling, not after.
///
/// # Errors
/// Settings that do not fit the base.
pub fn check(plan: &ImagePlan, base: &Base) -> Result<()> {
    if plan.no_index && base.images.len() != 1 {
        return Err(miette!(
            help = "choose one with `--platform`, or leave `--no-index` out",
            "{} is built for {} platforms, which only an index can hold together",
            plan.name,
            base.images.len()
        ));
    }
    let settings = settings(plan, base);
    for below in &base.images {
        assemble(&below.config, &below.platform, &settings, &[]).map_err(|error| unknown_variable(plan, &error))?;
    }
    Ok(())
}

/// Adds what the image is based on, where that can be found again by others (image-spec, `annotations.md`).
fn with_base(plan: &ImagePlan, base: &Base, values: &Labels) -> Labels {
    let mut values = values.clone();
    if let (BaseReference::Registry(reference), Some(root)) = (&plan.base, &base.root) {
        let facts = [
            (ANNOTATION_BASE_IMAGE_NAME, reference.to_string()),
            (ANNOTATION_BASE_IMAGE_DIGEST, root.digest().to_string()),
        ];
        for (key, value) in facts {
            values.entry(key.to_owned()).or_insert(Some(value));
        }
    }
    values
}

fn unknown_variable(plan: &ImagePlan, error: &UnknownVariable) -> Report {
    miette!(
        help = "write `$$` for a dollar sign, and set the variable before it is used",
        "the image {} has {error}",
        plan.name
    )
}

/// The path as the user would type it: from the current folder where it is below that.
fn shown(path: &Path) -> String {
    let current = std::env::current_dir().unwrap_or_default();
    let path = path.strip_prefix(current).unwrap_or(path);
    path.display().to_string().replace('\\', "/")
}
