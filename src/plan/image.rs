//! The plan of one image.

use std::path::PathBuf;

use cargo_metadata::{Metadata, PackageId};
use jiff::Timestamp;
use miette::{Report, miette};

use super::allocator::{Advice, many_threads};
use super::features::Features;
use super::unit::Unit;
use crate::config::{
    Allocator, AttestationPlace, FileRule, Folder, ImageTest, Labels, Policy, Port, SbomFormat, Signal, SignatureFormat,
};
use crate::error::Result;
use crate::image::CompressionOptions;
use crate::image::layer::ROOT_FOLDERS;
use crate::platform::{Platform, PlatformChoice, Target};
use crate::reference::{BaseReference, EngineReference, Reference, SignerReference};

/// One image.
#[derive(Clone, Debug)]
pub struct ImagePlan {
    /// The local name: the package's, or its own if the package has several.
    pub name: String,
    /// The package, as cargo's messages name it.
    pub package: PackageId,
    /// The package's name and version, `name@version`, which no other member of the workspace has.
    pub spec: String,
    /// The package's version.
    pub version: String,
    /// The binaries in the image.
    pub bins: Vec<String>,
    /// The profile they are built with.
    pub profile: String,
    /// The package's features that they are built with, in addition to those of the command line.
    pub features: Features,
    /// The allocator that is linked into them; `None` if nobody chose one.
    pub allocator: Option<Allocator>,
    /// The index of the cargo run that builds them.
    pub run: usize,
    /// Their folder in the image.
    pub bin_dir: Folder,
    /// The base image.
    pub base: BaseReference,
    /// The base of its debug twin; `None` for what is known of its base.
    pub debug_base: Option<BaseReference>,
    /// The key that must have signed it.
    pub base_verify: Option<SignerReference>,
    /// What it must be before it is pushed.
    pub policy: Option<Policy>,
    /// The platforms.
    pub platforms: Vec<PlatformChoice>,
    /// The program to start and its first arguments.
    pub entrypoint: Vec<String>,
    /// Its default arguments.
    pub cmd: Vec<String>,
    /// Environment variables, not yet expanded.
    pub env: Vec<(String, String)>,
    /// The user; `None` for the base's.
    pub user: Option<String>,
    /// The working directory; `None` for the base's.
    pub workdir: Option<String>,
    /// Ports, in addition to the base's.
    pub expose: Vec<Port>,
    /// Volumes, in addition to the base's.
    pub volumes: Vec<Folder>,
    /// The signal that stops it; `None` for the base's.
    pub stop_signal: Option<Signal>,
    /// Labels of the config, with those from Cargo.toml and git.
    pub labels: Labels,
    /// Annotations of image and index, with those from Cargo.toml and git.
    pub annotations: Labels,
    /// How layers are compressed.
    pub packing: CompressionOptions,
    /// The largest size of its layers for a platform, in bytes.
    pub max_size: Option<u64>,
    /// The tags.
    pub tags: Vec<String>,
    /// Whether a tag was made from a template.
    pub is_tagged_by_template: bool,
    /// Whether there is a plain manifest instead of an index.
    pub no_index: bool,
    /// The repositories that it is pushed to.
    pub repositories: Vec<Reference>,
    /// The engine it is loaded into; `None` for the first that answers.
    pub engine: Option<EngineReference>,
    /// The time of the image: its config, labels, annotations and archives. Files in its layers are from 1970.
    pub created: Timestamp,
    /// The folder of the OCI layout.
    pub layout: PathBuf,
    /// Files in addition to the binaries.
    pub files: Vec<FileRule>,
    /// The formats of the SBOMs that are attached; empty for no SBOM.
    pub sbom: Vec<SbomFormat>,
    /// Whether the SBOMs were asked for on the command line: a registry must accept them.
    pub is_sbom_required: bool,
    /// Whether SLSA provenance is attached.
    pub provenance: bool,
    /// Whether the provenance was asked for on the command line: a registry must accept it.
    pub is_provenance_required: bool,
    /// Where SBOM and provenance are.
    pub attestations: AttestationPlace,
    /// How signatures are kept.
    pub signature_format: SignatureFormat,
    /// The OpenVEX documents that are attached: files, and folders with such files.
    pub vex: Vec<PathBuf>,
    /// Whether they were asked for on the command line: a registry must accept them.
    pub is_vex_required: bool,
    /// Whether the list of crates is embedded into the binaries that cargo compiles for it.
    pub auditable: bool,
    /// How it is tested.
    pub tests: Vec<ImageTest>,
    /// Whether the list is embedded into prebuilt binaries too: what they were built from is for the user to say.
    pub auditable_prebuilt: bool,
    /// The repository of the sources, from Cargo.toml.
    pub source: Option<String>,
    /// Cargo's target folder.
    pub target_dir: PathBuf,
}

impl ImagePlan {
    /// Returns what cargo builds of this image for a target.
    pub fn unit(&self, target: Target) -> Unit {
        Unit { package: self.package.clone(), run: self.run, target }
    }

    /// Returns [`ImagePlan::created`] as the mtime in archives, and of files that ask for it: seconds since 1970.
    pub fn mtime(&self) -> u64 {
        self.created.as_second().unsigned_abs()
    }

    /// Returns the destinations of the rules of `files`, and volumes, each once.
    pub fn asset_places(&self) -> Vec<String> {
        let volumes = self.volumes.iter().map(|volume| format!("{volume}/"));
        crate::unique::each_once(self.files.iter().map(|rule| rule.to.get_ref().clone()).chain(volumes))
    }

    /// Returns the allocator of its binaries.
    pub fn allocator(&self) -> Allocator {
        self.allocator.unwrap_or_default()
    }

    /// Returns that there are allocators for many threads, if its binaries use some, and nobody has chosen one. glibc's is made
    /// for them.
    pub(super) fn advice(&self, metadata: &Metadata) -> Option<Advice> {
        let is_musl = self.targets().is_none_or(|targets| targets.iter().any(Target::is_static));
        let by = many_threads(metadata, &self.package).filter(|_| is_musl && self.allocator.is_none())?;
        let text = format!(
            "{} uses threads of {by}, and musl's allocator serves one at a time: try `--allocator mimalloc`, which may need \
             more memory; `allocator = \"system\"` keeps musl's",
            self.name
        );
        Some(Advice { layout: self.layout.clone(), text })
    }

    /// Returns a warning if the entrypoint is in none of our layers, and no base can have it.
    pub fn missing_program(&self) -> Option<String> {
        let program = self.entrypoint.first()?;
        let name = program.strip_prefix(self.bin_dir.as_str())?.strip_prefix('/')?;
        let top = self.bin_dir.as_str().split('/').nth(1)?;
        let is_asset = self.files.iter().any(|rule| program.starts_with(rule.to.get_ref().as_str()));
        if ROOT_FOLDERS.contains(&top) || is_asset || self.bins.iter().any(|bin| bin == name) {
            return None;
        }
        Some(format!(
            "the entrypoint of the image {} is {program}, but its binaries are {}",
            self.name,
            self.bins.join(", ")
        ))
    }

    /// Returns the targets, each once, or `None` if they depend on the base.
    pub fn targets(&self) -> Option<Vec<Target>> {
        let targets = self.platforms.iter().map(|choice| match choice {
            PlatformChoice::One(target) => Some(*target),
            PlatformChoice::All(_) => None,
        });
        targets.collect::<Option<Vec<_>>>().map(crate::unique::each_once)
    }

    /// Returns its names in engines, without tags: the repositories it is pushed to, else its local name.
    pub fn local_names(&self) -> Vec<String> {
        if self.repositories.is_empty() {
            return vec![self.name.clone()];
        }
        let names = self.repositories.iter().map(Reference::location);
        names.collect()
    }

    /// Returns `NAME:TAG` for all names and tags.
    pub fn tagged_names(&self) -> Vec<String> {
        let names = self.local_names();
        names.iter().flat_map(|name| self.tags.iter().map(move |tag| format!("{name}:{tag}"))).collect()
    }

    /// Restricts the image to one platform. Its layout becomes `target/oci/NAME@linux-arm64`, so that the layout of the whole
    /// image stays as it is.
    ///
    /// # Errors
    /// Returns an error if the image is not built for that platform.
    pub fn narrow(&mut self, platform: &Platform) -> Result<()> {
        let target = self.platforms.iter().find_map(|choice| match choice {
            PlatformChoice::One(target) => (target.platform() == *platform).then_some(*target),
            PlatformChoice::All(libc) => platform.target().map(|target| target.with_libc(*libc)),
        });
        let target = target.ok_or_else(|| self.no_platform(platform))?;
        self.platforms = vec![PlatformChoice::One(target)];
        let whole = self.layout.file_name().unwrap_or_default().to_string_lossy().into_owned();
        self.layout.set_file_name(format!("{whole}@{}", target.platform().to_string().replace('/', "-")));
        Ok(())
    }

    fn no_platform(&self, platform: &Platform) -> Report {
        if platform.target().is_none() {
            return miette!(
                help = "choose a platform that the engine emulates, such as `--platform linux/amd64`, or another engine with `--engine`",
                "Rust has no musl target for {platform}"
            );
        }
        let names: Vec<_> = self.platforms.iter().map(ToString::to_string).collect();
        miette!(
            help = format!("add {platform} to the key `platforms`, or choose with `--platform {}`", names[0]),
            "the image {} is built for {}, not for {platform}",
            self.name,
            names.join(", ")
        )
    }
}
