//! `cargo oci build`: Plan → base, binaries → layers → images → index in a layout.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use miette::{Context, IntoDiagnostic, Report, miette};
use oci_spec::image::{ANNOTATION_BASE_IMAGE_DIGEST, ANNOTATION_BASE_IMAGE_NAME, Descriptor};
use serde::Serialize;
use serde_json::json;

use crate::base::embedded::embedded;
use crate::base::{Base, BaseImage};
use crate::cli::{BuildArgs, Output, OutputKind};
use crate::compile::{self, Binary, Toolchain};
use crate::error::{Result, on_path};
use crate::event::{Event, Listener};
use crate::image::config::{History, Settings, assemble};
use crate::image::layer::{self, Content, Entry, LEVEL, Layer, with_parents};
use crate::image::{Digest, manifest};
use crate::plan::{self, BIN_DIR, Environment, ImagePlan, Plan};
use crate::platform::{Platform, TARGETS, Target};
use crate::reference::BaseReference;
use crate::registry::Registry;
use crate::store::archive::{self, DockerImage};
use crate::store::cache::Through;
use crate::store::{Archive, Cache, Layout, LayoutWriter, Memory, Sink, Source, copy};

/// An image that was built.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BuiltImage {
    /// Its local name.
    pub name: String,
    /// `oci:LAYOUT@DIGEST`: the result line.
    pub reference: String,
    /// Of the index.
    pub digest: Digest,
    /// All its blobs together, in bytes.
    pub size: u64,
    /// Its tags.
    pub tags: Vec<String>,
    /// The folder of its layout.
    pub layout: PathBuf,
    /// What is below our layers.
    pub base: BuiltBase,
    /// The image for each platform.
    pub manifests: Vec<BuiltManifest>,
}

/// The base of an image, as it was found.
#[derive(Clone, Debug, Serialize)]
pub struct BuiltBase {
    /// As the user named it.
    pub name: String,
    /// What that name stood for; nothing for `scratch`.
    pub digest: Option<Digest>,
}

/// The image for one platform.
#[derive(Clone, Debug, Serialize)]
pub struct BuiltManifest {
    /// `os/architecture[/variant]`.
    pub platform: String,
    /// Of the manifest.
    pub digest: Digest,
    /// Of the manifest, in bytes.
    pub size: u64,
    /// Of the config.
    pub config: Digest,
    /// Its layers, the lowest first.
    pub layers: Vec<Descriptor>,
    #[serde(skip)]
    descriptor: Descriptor,
}

/// Builds every image that the arguments select.
///
/// # Errors
/// The first thing that goes wrong; then every layout is as it was before.
pub fn build(args: &BuildArgs, listener: Listener) -> Result<Vec<BuiltImage>> {
    let environment = Environment::of_this_process();
    // Which toolchain it is does not depend on the plan: it is asked while the plan is made.
    let (plan, toolchain) = std::thread::scope(|scope| {
        let toolchain = scope.spawn(|| Toolchain::find(&environment));
        (plan::make(args, &environment), toolchain.join().unwrap_or_else(|_| Err(miette!("a thread panicked"))))
    });
    let (plan, toolchain) = (plan?, toolchain?);
    let mut bases = Bases::new(&plan.cache);
    let below: Vec<_> = plan.images.iter().map(|image| bases.read(image, listener)).collect::<Result<_>>()?;
    for (image, base) in plan.images.iter().zip(&below) {
        check_settings(image, base)?;
    }
    let wanted = |target: &Target| below.iter().any(|base| base.images.iter().any(|image| image.target == *target));
    let targets: Vec<_> = TARGETS.into_iter().filter(wanted).collect();
    let binaries = compile::run(&plan.compile, &toolchain, &targets, listener)?;

    let mut prepared = Vec::new();
    for (image, base) in plan.images.iter().zip(&below) {
        let work = Work { plan: image, base, source: bases.source(&image.base)?, binaries: &binaries };
        prepared.push(work.assemble(&image.layout, listener)?);
    }
    // Nothing is replaced before everything is there.
    let mut built = Vec::new();
    for (writer, image) in prepared {
        let layout = writer.commit()?;
        let platforms = image.manifests.iter().map(|manifest| manifest.platform.clone()).collect();
        listener(Event::Finished { image: image.name.clone(), platforms, bytes: image.size });
        write_outputs(&plan, &layout, &image, listener)?;
        built.push(image);
    }
    if let Some(path) = &plan.metadata_file {
        write_metadata(path, &built)?;
    }
    Ok(built)
}

/// The bases of one run, each opened and resolved once.
struct Bases {
    cache: Cache,
    opened: HashMap<BaseReference, (BaseSource, Option<Descriptor>)>,
}

/// Where a base's content is.
enum BaseSource {
    Pulled(Through<'static>),
    Local(Box<dyn Source>),
}

impl BaseSource {
    fn source(&self) -> &dyn Source {
        match self {
            BaseSource::Pulled(through) => through,
            BaseSource::Local(source) => source.as_ref(),
        }
    }
}

impl Bases {
    fn new(cache: &Path) -> Bases {
        Bases { cache: Cache::new(cache.to_owned()), opened: HashMap::new() }
    }

    fn source(&self, reference: &BaseReference) -> Result<&dyn Source> {
        let opened = self.opened.get(reference).ok_or_else(|| miette!("the base {reference} was not opened"))?;
        Ok(opened.0.source())
    }

    /// The base of an image, all its content at hand.
    fn read(&mut self, image: &ImagePlan, listener: Listener) -> Result<Base> {
        let what = || format!("cannot use the base {}", image.base);
        if !self.opened.contains_key(&image.base) {
            let opened = self.open(&image.base).wrap_err_with(what)?;
            self.opened.insert(image.base.clone(), opened);
        }
        match self.opened.get(&image.base) {
            Some((source, Some(root))) => {
                let base = Base::read(source.source(), root.clone(), &image.platforms).wrap_err_with(what)?;
                if let BaseSource::Pulled(through) = source {
                    pull(through, image, &base, listener).wrap_err_with(what)?;
                }
                Ok(base)
            }
            _ => Ok(Base::scratch(&image.platforms)),
        }
    }

    fn open(&self, reference: &BaseReference) -> Result<(BaseSource, Option<Descriptor>)> {
        let (source, name) = match reference {
            BaseReference::Scratch => return Ok((BaseSource::Local(Box::new(Memory::default())), None)),
            BaseReference::Embedded => (BaseSource::Local(Box::new(embedded()?)), None),
            BaseReference::Layout(place) => {
                (BaseSource::Local(Box::new(Layout::open(&place.path)?)), place.name.as_deref())
            }
            BaseReference::Archive(place) => {
                (BaseSource::Local(Box::new(Archive::open(&place.path)?)), place.name.as_deref())
            }
            BaseReference::Registry(reference) => {
                let registry = Registry::new(reference.clone())?;
                (BaseSource::Pulled(self.cache.through(Box::new(registry))), Some(reference.name()))
            }
        };
        let root = source.source().resolve(name)?;
        Ok((source, Some(root)))
    }
}

/// Brings the base's layers into the cache, before anything is compiled: what fails, fails early.
fn pull(through: &Through, image: &ImagePlan, base: &Base, listener: Listener) -> Result<()> {
    let layers: HashMap<_, _> =
        base.images.iter().flat_map(|image| &image.layers).map(|layer| (layer.digest(), layer)).collect();
    let missing = through.lacks(layers.into_values());
    if missing.is_empty() {
        return Ok(());
    }
    listener(Event::Pulling {
        base: image.base.to_string(),
        blobs: missing.len(),
        bytes: missing.iter().map(Descriptor::size).sum(),
    });
    through.pull(&missing)
}

/// What one image is assembled from.
struct Work<'a> {
    plan: &'a ImagePlan,
    base: &'a Base,
    source: &'a dyn Source,
    binaries: &'a [Binary],
}

impl Work<'_> {
    /// Writes everything but the layout's index, which [`LayoutWriter::commit`] then does.
    fn assemble(&self, layout: &Path, listener: Listener) -> Result<(LayoutWriter, BuiltImage)> {
        let writer = LayoutWriter::begin(layout, &self.plan.name)?;
        let base_layers: Vec<_> = self.base.images.iter().flat_map(|image| image.layers.clone()).collect();
        // Platforms do not depend on each other: their layers are compressed side by side.
        let manifests: Vec<Result<_>> = std::thread::scope(|scope| {
            let images = self.base.images.iter();
            let threads: Vec<_> = images.map(|image| scope.spawn(|| self.image(&writer, image, listener))).collect();
            let copied = copy(self.source, &writer, &base_layers).map(|()| None);
            let images =
                threads.into_iter().map(|thread| thread.join().unwrap_or_else(|_| Err(miette!("a thread panicked"))));
            std::iter::once(copied).chain(images.map(|image| image.map(Some))).collect()
        });
        let manifests: Vec<_> = manifests.into_iter().collect::<Result<Vec<_>>>()?.into_iter().flatten().collect();

        let entries: Vec<_> =
            manifests.iter().map(|(platform, image)| (platform.clone(), image.descriptor.clone())).collect();
        let index = manifest::index(&entries, &self.annotations());
        writer.push(&index.descriptor, &mut &index.bytes[..])?;
        for tag in &self.plan.tags {
            writer.tag(&index.descriptor, tag)?;
        }
        let digest = index.descriptor.digest().clone();
        let image = BuiltImage {
            name: self.plan.name.clone(),
            reference: format!("oci:{}@{digest}", shown(layout)),
            digest,
            size: writer.size()?,
            tags: self.plan.tags.clone(),
            layout: layout.to_owned(),
            base: BuiltBase {
                name: self.plan.base.to_string(),
                digest: self.base.root.as_ref().map(|root| root.digest().clone()),
            },
            manifests: manifests.into_iter().map(|(_, manifest)| manifest).collect(),
        };
        Ok((writer, image))
    }

    /// Layer, config and manifest for one platform.
    fn image(&self, writer: &LayoutWriter, below: &BaseImage, listener: Listener) -> Result<(Platform, BuiltManifest)> {
        let layer = self.binaries_layer(writer, below, listener)?;
        let history = History { diff_id: layer.diff_id.clone(), created_by: "cargo oci build (binaries)".to_owned() };
        let settings = settings(self.plan, self.base);
        let config = assemble(&below.config, &below.platform, &settings, &[history]).map_err(unknown_variable)?;
        let config = manifest::config(config);
        let layers: Vec<_> = below.layers.iter().cloned().chain([layer.descriptor]).collect();
        let manifest = manifest::image(&config.descriptor, &layers, &self.annotations());
        for document in [&config, &manifest] {
            writer.push(&document.descriptor, &mut &document.bytes[..])?;
        }
        let built = BuiltManifest {
            platform: below.platform.to_string(),
            digest: manifest.descriptor.digest().clone(),
            size: manifest.descriptor.size(),
            config: config.descriptor.digest().clone(),
            layers,
            descriptor: manifest.descriptor,
        };
        Ok((below.platform.clone(), built))
    }

    fn binaries_layer(&self, writer: &LayoutWriter, below: &BaseImage, listener: Listener) -> Result<Layer> {
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
        let files = entries.iter().map(|entry| format!("/{}", entry.path)).collect();
        let entries = with_parents(entries, self.base.root.is_none());
        let mut blob = writer.blob()?;
        let layer = layer::write(&entries, self.plan.mtime(), LEVEL, &mut blob)
            .map_err(|error| on_path("write", blob.path(), &error))?;
        writer.keep(&layer.descriptor, blob)?;
        listener(Event::Layered {
            image: self.plan.name.clone(),
            platform: below.platform.clone(),
            files,
            bytes: layer.descriptor.size(),
        });
        Ok(layer)
    }

    fn annotations(&self) -> BTreeMap<String, String> {
        with_base(self.plan, self.base, &self.plan.annotations)
    }
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
fn check_settings(plan: &ImagePlan, base: &Base) -> Result<()> {
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

fn unknown_variable(error: crate::image::config::UnknownVariable) -> Report {
    miette!(help = "write `$$` for a dollar sign, and set the variable before it is used", "{error}")
}

/// The path as the user would type it: from the current folder where it is below that.
fn shown(path: &Path) -> String {
    let current = std::env::current_dir().unwrap_or_default();
    let path = path.strip_prefix(current).unwrap_or(path);
    path.display().to_string().replace('\\', "/")
}

fn write_outputs(plan: &Plan, layout: &Layout, image: &BuiltImage, listener: Listener) -> Result<()> {
    let time = plan.images.iter().find(|plan| plan.name == image.name).map_or(0, ImagePlan::mtime);
    for Output { kind, path } in &plan.outputs {
        match kind {
            OutputKind::OciDir => copy_layout(layout, image, path)?,
            OutputKind::OciArchive => archive::write(layout, None, time, path)?,
            OutputKind::DockerArchive => {
                let docker = docker_image(image)?;
                archive::write(layout, Some(&docker), time, path)?;
            }
        }
        listener(Event::Wrote { path: path.clone() });
    }
    Ok(())
}

fn copy_layout(layout: &Layout, image: &BuiltImage, path: &Path) -> Result<()> {
    let writer = LayoutWriter::begin(path, &image.name)?;
    let root = layout.resolve(None)?;
    copy(layout, &writer, std::slice::from_ref(&root))?;
    for tag in &image.tags {
        writer.tag(&root, tag)?;
    }
    writer.commit()?;
    Ok(())
}

/// The one image that Docker's own format can name: that of this computer's architecture, else the first.
fn docker_image(image: &BuiltImage) -> Result<DockerImage<'_>> {
    let is_host = |manifest: &&BuiltManifest| {
        manifest.platform.parse().is_ok_and(|platform: Platform| platform == Platform::host())
    };
    let manifest = image.manifests.iter().find(is_host).or(image.manifests.first());
    let manifest = manifest.ok_or_else(|| miette!("the image {} has no platform", image.name))?;
    Ok(DockerImage {
        manifest: &manifest.descriptor,
        names: image.tags.iter().map(|tag| format!("{}:{tag}", image.name)).collect(),
    })
}

fn write_metadata(path: &Path, built: &[BuiltImage]) -> Result<()> {
    let failed = |error: &std::io::Error| on_path("write", path, error);
    let text = serde_json::to_vec_pretty(&json!({ "images": built })).into_diagnostic()?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let create = |path: &Path| std::fs::File::options().write(true).create_new(true).open(path);
    let mut file = tempfile::Builder::new().prefix(".new-").make_in(folder, create).map_err(|error| failed(&error))?;
    std::io::Write::write_all(&mut file, &text).map_err(|error| failed(&error))?;
    file.persist(path).map_err(|error| failed(&error.error))?;
    Ok(())
}
