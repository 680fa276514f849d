//! A reference → [`Base`]: what is below our layers, for each platform that is wanted.

pub mod embedded;

use std::collections::HashSet;

use miette::{Context, IntoDiagnostic, Report, miette};
use oci_spec::image::{Descriptor, Digest, MediaType};
use serde_json::{Value, json};

use crate::error::Result;
use crate::image::config::Object;
use crate::image::manifest::{Manifest, ManifestContent, is_for_none, platform_of};
use crate::image::media_type::{as_oci, is_layer};
use crate::platform::{Platform, PlatformChoice, TARGETS, Target};
use crate::store::graph::{GraphError, GraphWalk, NodeContent};
use crate::store::{Source, read};

/// A base image, of which nothing but its small documents has been read.
#[derive(Clone, Debug)]
pub struct Base {
    /// The descriptor that its reference stood for when this run began; nothing for `scratch`.
    pub root: Option<Descriptor>,
    /// Its images for the platforms that are wanted, in that order.
    pub images: Vec<BaseImage>,
}

/// A base for one platform.
#[derive(Clone, Debug)]
pub struct BaseImage {
    /// The target that builds for it.
    pub target: Target,
    /// The platform, with the variant as the base writes it.
    pub platform: Platform,
    /// Its config.
    pub config: Object,
    /// Its layers, the lowest first, with OCI's media types whatever the base calls them.
    pub layers: Vec<Descriptor>,
}

impl Base {
    /// `scratch`: no files at all, on any platform.
    pub fn scratch(choices: &[PlatformChoice]) -> Base {
        let targets = choices.iter().flat_map(|choice| match choice {
            PlatformChoice::One(target) => vec![*target],
            PlatformChoice::All => TARGETS.to_vec(),
        });
        let images = targets.map(|target| BaseImage {
            target,
            platform: target.platform(),
            config: Object::from_iter([("rootfs".to_owned(), json!({"type": "layers", "diff_ids": []}))]),
            layers: Vec::new(),
        });
        Base { root: None, images: without_repeats(images.collect()) }
    }

    /// Reads the base that `root` describes in `source`.
    ///
    /// # Errors
    /// When it is not an image, lacks a platform that is wanted (with those it has), or is not what its digests say.
    pub fn read(source: &dyn Source, root: Descriptor, choices: &[PlatformChoice]) -> Result<Base> {
        let unusable = || format!("cannot use {} from {}", root.digest(), source.location());
        let candidates = candidates(source, &root).wrap_err_with(unusable)?;
        let mut images = Vec::new();
        for choice in choices {
            match choice {
                PlatformChoice::One(target) => {
                    let found = candidates.iter().find(|candidate| candidate.platform == target.platform());
                    let found = found.ok_or_else(|| lacks(source, *target, &candidates))?;
                    images.push(found.image(source, *target).wrap_err_with(unusable)?);
                }
                PlatformChoice::All => {
                    for candidate in &candidates {
                        if let Some(target) = candidate.platform.target() {
                            images.push(candidate.image(source, target).wrap_err_with(unusable)?);
                        }
                    }
                }
            }
        }
        let images = without_repeats(images);
        if images.is_empty() {
            return Err(miette!(
                "{} is for {}, and Rust has a musl target for none of these",
                source.location(),
                list(&candidates)
            ));
        }
        Ok(Base { root: Some(root), images })
    }
}

/// A platform that was asked for twice is built once.
fn without_repeats(images: Vec<BaseImage>) -> Vec<BaseImage> {
    let mut kept: Vec<BaseImage> = Vec::new();
    for image in images {
        if kept.iter().all(|other| other.target != image.target) {
            kept.push(image);
        }
    }
    kept
}

fn lacks(source: &dyn Source, target: Target, candidates: &[Candidate]) -> Report {
    miette!(
        help = format!(
            "choose among these with `--platform` or the key `platforms`, or take another image: {}",
            list(candidates)
        ),
        "{} has no image for {}",
        source.location(),
        target.platform()
    )
}

fn list(candidates: &[Candidate]) -> String {
    let names: Vec<_> = candidates.iter().map(|candidate| candidate.platform.to_string()).collect();
    match names.is_empty() {
        true => "no platform".to_owned(),
        false => names.join(", "),
    }
}

/// An image of a base, of which only the platform is known.
struct Candidate {
    platform: Platform,
    manifest: Descriptor,
}

/// Images in one base: no real one has more.
const MOST_IMAGES: usize = 1_000;

fn candidates(source: &dyn Source, root: &Descriptor) -> Result<Vec<Candidate>> {
    // A manifest whose platform the index lists is only read when it is chosen.
    let is_known = |entry: &Descriptor| is_for_none(entry) || is_image(entry) && platform_of(entry).is_some();
    let (mut found, mut seen) = (Vec::new(), HashSet::new());
    for node in GraphWalk::new(source, std::slice::from_ref(root)).descend_into(|entry| !is_known(entry)) {
        let descriptor = node.descriptor;
        if !node.is_listed || is_for_none(&descriptor) || !seen.insert(descriptor.digest().clone()) {
            continue;
        }
        if seen.len() > MOST_IMAGES {
            return Err(miette!("it has more than {MOST_IMAGES} images"));
        }
        let platform = match node.content {
            NodeContent::Unusable(GraphError::Read(error)) => return Err(error),
            NodeContent::Unusable(error) => {
                return Err(error.into_report().wrap_err(format!("{} is not an image", descriptor.digest())));
            }
            NodeContent::Document(manifest) => match manifest.content {
                ManifestContent::Index(_) => None,
                // Only its config knows what a manifest is for that no index describes.
                ManifestContent::Image { config, .. } => Some(platform_in(&object(source, &config)?)),
            },
            NodeContent::Leaf if is_image(&descriptor) => platform_of(&descriptor),
            // Something else may lie beside images, but not in place of one.
            NodeContent::Leaf if node.depth > 0 => None,
            NodeContent::Leaf => return manifest(source, &descriptor).map(|_| Vec::new()),
        };
        found.extend(platform.map(|platform| Candidate { platform, manifest: descriptor }));
    }
    Ok(found)
}

fn is_image(descriptor: &Descriptor) -> bool {
    as_oci(descriptor.media_type()) == MediaType::ImageManifest
}

fn manifest(source: &dyn Source, descriptor: &Descriptor) -> Result<Manifest> {
    let bytes = read(source, descriptor)?;
    Manifest::parse(descriptor.media_type(), &bytes)
        .into_diagnostic()
        .wrap_err_with(|| format!("{} is not an image", descriptor.digest()))
}

fn object(source: &dyn Source, config: &Descriptor) -> Result<Object> {
    if as_oci(config.media_type()) != MediaType::ImageConfig {
        return Err(miette!("it is not an image, but an artifact of type {}", config.media_type()));
    }
    serde_json::from_slice(&read(source, config)?)
        .into_diagnostic()
        .wrap_err_with(|| format!("{} is not an image config", config.digest()))
}

fn platform_in(config: &Object) -> Platform {
    let text = |key: &str| config.get(key).and_then(Value::as_str).filter(|text| !text.is_empty());
    Platform {
        os: text("os").unwrap_or("unknown").to_owned(),
        architecture: text("architecture").unwrap_or("unknown").to_owned(),
        variant: text("variant").map(str::to_owned),
    }
}

impl Candidate {
    fn image(&self, source: &dyn Source, target: Target) -> Result<BaseImage> {
        let ManifestContent::Image { config, layers } = manifest(source, &self.manifest)?.content else {
            return Err(miette!("{} is an index where an image should be", self.manifest.digest()));
        };
        let config = object(source, &config)?;
        let own = platform_in(&config);
        // A wrong machine would be started on the right one.
        if !own.agrees_with(&self.platform) {
            return Err(miette!("its index says {}, its config {own}", self.platform));
        }
        let listed = config.get("rootfs").and_then(|rootfs| rootfs.get("diff_ids")).and_then(Value::as_array);
        let diff_ids: Vec<_> = listed.into_iter().flatten().collect();
        if diff_ids.len() != layers.len() {
            return Err(miette!(
                "{} has {} layers, but its config has {} diff_ids",
                self.manifest.digest(),
                layers.len(),
                diff_ids.len()
            ));
        }
        let is_digest = |id: &&Value| id.as_str().is_some_and(|id| Digest::try_from(id).is_ok());
        if let Some(odd) = diff_ids.iter().find(|id| !is_digest(id)) {
            return Err(miette!("its config has {odd} among the diff_ids, which is no digest"));
        }
        Ok(BaseImage {
            target,
            platform: Platform { variant: self.platform.variant.clone().or(own.variant), ..self.platform.clone() },
            config,
            layers: layers.into_iter().map(layer).collect::<Result<_>>()?,
        })
    }
}

/// The layer under OCI's name for the same bytes.
fn layer(mut layer: Descriptor) -> Result<Descriptor> {
    let media_type = as_oci(layer.media_type());
    if !is_layer(&media_type) {
        return Err(miette!(
            "its layer {} is of type {media_type}, which is no layer of a Linux image",
            layer.digest()
        ));
    }
    layer.set_media_type(media_type);
    Ok(layer)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::manifest::{Annotations, config, image, index};
    use crate::store::Memory;

    /// A base of one layer (of no real content) for `platform`, whose config says `config_says`.
    fn single(memory: &Memory, config_says: &str, diff_ids: usize) -> Descriptor {
        let platform: Platform = config_says.parse().expect("a platform");
        let diff_ids = vec![crate::image::digest::sha256(b""); diff_ids];
        let content =
            json!({"os": platform.os, "architecture": platform.architecture, "rootfs": {"diff_ids": diff_ids}});
        let config = memory.put_document(config(content.as_object().expect("an object").clone()));
        let mut layer = config.clone();
        layer.set_media_type(MediaType::from(crate::image::media_type::DOCKER_LAYER));
        memory.put_document(image(&config, &[layer], &Annotations::new()))
    }

    fn choices(platforms: &[&str]) -> Vec<PlatformChoice> {
        platforms.iter().map(|platform| platform.parse().expect("a platform")).collect()
    }

    fn words(result: Result<Base>) -> String {
        let error = result.expect_err("is refused");
        let mut words: Vec<_> = error.chain().map(ToString::to_string).collect();
        words.extend(error.help().map(|help| help.to_string()));
        words.join(": ")
    }

    #[test]
    fn wanted_platforms_are_found_in_the_order_they_are_wanted() {
        let memory = Memory::default();
        let of = |platform: &str| (platform.parse().expect("a platform"), single(&memory, platform, 1));
        let images = [of("linux/amd64"), of("windows/amd64"), of("linux/arm64/v8"), of("unknown/unknown")];
        let root = memory.put_document(index(&images, &Annotations::new()));
        let base = Base::read(&memory, root.clone(), &choices(&["linux/arm64", "linux/amd64"])).expect("reads");
        let found: Vec<_> = base.images.iter().map(|image| image.platform.to_string()).collect();
        assert_eq!(found, ["linux/arm64/v8", "linux/amd64"]);
        assert_eq!(base.images[0].layers[0].media_type(), &MediaType::ImageLayerGzip);
        let base = Base::read(&memory, root.clone(), &choices(&["all", "linux/amd64"])).expect("reads");
        assert_eq!(base.images.len(), 2);
        let error = words(Base::read(&memory, root, &choices(&["linux/riscv64"])));
        assert!(error.contains("no image for linux/riscv64"), "{error}");
        assert!(error.ends_with(": linux/amd64, windows/amd64, linux/arm64/v8"), "{error}");
    }

    #[test]
    fn a_manifest_without_an_index_is_for_its_configs_platform() {
        let memory = Memory::default();
        let root = single(&memory, "linux/arm64", 1);
        assert!(Base::read(&memory, root.clone(), &choices(&["linux/arm64"])).is_ok());
        assert!(words(Base::read(&memory, root, &choices(&["linux/amd64"]))).ends_with(": linux/arm64"));
    }

    #[test]
    fn a_base_that_contradicts_itself_is_refused() {
        let memory = Memory::default();
        let lie = [("linux/amd64".parse().expect("a platform"), single(&memory, "linux/arm64", 1))];
        let root = memory.put_document(index(&lie, &Annotations::new()));
        assert!(words(Base::read(&memory, root, &choices(&["all"]))).contains("its config linux/arm64"));
        let root = single(&memory, "linux/amd64", 2);
        assert!(words(Base::read(&memory, root, &choices(&["all"]))).contains("1 layers, but its config has 2"));
    }

    #[test]
    fn an_index_that_names_no_platforms_is_read_through_its_configs() {
        let memory = Memory::default();
        let image = single(&memory, "linux/arm64", 1);
        let bare =
            json!({"manifests": [image, {"odd": 1}, {"mediaType": "text/plain", "digest": image.digest(), "size": 1}]});
        let bytes = crate::image::canonical_json(&bare);
        let root = Descriptor::new(MediaType::ImageIndex, bytes.len() as u64, crate::image::digest::sha256(&bytes));
        memory.put(&root, bytes);
        let base = Base::read(&memory, root, &choices(&["all"])).expect("reads");
        assert_eq!(base.images[0].platform.to_string(), "linux/arm64");
    }

    #[test]
    fn an_index_that_multiplies_is_looked_through_once() {
        let memory = Memory::default();
        let mut root = single(&memory, "linux/amd64", 1);
        for _ in 0..3 {
            let entries = vec![json!(root); 1_000];
            let bytes = crate::image::canonical_json(&json!({"manifests": entries}));
            root = Descriptor::new(MediaType::ImageIndex, bytes.len() as u64, crate::image::digest::sha256(&bytes));
            memory.put(&root, bytes);
        }
        assert!(Base::read(&memory, root, &choices(&["linux/amd64"])).is_ok());
    }

    #[test]
    fn what_is_no_image_is_called_what_it_is() {
        let memory = Memory::default();
        let artifact = memory.put_document(config(Object::new()));
        assert!(words(Base::read(&memory, artifact, &choices(&["all"]))).contains("image.config.v1+json"));
    }
}
