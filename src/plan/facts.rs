//! What the images of one run have in common, and each of them made of it: flags over environment over tables over
//! defaults.

use std::num::NonZero;
use std::path::Path;

use cargo_metadata::{Package, TargetKind};
use jiff::Timestamp;
use miette::Report;

use super::annotations::described;
use super::candidates::Candidate;
use super::features::Features;
use super::flags::repositories;
use super::image::ImagePlan;
use super::tags::{Git, Values};
use super::{DEFAULT_BASE, PROFILE};
use crate::cli::{BuildArgs, CargoArgs};
use crate::config::{FileRule, Folder, Labels, Root, Table};
use crate::environment::Environment;
use crate::error::Result;
use crate::git::Commit;
use crate::image::CompressionOptions;
use crate::platform::{PlatformChoice, TARGETS};
use crate::reference::BaseReference;

/// The folder of the binaries of an image that names none.
const DEFAULT_BIN_DIR: &str = "/app";

/// What the images of one run have in common.
pub struct Facts<'a> {
    pub args: &'a BuildArgs,
    /// Flags over environment variables.
    pub typed: Table,
    pub environment: &'a Environment,
    pub commit: Option<&'a Commit>,
    pub git: Git<'a>,
    pub created: Timestamp,
    pub target_dir: &'a Path,
}

impl Facts<'_> {
    /// The plan of an image.
    ///
    /// # Errors
    /// A tag that cannot be made; a variable that holds what the image cannot.
    pub fn image(&self, candidate: Candidate) -> Result<ImagePlan> {
        let Candidate { package, name, table, bins, .. } = candidate;
        let table = self.typed.clone().over(table);
        let bin_dir = table.bin_dir.map_or_else(|| DEFAULT_BIN_DIR.parse::<Folder>().map_err(Report::msg), Ok)?;
        let entrypoint = table.entrypoint.unwrap_or_else(|| vec![bin_dir.join(&bins[0])]);
        let features = Features::of(&self.args.cargo, &table.features, table.no_default_features, table.all_features);
        let profile = profile(&self.args.cargo, table.profile);
        let described = described(package, &name, self.commit, self.created);
        let over_described = |labels: Labels| {
            let mut all = described.clone();
            all.extend(labels);
            all
        };
        let templates = table.tags.map_or_else(|| "latest".parse().map(|tag| vec![tag]).map_err(Report::msg), Ok)?;
        let values = Values { name: &name, version: &package.version, profile: &profile, git: &self.git };
        let files = table.files.unwrap_or_default();
        has_out_dir(package, &files)?;
        Ok(ImagePlan {
            package: package.id.clone(),
            spec: format!("{}@{}", package.name, package.version),
            version: package.version.to_string(),
            bins,
            tags: values.tags(&templates)?,
            is_tagged_by_template: templates.iter().any(|template| !template.is_plain()),
            profile,
            features,
            run: 0,
            bin_dir,
            base: table.base.map_or_else(default_base, Ok)?,
            base_verify: table.base_verify,
            platforms: table
                .platforms
                .unwrap_or_else(|| TARGETS[..2].iter().copied().map(PlatformChoice::One).collect()),
            entrypoint,
            cmd: table.cmd.unwrap_or_default(),
            env: table.env,
            user: table.user,
            workdir: table.workdir,
            expose: table.expose.unwrap_or_default(),
            volumes: table.volumes.unwrap_or_default(),
            stop_signal: table.stop_signal,
            labels: over_described(table.labels),
            annotations: over_described(table.annotations),
            packing: CompressionOptions {
                compression: table.compression.unwrap_or_default(),
                threads: threads(self.args.cargo.jobs.as_deref()),
            },
            no_index: self.args.image.no_index,
            repositories: repositories(&self.args.image, self.environment, table.repository)?,
            engine: table.engine,
            files,
            sbom: table.sbom.unwrap_or_default().0,
            provenance: table.provenance.unwrap_or(true),
            auditable: table.auditable.unwrap_or_default(),
            source: package.repository.clone(),
            target_dir: self.target_dir.to_owned(),
            created: self.created,
            layout: self.target_dir.join("oci").join(&name),
            name,
        })
    }
}

/// As many as cargo is allowed jobs: so many, all processors but so many, or one for each.
fn threads(jobs: Option<&str>) -> NonZero<usize> {
    let processors = std::thread::available_parallelism().unwrap_or(NonZero::<usize>::MIN);
    match jobs.and_then(|jobs| jobs.parse::<isize>().ok()) {
        Some(jobs @ ..0) => NonZero::new(processors.get().saturating_sub(jobs.unsigned_abs())),
        Some(jobs) => NonZero::new(jobs.unsigned_abs()),
        None => Some(processors),
    }
    .unwrap_or(NonZero::<usize>::MIN)
}

fn default_base() -> Result<BaseReference> {
    DEFAULT_BASE.parse().map_err(Report::from_err)
}

/// Flag, else table, else default.
fn profile(args: &CargoArgs, table: Option<String>) -> String {
    let typed = args.profile.clone().or_else(|| args.release.then(|| PROFILE.to_owned()));
    typed.or(table).unwrap_or_else(|| PROFILE.to_owned())
}

/// Only a build script has a folder of its own to write to.
fn has_out_dir(package: &Package, files: &[FileRule]) -> Result<()> {
    let has_script = package.targets.iter().any(|target| target.kind.contains(&TargetKind::CustomBuild));
    match files.iter().find(|rule| rule.from.get_ref().root == Root::OutDir) {
        Some(rule) if !has_script => Err(rule.mistake(
            rule.from.span(),
            format!("the package {} has no build script, and so no $OUT_DIR", package.name),
            "nothing writes there",
            "add a build.rs that writes the file to the folder in the environment variable OUT_DIR",
        )),
        _ => Ok(()),
    }
}
