//! What one image is made of.

use std::path::PathBuf;

use cargo_metadata::PackageId;
use jiff::Timestamp;
use miette::miette;

use super::features::Features;
use super::unit::Unit;
use crate::config::{FileRule, Folder, Labels, Port, SbomFormat, Signal};
use crate::error::Result;
use crate::image::CompressionOptions;
use crate::image::layer::ROOT_FOLDERS;
use crate::platform::{Platform, PlatformChoice, Target};
use crate::reference::{BaseReference, EngineReference, KeyReference, Reference};

/// One image.
#[derive(Clone, Debug)]
pub struct ImagePlan {
    /// The local name: the package's, or its own where the package has several.
    pub name: String,
    /// The package, as cargo's messages name it.
    pub package: PackageId,
    /// The package, as cargo's arguments name it: `name@version`, which no other member of the workspace has.
    pub spec: String,
    /// The package's version.
    pub version: String,
    /// Its binaries that go in.
    pub bins: Vec<String>,
    /// The profile they are built with.
    pub profile: String,
    /// The package's features that they are built with, beside those of the command line.
    pub features: Features,
    /// Which of the runs of cargo makes them.
    pub run: usize,
    /// The folder that they are put in.
    pub bin_dir: Folder,
    /// The image below.
    pub base: BaseReference,
    /// The key that has to have signed it.
    pub base_verify: Option<KeyReference>,
    /// What to build for.
    pub platforms: Vec<PlatformChoice>,
    /// The program to start and its first arguments.
    pub entrypoint: Vec<String>,
    /// Its default arguments.
    pub cmd: Vec<String>,
    /// Environment variables, not yet expanded.
    pub env: Vec<(String, String)>,
    /// The user; the base's where there is none.
    pub user: Option<String>,
    /// The working directory; the base's where there is none.
    pub workdir: Option<String>,
    /// Ports, beside the base's.
    pub expose: Vec<Port>,
    /// Volumes, beside the base's.
    pub volumes: Vec<Folder>,
    /// The signal that asks it to end; the base's where there is none.
    pub stop_signal: Option<Signal>,
    /// Labels of the config, with those from Cargo.toml and git.
    pub labels: Labels,
    /// Annotations of image and index, with those from Cargo.toml and git.
    pub annotations: Labels,
    /// How our layers are compressed.
    pub packing: CompressionOptions,
    /// The tags.
    pub tags: Vec<String>,
    /// Whether a tag was made from a template.
    pub is_tagged_by_template: bool,
    /// Whether the one manifest goes without an index.
    pub no_index: bool,
    /// Where it is pushed to: repositories, with their registries.
    pub repositories: Vec<Reference>,
    /// The engine it is handed to; the first that answers where there is none.
    pub engine: Option<EngineReference>,
    /// The one time of all that is made: seconds since 1970.
    pub created: Timestamp,
    /// The folder of the OCI layout.
    pub layout: PathBuf,
    /// Files beside the binaries.
    pub files: Vec<FileRule>,
    /// The formats of the SBOMs that are attached; none for no SBOM.
    pub sbom: Vec<SbomFormat>,
    /// Whether it is attached how it came about.
    pub provenance: bool,
    /// Whether its programs hold the list of their crates.
    pub auditable: bool,
    /// Where its sources are developed, as Cargo.toml says.
    pub source: Option<String>,
    /// Cargo's target folder.
    pub target_dir: PathBuf,
}

impl ImagePlan {
    /// Returns what cargo builds of this image for a target.
    pub fn unit(&self, target: Target) -> Unit {
        Unit { package: self.package.clone(), run: self.run, target }
    }

    /// [`ImagePlan::created`] as the mtime in archives: whole seconds since 1970.
    pub fn mtime(&self) -> u64 {
        self.created.as_second().unsigned_abs()
    }

    /// Where assets go, as the rules say it, each place once.
    pub fn asset_places(&self) -> Vec<String> {
        super::each_once(self.files.iter().map(|rule| rule.to.get_ref().clone()))
    }

    /// What is said of a program to start that is in no layer of ours, where no base can have it either.
    pub fn missing_program(&self) -> Option<String> {
        let program = self.entrypoint.first()?;
        let name = program.strip_prefix(self.bin_dir.as_str())?.strip_prefix('/')?;
        let top = self.bin_dir.as_str().split('/').nth(1)?;
        let is_asset = self.files.iter().any(|rule| program.starts_with(rule.to.get_ref().as_str()));
        if ROOT_FOLDERS.contains(&top) || is_asset || self.bins.iter().any(|bin| bin == name) {
            return None;
        }
        Some(format!("the image {} starts {program}, but its binaries are {}", self.name, self.bins.join(", ")))
    }

    /// What is built for, each target once; nothing where that is for the base to say.
    pub fn targets(&self) -> Option<Vec<Target>> {
        let target = |choice: &PlatformChoice| match choice {
            PlatformChoice::One(target) => Some(*target),
            PlatformChoice::All => None,
        };
        self.platforms.iter().map(target).collect::<Option<Vec<_>>>().map(super::each_once)
    }

    /// What engines call it, without a tag: the repositories it is pushed to, else its own name.
    pub fn local_names(&self) -> Vec<String> {
        let repository = |reference: &Reference| format!("{}/{}", reference.registry(), reference.repository());
        match &self.repositories[..] {
            [] => vec![self.name.clone()],
            repositories => repositories.iter().map(repository).collect(),
        }
    }

    /// `NAME:TAG` for all its names and tags.
    pub fn tagged_names(&self) -> Vec<String> {
        let names = self.local_names();
        names.iter().flat_map(|name| self.tags.iter().map(move |tag| format!("{name}:{tag}"))).collect()
    }

    /// Builds for `platform` alone. Its layout is another than that of the whole image, which stays as it is:
    /// `target/oci/NAME@linux-arm64`.
    ///
    /// # Errors
    /// When the image is not made for that platform.
    pub fn narrow(&mut self, platform: &Platform) -> Result<()> {
        let target = self.platforms.iter().find_map(|choice| match choice {
            PlatformChoice::One(target) => (target.platform() == *platform).then_some(*target),
            PlatformChoice::All => platform.target(),
        });
        let target = target.ok_or_else(|| match platform.target() {
            None => miette!(
                help = "choose one that the engine emulates, such as `--platform linux/amd64`, or another engine with `--engine`",
                "Rust has no musl target that makes programs for {platform}"
            ),
            Some(_) => {
                let names: Vec<_> = self.platforms.iter().map(ToString::to_string).collect();
                miette!(
                    help = format!("add {platform} to the key `platforms`, or choose with `--platform {}`", names[0]),
                    "{} is made for {}, not for {platform}",
                    self.name,
                    names.join(", ")
                )
            }
        })?;
        self.platforms = vec![PlatformChoice::One(target)];
        let name = format!("{}@{}", self.name, target.platform().to_string().replace('/', "-"));
        self.layout.set_file_name(name);
        Ok(())
    }
}
