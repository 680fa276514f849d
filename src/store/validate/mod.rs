//! Validation of images: every digest, size and diffID of the graph, recomputed.

mod layer;
mod problem;

use std::collections::HashSet;

use miette::{IntoDiagnostic, miette};
use oci_spec::image::{Descriptor, MediaType};
use serde::Serialize;
use serde_json::Value;

use self::layer::{LayerChecks, verify_blob};
pub use self::problem::{Problem, ProblemPart};
use super::graph::{GraphWalk, NodeContent, NodeKey, key};
use super::source::{Source, read};
use crate::error::Result;
use crate::image::exact_number;
use crate::image::manifest::{Manifest, ManifestContent, is_for_none, platform_of};
use crate::image::media_type::as_oci;
use crate::image::strings;
use crate::platform::Platform;

/// The result of validating images.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Validated {
    /// The problems: empty if the images are valid.
    pub problems: Vec<Problem>,
    /// The number of documents, configs and layers.
    pub blobs: usize,
    /// Their total size in bytes, according to their descriptors.
    pub bytes: u64,
    /// The platforms of the images, including those that were not selected.
    #[serde(skip)]
    pub platforms: Vec<Platform>,
}

/// Returns the problems of an image: none if it is valid.
pub fn validate(source: &dyn Source, root: &Descriptor) -> Vec<Problem> {
    validate_all(source, std::slice::from_ref(root), None).problems
}

/// Validates several images. Shared content is read once. With `only`, entries for other platforms or for none are
/// skipped.
pub fn validate_all(source: &dyn Source, roots: &[Descriptor], only: Option<&Platform>) -> Validated {
    let mut validator =
        Validator { source, seen: HashSet::new(), layers: LayerChecks::default(), result: Validated::default() };
    validator.documents(roots, only);
    let problems = validator.layers.run(source);
    validator.result.problems.extend(problems);
    validator.result
}

/// Validates documents and configs as it visits them, and collects the layers to validate them in parallel.
struct Validator<'a> {
    source: &'a dyn Source,
    seen: HashSet<NodeKey>,
    layers: LayerChecks,
    result: Validated,
}

impl Validator<'_> {
    fn documents(&mut self, roots: &[Descriptor], only: Option<&Platform>) {
        let is_selected = |entry: &Descriptor| {
            let platform = platform_of(entry);
            only.is_none_or(|only| !is_for_none(entry) && platform.is_none_or(|platform| platform == *only))
        };
        self.result.platforms.extend(roots.iter().filter_map(platform_of));
        for node in GraphWalk::new(self.source, roots).descend_into(is_selected) {
            // Configs and layers are validated with their manifest.
            if !node.is_listed || !is_selected(&node.descriptor) {
                continue;
            }
            let validated = match node.content {
                NodeContent::Leaf => {
                    if !self.count(&node.descriptor) {
                        continue;
                    }
                    verify_blob(self.source, &node.descriptor)
                }
                NodeContent::Unusable(error) => {
                    self.count(&node.descriptor);
                    Err(error.into_report())
                }
                NodeContent::Document(manifest) => {
                    self.count(&node.descriptor);
                    self.document(&node.descriptor, &manifest)
                }
            };
            let platform = platform_of(&node.descriptor);
            self.record(&node.descriptor, ProblemPart::of_entry(&node.descriptor), platform.as_ref(), validated);
        }
    }

    /// Counts content unless it was counted before. Returns whether it is new.
    fn count(&mut self, descriptor: &Descriptor) -> bool {
        let is_new = self.seen.insert(key(descriptor));
        if is_new {
            self.result.blobs += 1;
            self.result.bytes = self.result.bytes.saturating_add(descriptor.size());
        }
        is_new
    }

    fn document(&mut self, descriptor: &Descriptor, manifest: &Manifest) -> Result<()> {
        match &manifest.content {
            ManifestContent::Index(entries) => {
                self.result.platforms.extend(entries.iter().filter_map(platform_of));
                match manifest.invalid_entries {
                    0 => Ok(()),
                    invalid => Err(miette!("{invalid} of its entries are not valid descriptors")),
                }
            }
            ManifestContent::Image { config, layers } => {
                self.image(config, layers, platform_of(descriptor).as_ref());
                Ok(())
            }
        }
    }

    fn image(&mut self, config: &Descriptor, layers: &[Descriptor], platform: Option<&Platform>) {
        let diff_ids = if as_oci(config.media_type()) == MediaType::ImageConfig {
            self.config(config, layers.len(), platform)
        } else {
            // The config of an artifact has any format.
            if self.count(config) {
                self.record(config, ProblemPart::Config, platform, verify_blob(self.source, config));
            }
            Vec::new()
        };
        for (at, layer) in layers.iter().enumerate() {
            self.count(layer);
            self.layers.add(layer, diff_ids.get(at), platform);
        }
    }

    /// Validates a config. Returns the diffIDs of the layers.
    fn config(&mut self, descriptor: &Descriptor, layers: usize, platform: Option<&Platform>) -> Vec<String> {
        self.count(descriptor);
        let config = read(self.source, descriptor)
            .and_then(|bytes| exact_number::parse(&bytes).into_diagnostic())
            .map(Value::Object);
        let config = match config {
            Ok(config) => config,
            Err(error) => {
                self.record(descriptor, ProblemPart::Config, platform, Err(error));
                return Vec::new();
            }
        };
        self.result.platforms.extend(platform.is_none().then(|| config_platform(&config)));
        self.record(descriptor, ProblemPart::Config, platform, check_config(&config, layers, platform));
        let diff_ids = diff_ids(&config);
        // If the numbers differ, it is unknown which diffID belongs to which layer.
        if diff_ids.len() == layers { diff_ids } else { Vec::new() }
    }

    fn record(&mut self, descriptor: &Descriptor, part: ProblemPart, platform: Option<&Platform>, result: Result<()>) {
        if let Err(error) = result {
            let problem = Problem::new(descriptor, part, platform.cloned().into_iter().collect(), &error);
            // Several manifests may have the same config.
            if !self.result.problems.contains(&problem) {
                self.result.problems.push(problem);
            }
        }
    }
}

/// Checks a config against the manifest and the entry of the index that refer to it.
fn check_config(config: &Value, layers: usize, platform: Option<&Platform>) -> Result<()> {
    let diff_ids = diff_ids(config).len();
    if diff_ids != layers {
        return Err(miette!("it has {diff_ids} diff_ids, the manifest has {layers} layers"));
    }
    let own = config_platform(config);
    match platform {
        Some(platform) if !platform.agrees_with(&own) => {
            Err(miette!("its platform is {own}, but {platform} in the index"))
        }
        _ => Ok(()),
    }
}

/// Returns the platform in a config.
fn config_platform(config: &Value) -> Platform {
    let text = |key: &str| config[key].as_str().filter(|text| !text.is_empty()).map(str::to_owned);
    Platform {
        os: text("os").unwrap_or_default(),
        architecture: text("architecture").unwrap_or_default(),
        variant: text("variant"),
    }
}

fn diff_ids(config: &Value) -> Vec<String> {
    strings(config["rootfs"].get("diff_ids"))
}
