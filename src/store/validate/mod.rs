//! The invariants of an image, written once: every digest, size and diffID of a graph, recomputed.

mod layer;

use std::collections::HashSet;
use std::io;

use miette::{IntoDiagnostic, Report, miette};
use oci_spec::image::{Descriptor, MediaType};
use serde::Serialize;
use serde_json::Value;

use super::atomic::ReadError;
use super::{MOST_DEPTH, Missing, Source, mismatch, open, read};
use crate::error::Result;
use crate::image::Digest;
use crate::image::config::strings;
use crate::image::digest::Mismatch;
use crate::image::manifest::{Manifest, is_for_none, parse, platform_of};
use crate::image::media_type::as_oci;
use crate::platform::Platform;
use layer::LayerChecks;

/// Something in a graph that is not as it must be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// The content it is about.
    pub digest: String,
    /// What that is in the image.
    pub part: ProblemPart,
    /// The platforms whose images have it, where that is known.
    pub platforms: Vec<Platform>,
    /// What is wrong.
    pub what: String,
}

/// A part of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ProblemPart {
    /// The list of images.
    Index,
    /// One image.
    Manifest,
    /// What it says of itself.
    Config,
    /// What it holds.
    Layer,
    /// Anything else that an index lists.
    Other,
}

/// What came of looking at all of a graph.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Validated {
    /// What is wrong; nothing when the graph is right.
    pub problems: Vec<Problem>,
    /// How many documents, configs and layers there are.
    pub blobs: usize,
    /// Their size together in bytes, as their descriptors say.
    pub bytes: u64,
    /// What its images are for, also those that were not wanted.
    #[serde(skip)]
    pub platforms: Vec<Platform>,
}

/// Every problem of `root` and of all that it names; none when the graph is right.
pub fn validate(source: &dyn Source, root: &Descriptor) -> Vec<Problem> {
    validate_all(source, std::slice::from_ref(root), None).problems
}

/// The same for several images, with what they share looked at once. Of what says that it is for another platform than
/// `only`, or for none, nothing is looked at.
pub fn validate_all(source: &dyn Source, roots: &[Descriptor], only: Option<&Platform>) -> Validated {
    let mut walk =
        Validator { source, only, seen: HashSet::new(), layers: LayerChecks::default(), found: Validated::default() };
    for root in roots {
        walk.enter(root, 0);
    }
    let problems = walk.layers.check(source);
    walk.found.problems.extend(problems);
    walk.found
}

/// Looks at documents and configs as it comes to them, and at the layers in the end, several at a time.
struct Validator<'a> {
    source: &'a dyn Source,
    only: Option<&'a Platform>,
    /// By digest and size: what is called by two sizes is looked at under both.
    seen: HashSet<(Digest, u64)>,
    layers: LayerChecks,
    found: Validated,
}

impl Validator<'_> {
    /// Whether `descriptor` was not met before.
    fn is_new(&mut self, descriptor: &Descriptor) -> bool {
        let is_new = self.seen.insert((descriptor.digest().clone(), descriptor.size()));
        if is_new {
            self.found.blobs += 1;
            self.found.bytes = self.found.bytes.saturating_add(descriptor.size());
        }
        is_new
    }

    /// Looks at something that is listed, where it is wanted.
    fn enter(&mut self, listed: &Descriptor, depth: usize) {
        let platform = platform_of(listed);
        self.found.platforms.extend(platform.clone());
        let is_wanted = |only: &Platform| !is_for_none(listed) && platform.is_none_or(|platform| platform == *only);
        if self.only.is_none_or(is_wanted) {
            self.visit(listed, depth);
        }
    }

    fn visit(&mut self, descriptor: &Descriptor, depth: usize) {
        if !self.is_new(descriptor) {
            return;
        }
        let platform = platform_of(descriptor);
        let platform = platform.as_ref();
        let part = match as_oci(descriptor.media_type()) {
            MediaType::ImageIndex => ProblemPart::Index,
            MediaType::ImageManifest => ProblemPart::Manifest,
            _ => ProblemPart::Other,
        };
        let checked = match part {
            ProblemPart::Other => consume(self.source, descriptor),
            _ => self.document(descriptor, platform, depth),
        };
        self.note(descriptor, part, platform, checked);
    }

    fn document(&mut self, descriptor: &Descriptor, platform: Option<&Platform>, depth: usize) -> Result<()> {
        if depth > MOST_DEPTH {
            return Err(miette!("it is nested deeper than {MOST_DEPTH} indexes"));
        }
        let bytes = read(self.source, descriptor)?;
        match parse(descriptor.media_type(), &bytes).into_diagnostic()? {
            Manifest::Index(images) => {
                for image in &images {
                    self.enter(image, depth + 1);
                }
                // Readers pass over what is no descriptor; a right index has none of it.
                match listed(&bytes).checked_sub(images.len()) {
                    Some(0) | None => Ok(()),
                    Some(odd) => Err(miette!("{odd} of its entries are no descriptors")),
                }
            }
            Manifest::Image { config, layers } => {
                self.image(&config, &layers, platform);
                Ok(())
            }
        }
    }

    fn image(&mut self, config: &Descriptor, layers: &[Descriptor], platform: Option<&Platform>) {
        let diff_ids = match as_oci(config.media_type()) {
            MediaType::ImageConfig => self.config(config, layers.len(), platform),
            // An artifact's is anything.
            _ => {
                if self.is_new(config) {
                    self.note(config, ProblemPart::Config, platform, consume(self.source, config));
                }
                Vec::new()
            }
        };
        for (at, layer) in layers.iter().enumerate() {
            self.is_new(layer);
            self.layers.add(layer, diff_ids.get(at), platform);
        }
    }

    /// Checks a config; gives the diffIDs of its layers.
    fn config(&mut self, descriptor: &Descriptor, layers: usize, platform: Option<&Platform>) -> Vec<String> {
        self.is_new(descriptor);
        let parsed =
            read(self.source, descriptor).and_then(|bytes| serde_json::from_slice::<Value>(&bytes).into_diagnostic());
        let checked = match &parsed {
            Ok(config) => {
                self.found.platforms.extend(platform.is_none().then(|| own_platform(config)));
                agrees(config, layers, platform)
            }
            Err(_) => Ok(()),
        };
        self.note(descriptor, ProblemPart::Config, platform, checked);
        let diff_ids = match parsed {
            Ok(config) => diff_ids(&config),
            Err(error) => {
                self.note(descriptor, ProblemPart::Config, platform, Err(error));
                Vec::new()
            }
        };
        // Nobody can tell which is whose where their numbers differ.
        if diff_ids.len() == layers { diff_ids } else { Vec::new() }
    }

    fn note(&mut self, descriptor: &Descriptor, part: ProblemPart, platform: Option<&Platform>, result: Result<()>) {
        if let Err(error) = result {
            let problem = problem(descriptor, part, platform.cloned().into_iter().collect(), &error);
            // One config may serve several manifests.
            if !self.found.problems.contains(&problem) {
                self.found.problems.push(problem);
            }
        }
    }
}

/// The problem that an error is.
fn problem(descriptor: &Descriptor, part: ProblemPart, platforms: Vec<Platform>, error: &Report) -> Problem {
    let what = match mismatch(error) {
        Some(Mismatch::Digest { got, .. }) => format!("its content is {got}"),
        Some(Mismatch::Size { wanted, got, .. }) => format!("it should have {wanted} bytes, but {got}"),
        Some(Mismatch::Algorithm(_)) => "its algorithm is neither sha256 nor sha512: it cannot be checked".to_owned(),
        None if error.downcast_ref::<Missing>().is_some() => "it is missing".to_owned(),
        None => error.chain().map(ToString::to_string).collect::<Vec<_>>().join(": "),
    };
    Problem { digest: descriptor.digest().to_string(), part, platforms, what }
}

/// How many entries an index has, whatever they are.
fn listed(index: &[u8]) -> usize {
    let index: Option<Value> = serde_json::from_slice(index).ok();
    index.and_then(|index| index.get("manifests")?.as_array().map(Vec::len)).unwrap_or_default()
}

/// Whether a config is that of the manifest and of the index's entry that name it.
fn agrees(config: &Value, layers: usize, platform: Option<&Platform>) -> Result<()> {
    let diff_ids = diff_ids(config).len();
    if diff_ids != layers {
        return Err(miette!("{diff_ids} diff_ids for {layers} layers"));
    }
    let own = own_platform(config);
    match platform {
        Some(platform) if !platform.agrees_with(&own) => {
            Err(miette!("the index says {platform}, the config says {own}"))
        }
        _ => Ok(()),
    }
}

/// What a config says that it is for.
fn own_platform(config: &Value) -> Platform {
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

/// Reads content to its end.
fn consume(source: &dyn Source, descriptor: &Descriptor) -> Result<()> {
    io::copy(&mut open(source, descriptor)?, &mut io::sink()).map_err(ReadError)?;
    Ok(())
}
