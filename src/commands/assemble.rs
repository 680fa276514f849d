//! Plan, base and binaries → the image for each platform → the index in a layout.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use miette::{Context, IntoDiagnostic, Report, miette};
use oci_spec::image::{ANNOTATION_BASE_IMAGE_DIGEST, ANNOTATION_BASE_IMAGE_NAME, Descriptor};

use crate::base::{Base, BaseImage};
use crate::compile::Binary;
use crate::error::{Result, on_path};
use crate::event::transfer::{Activity, Transfer};
use crate::event::{BuiltBase, BuiltImage, BuiltManifest, Event, Listener};
use crate::image::config::{History, Settings, UnknownVariable, assemble};
use crate::image::layer::{self, Content, Entry, LEVEL, Layer, with_parents};
use crate::image::{DiffId, manifest};
use crate::plan::{BIN_DIR, ImagePlan};
use crate::reference::BaseReference;
use crate::store::layout::Place;
use crate::store::{Counted, LayoutWriter, Sink, Source, copy};

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
    /// What cargo built.
    pub binaries: &'a [Binary],
}

impl Work<'_> {
    /// Writes everything but the layout's index, which [`LayoutWriter::commit`] then does.
    ///
    /// # Errors
    /// Of reading the base and the binaries, and of writing the layout.
    pub fn assemble(&self, layout: &Path, listener: Listener) -> Result<(LayoutWriter, BuiltImage)> {
        let writer = LayoutWriter::begin(layout, &self.plan.local_names()[0], Place::Own, listener)?;
        let base_layers: Vec<_> = self.base.images.iter().flat_map(|image| image.layers.clone()).collect();
        let before = writer.layers_before();
        // Platforms do not depend on each other: their layers are compressed side by side.
        let (copied, manifests) = std::thread::scope(|scope| {
            let images = self.base.images.iter();
            let threads: Vec<_> =
                images.map(|image| scope.spawn(|| self.image(&writer, image, &before, listener))).collect();
            let copied = match self.complete || !matches!(self.plan.base, BaseReference::Registry(_)) {
                true => {
                    let source = Counted { source: self.source, activity: Activity::Copying, listener };
                    copy(&source, &writer, &base_layers)
                }
                // What is there is kept: asking does that.
                false => base_layers.iter().try_for_each(|layer| writer.exists(layer).map(drop)),
            };
            let manifests = threads.into_iter().map(|thread| match thread.join() {
                Ok(manifest) => manifest,
                Err(_) => Err(miette!("a thread panicked")),
            });
            (copied, manifests.collect::<Result<Vec<_>>>())
        });
        copied?;
        let manifests = manifests?;

        for image in &manifests {
            listener(Event::Layered {
                image: self.plan.name.clone(),
                platform: image.platform.clone(),
                files: self.plan.bins.iter().map(|bin| format!("{BIN_DIR}/{bin}")).collect(),
                bytes: image.layers.last().map_or(0, Descriptor::size),
            });
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

    /// Layer, config and manifest for one platform.
    fn image(
        &self,
        writer: &LayoutWriter,
        below: &BaseImage,
        before: &HashMap<DiffId, Descriptor>,
        listener: Listener,
    ) -> Result<BuiltManifest> {
        let layer = self.binaries_layer(writer, below, before, listener)?;
        let history = History { diff_id: layer.diff_id.clone(), created_by: "cargo oci build (binaries)".to_owned() };
        let settings = settings(self.plan, self.base);
        let config = assemble(&below.config, &below.platform, &settings, &[history]).map_err(unknown_variable)?;
        let config = manifest::config(config);
        let layers: Vec<_> = below.layers.iter().cloned().chain([layer.descriptor]).collect();
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
            descriptor: manifest.descriptor,
        })
    }

    fn binaries_layer(
        &self,
        writer: &LayoutWriter,
        below: &BaseImage,
        before: &HashMap<DiffId, Descriptor>,
        listener: Listener,
    ) -> Result<Layer> {
        let mut entries = Vec::new();
        for name in &self.plan.bins {
            let is_it = |binary: &&Binary| {
                (&binary.package, &binary.name, binary.target) == (&self.plan.package, name, below.target)
            };
            let binary = self.binaries.iter().find(is_it);
            let binary = binary.ok_or_else(|| miette!("cargo built no `{name}` for {}", below.target.triple))?;
            let path = format!("{}/{name}", BIN_DIR.trim_start_matches('/'));
            entries.push(Entry::file(&path, 0o755, Content::Path(binary.path.clone())));
        }
        let entries = with_parents(entries, self.base.root.is_none());
        // A tar that was compressed in the last run is not compressed again: hashing it tells, and is much faster.
        if !before.is_empty() {
            let read = layer::diff_id(&entries, self.plan.mtime());
            let diff_id = read.into_diagnostic().wrap_err("cannot read the binaries")?;
            if let Some(descriptor) = before.get(&diff_id)
                && writer.exists(descriptor)?
            {
                return Ok(Layer { descriptor: descriptor.clone(), diff_id });
            }
        }
        let mut blob = writer.blob()?;
        let name = format!("{} {}", self.plan.name, below.platform);
        let total = layer::tar_size(&entries).into_diagnostic().wrap_err("cannot read the binaries")?;
        let transfer = Transfer::begin(Some(listener), Activity::Layering, &name, total);
        let done = |bytes| transfer.counter().add(bytes);
        let layer = layer::write_counted(&entries, self.plan.mtime(), LEVEL, &mut blob, &done)
            .map_err(|error| on_path("write", blob.path(), error))?;
        writer.keep(&layer.descriptor, blob)?;
        Ok(layer)
    }

    fn annotations(&self) -> BTreeMap<String, String> {
        with_base(self.plan, self.base, &self.plan.annotations)
    }
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
        path: BIN_DIR.to_owned(),
        user: plan.user.clone(),
        workdir: plan.workdir.clone(),
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
        assemble(&below.config, &below.platform, &settings, &[]).map_err(unknown_variable)?;
    }
    Ok(())
}

/// Adds what the image is based on, where that can be found again by others (image-spec, `annotations.md`).
fn with_base(plan: &ImagePlan, base: &Base, values: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let mut values = values.clone();
    if let (BaseReference::Registry(reference), Some(root)) = (&plan.base, &base.root) {
        let facts = [
            (ANNOTATION_BASE_IMAGE_NAME, reference.to_string()),
            (ANNOTATION_BASE_IMAGE_DIGEST, root.digest().to_string()),
        ];
        for (key, value) in facts {
            values.entry(key.to_owned()).or_insert(value);
        }
    }
    values
}

fn unknown_variable(error: UnknownVariable) -> Report {
    miette!(help = "write `$$` for a dollar sign, and set the variable before it is used", "{error}")
}

/// The path as the user would type it: from the current folder where it is below that.
fn shown(path: &Path) -> String {
    let current = std::env::current_dir().unwrap_or_default();
    let path = path.strip_prefix(current).unwrap_or(path);
    path.display().to_string().replace('\\', "/")
}
