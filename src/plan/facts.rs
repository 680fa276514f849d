//! The plan of each image: from flags, environment variables, tables and defaults.

use std::num::NonZero;
use std::path::Path;

use cargo_metadata::{Package, TargetKind};
use jiff::Timestamp;
use miette::{Report, miette};

use super::annotations::described;
use super::candidates::ImageCandidate;
use super::features::Features;
use super::image::ImagePlan;
use super::tags::{Git, Values};
use crate::cli::{BuildArgs, CargoArgs};
use crate::config::value::{Arguments, Entrypoint, KeyValue, NonEmpty};
use crate::config::{BaseVerify, ByteSize, FileRule, Folder, PatternRoot, Table};
use crate::error::Result;
use crate::git::Commit;
use crate::image::CompressionOptions;
use crate::platform::{Libc, PlatformChoice, TARGETS};
use crate::reference::{BaseReference, SignerReference};

/// The base of an image without the key `base`.
pub(crate) const DEFAULT_BASE: &str = "gcr.io/distroless/static-debian13:nonroot";
/// The base of an image without that key whose programs are linked with glibc. Programs for musl run over it, too.
const DEFAULT_GLIBC_BASE: &str = "gcr.io/distroless/cc-debian13:nonroot";
/// The profile of an image without the key `profile`.
const PROFILE: &str = "release";
/// The folder of the binaries of an image without the key `bin-dir`.
const DEFAULT_BIN_DIR: &str = "/app";
/// The tag of an image without the key `tags`.
const DEFAULT_TAG: &str = "latest";

/// The inputs that all images of a run share.
pub(crate) struct Facts<'a> {
    pub args: &'a BuildArgs,
    /// Flags over environment variables.
    pub overrides: Table,
    pub commit: Option<&'a Commit>,
    pub git: Git<'a>,
    pub created: Timestamp,
    pub target_dir: &'a Path,
}

impl Facts<'_> {
    /// Returns the plan of an image.
    ///
    /// # Errors
    /// Returns an error if a placeholder has no value, or if a rule of `files` needs a build script that does not exist.
    pub(crate) fn image(&self, candidate: ImageCandidate) -> Result<ImagePlan> {
        let ImageCandidate { package, name, table, bins, .. } = candidate;
        let table = self.overrides.clone().over(table);
        let bin_dir =
            table.bin_dir.clone().map_or_else(|| DEFAULT_BIN_DIR.parse::<Folder>().map_err(Report::msg), Ok)?;
        let features = Features::of(&self.args.cargo, &table);
        let entrypoint = table.entrypoint.unwrap_or_else(|| Entrypoint(vec![bin_dir.join(&bins[0])]));
        let profile = profile(&self.args.cargo, table.profile.map(|profile| profile.0));
        let described = described(package, &name, self.commit, self.created);
        let tags =
            table.tags.map_or_else(|| DEFAULT_TAG.parse().map(|tag| NonEmpty(vec![tag])).map_err(Report::msg), Ok)?;
        let platforms = self.platforms(table.platforms.map(|platforms| platforms.0), table.libc.unwrap_or_default());
        let values = Values {
            name: &name,
            package: &package.name,
            version: &package.version,
            profile: &profile,
            git: &self.git,
        };
        let base = table.base.map_or_else(|| default_base(&platforms), Ok)?;
        let files = table.files.unwrap_or_default();
        has_out_dir(package, &files)?;
        Ok(ImagePlan {
            package: package.id.clone(),
            spec: format!("{}@{}", package.name, package.version),
            version: package.version.to_string(),
            bins,
            tags: values.tags(&tags.0)?,
            env: values.env(table.env.unwrap_or_default())?,
            labels: values.labels(table.labels.unwrap_or_default())?.over(described.clone()),
            annotations: values.labels(table.annotations.unwrap_or_default())?.over(described),
            repositories: values.repositories(&table.repository.unwrap_or_default().0)?,
            is_tagged_by_template: tags.0.iter().any(|tag| !tag.is_plain()),
            profile,
            features,
            allocator: table.allocator,
            run: 0,
            bin_dir,
            debug_base: table.debug_base,
            base_verify: base_verify(&name, &base, table.base_verify)?,
            policy: table.policy,
            base,
            platforms,
            entrypoint: entrypoint.0,
            cmd: table.cmd.map(|Arguments(cmd)| cmd).unwrap_or_default(),
            user: table.user.map(|user| user.0),
            workdir: table.workdir.map(|workdir| workdir.0),
            expose: table.expose.unwrap_or_default(),
            volumes: table.volumes.unwrap_or_default().into_iter().map(|volume| volume.0).collect(),
            stop_signal: table.stop_signal,
            packing: CompressionOptions {
                compression: table.compression.unwrap_or_default(),
                threads: threads(self.args.cargo.jobs.as_deref()),
            },
            max_size: table.max_size.map(|ByteSize(bytes)| bytes),
            no_index: self.args.image.no_index,
            engine: table.engine,
            files,
            sbom: table.sbom.unwrap_or_default().0,
            is_sbom_required: self.args.image.table.sbom.is_some(),
            provenance: table.provenance.unwrap_or(true),
            is_provenance_required: self.args.image.table.provenance.is_some(),
            tests: table.test.unwrap_or_default().0,
            attestations: table.attestations.unwrap_or_default(),
            signature_format: table.signature_format.unwrap_or_default(),
            vex: table.vex.unwrap_or_default().0,
            is_vex_required: self.args.image.table.vex.is_some(),
            auditable: table.auditable.unwrap_or(true),
            auditable_prebuilt: table.auditable.unwrap_or_default(),
            source: package.repository.clone(),
            target_dir: self.target_dir.to_owned(),
            created: self.created,
            layout: self.target_dir.join("oci").join(&name),
            name,
        })
    }

    /// Returns the platforms of an image, with their targets for a C library. A target that was typed is what it says.
    fn platforms(&self, chosen: Option<Vec<PlatformChoice>>, libc: Libc) -> Vec<PlatformChoice> {
        let libc = self.args.image.targets.is_empty().then_some(libc);
        platforms(chosen, libc)
    }
}

/// Returns the platforms of an image, or the default ones, with their targets for a C library if there is one to choose.
pub(super) fn platforms(chosen: Option<Vec<PlatformChoice>>, libc: Option<Libc>) -> Vec<PlatformChoice> {
    let platforms = chosen.unwrap_or_else(|| TARGETS[..2].iter().copied().map(PlatformChoice::One).collect());
    match libc {
        Some(libc) => platforms.into_iter().map(|choice| choice.with_libc(libc)).collect(),
        None => platforms,
    }
}

/// Returns the number of jobs that cargo may run: `N`, the number of processors minus `N`, or that number.
fn threads(jobs: Option<&str>) -> NonZero<usize> {
    let processors = std::thread::available_parallelism().unwrap_or(NonZero::<usize>::MIN);
    match jobs.and_then(|jobs| jobs.parse::<isize>().ok()) {
        Some(jobs @ ..0) => NonZero::new(processors.get().saturating_sub(jobs.unsigned_abs())),
        Some(jobs) => NonZero::new(jobs.unsigned_abs()),
        None => Some(processors),
    }
    .unwrap_or(NonZero::<usize>::MIN)
}

/// Returns the base of an image without the key `base`.
pub(super) fn default_base(platforms: &[PlatformChoice]) -> Result<BaseReference> {
    let needs_glibc = platforms.iter().any(|choice| choice.libc() == Libc::Gnu);
    let base = if needs_glibc { DEFAULT_GLIBC_BASE } else { DEFAULT_BASE };
    base.parse().map_err(Report::from_err)
}

/// Returns who must have signed the base.
///
/// # Errors
/// Returns an error if the base is none that somebody can have signed.
pub(super) fn base_verify(
    image: &str,
    base: &BaseReference,
    verify: Option<BaseVerify>,
) -> Result<Option<SignerReference>> {
    let Some(BaseVerify(Some(signer))) = verify else { return Ok(None) };
    let why = match base {
        BaseReference::Embedded => "it is a part of cargo-oci, and has no signature",
        BaseReference::Scratch => "there is nothing that could be signed",
        _ => return Ok(Some(signer)),
    };
    Err(miette!(
        help = "set `base-verify = false` for this image, or use a base that is signed",
        "cannot verify the base `{base}` of {image}, as `base-verify` requires: {why}"
    ))
}

/// Returns the profile: by flag, by table, else the default.
fn profile(args: &CargoArgs, table: Option<String>) -> String {
    let typed = args.profile.clone().or_else(|| args.release.then(|| PROFILE.to_owned()));
    typed.or(table).unwrap_or_else(|| PROFILE.to_owned())
}

/// Checks that a package with rules for `$OUT_DIR` has a build script.
fn has_out_dir(package: &Package, files: &[FileRule]) -> Result<()> {
    let has_script = package.targets.iter().any(|target| target.kind.contains(&TargetKind::CustomBuild));
    match files.iter().find(|rule| rule.pattern().is_some_and(|from| from.root == PatternRoot::OutDir)) {
        Some(rule) if !has_script => Err(rule.error(
            rule.title().1,
            format!("the package {} has no build script, which would set $OUT_DIR", package.name),
            "no build script writes there",
            "add a build.rs that writes the file to the folder in the environment variable OUT_DIR",
        )),
        _ => Ok(()),
    }
}
