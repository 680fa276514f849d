//! Images → as few runs of cargo as possible, and their arguments.
//!
//! One run builds for all targets and packages, even if their features differ: these are written `PACKAGE/FEATURE`. There is one
//! more run for each other profile or allocator, for a package that is built with two sets of features, and for a package with
//! features `DEPENDENCY/FEATURE`, which cargo would apply to all packages.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::process::Stdio;

use cargo_metadata::{Metadata, MetadataCommand, PackageId};
use miette::{Context, IntoDiagnostic};

use super::bindgen_packages::{BindgenPackage, bindgen_packages};
use super::features::Features;
use super::image::ImagePlan;
use super::remap::{self, Remap};
use crate::cli::CargoArgs;
use crate::config::Allocator;
use crate::environment::Environment;
use crate::error::{CargoFailed, Result};
use crate::image::Digest;
use crate::image::digest::sha256;
use crate::interrupt::blocking;
use crate::unique::each_once;

/// What is compiled.
#[derive(Clone, Debug)]
pub struct CompilePlan {
    /// The runs of cargo, at least one.
    pub runs: Vec<CargoRun>,
    /// The folders that are replaced in binaries: all, or none if the user wants to keep them.
    pub remaps: Vec<Remap>,
    /// All folders of this machine that are replaced.
    pub folders: Vec<Remap>,
    /// The Cargo.lock of the workspace.
    pub lock: PathBuf,
    /// The values of `--config`.
    pub config: Vec<String>,
    /// Whether cargo must not use the network.
    pub is_offline: bool,
    /// Cargo's target folder.
    pub target_dir: PathBuf,
    /// Whether a missing Rust target may be installed.
    pub install: bool,
    /// The environment of this process.
    pub environment: Environment,
}

/// One run of cargo.
#[derive(Clone, Debug)]
pub struct CargoRun {
    /// Cargo's arguments, without `--target`.
    pub args: Vec<OsString>,
    /// The allocator of the binaries.
    pub allocator: Allocator,
    /// The packages that the binaries are linked with and that read C headers with bindgen.
    pub bindgen_packages: Vec<BindgenPackage>,
    /// How to resolve the packages that they are built from.
    pub resolve: Resolve,
}

/// What `cargo tree` and `cargo metadata` are asked about the packages of one run.
#[derive(Clone, Debug)]
pub struct Resolve {
    /// The arguments that select Cargo.toml, features and configuration.
    pub args: Vec<OsString>,
    /// Those of them that select features.
    pub features: Vec<String>,
    /// The packages of the run, as cargo's arguments name them.
    pub packages: Vec<String>,
    /// The digest of the `cargo metadata` output that the plan was made from. While it stays the same, so do the answers.
    pub known: Digest,
}

/// The output of `cargo metadata`.
#[derive(Debug)]
pub(crate) struct WorkspaceMetadata {
    /// The packages.
    pub metadata: Metadata,
    /// The text of Cargo.lock, or an empty one.
    pub lock: String,
    /// The digest of the output.
    pub digest: Digest,
}

/// The images that one run of cargo builds.
struct RunGroup<'a> {
    profile: &'a str,
    allocator: Allocator,
    packages: Vec<(&'a PackageId, &'a Features)>,
    images: Vec<&'a ImagePlan>,
}

impl<'a> RunGroup<'a> {
    fn has_room_for(&self, image: &ImagePlan) -> bool {
        self.profile == image.profile
            && self.allocator == image.allocator()
            && self.packages.iter().all(|(package, features)| {
                if **package == image.package {
                    **features == image.features
                } else {
                    features.can_share() && image.features.can_share()
                }
            })
    }

    fn add(&mut self, image: &'a ImagePlan) {
        if self.packages.iter().all(|(package, _)| **package != image.package) {
            self.packages.push((&image.package, &image.features));
        }
        self.images.push(image);
    }

    fn features(&self, metadata: &Metadata) -> Vec<OsString> {
        if let [(_, features)] = self.packages[..] {
            return arguments(features.no_default, features.all, &features.list);
        }
        let no_default = self.packages.iter().any(|(_, features)| features.no_default && !features.all);
        let mut list = Vec::new();
        for (package, features) in &self.packages {
            let package = &metadata[package];
            let needs_default = no_default && !features.no_default && package.features.contains_key("default");
            let default = Some("default").filter(|_| needs_default).into_iter();
            let all = package.features.keys().map(String::as_str).filter(|_| features.all);
            let named = features.list.iter().map(String::as_str);
            list.extend(default.chain(all).chain(named).map(|name| format!("{}/{name}", package.name)));
        }
        arguments(no_default, false, &list)
    }
}

fn arguments(no_default: bool, all: bool, list: &[String]) -> Vec<OsString> {
    let mut arguments: Vec<OsString> = Vec::new();
    arguments.extend(no_default.then(|| "--no-default-features".into()));
    arguments.extend(all.then(|| "--all-features".into()));
    if !list.is_empty() {
        arguments.extend(["--features".into(), list.join(",").into()]);
    }
    arguments
}

/// Plans the runs of cargo, and sets the run of each image.
///
/// # Errors
/// Returns an error if cargo does not know a feature, which it has reported.
pub(crate) fn plan(
    args: &CargoArgs,
    environment: &Environment,
    workspace: &WorkspaceMetadata,
    images: &mut [ImagePlan],
) -> Result<CompilePlan> {
    let mut groups: Vec<RunGroup> = Vec::new();
    let mut runs_of_images = Vec::new();
    for image in images.iter() {
        let run = groups.iter().position(|group| group.has_room_for(image)).unwrap_or(groups.len());
        if run == groups.len() {
            let (profile, allocator) = (&image.profile, image.allocator());
            groups.push(RunGroup { profile, allocator, packages: Vec::new(), images: Vec::new() });
        }
        groups[run].add(image);
        runs_of_images.push(run);
    }
    let runs = groups.iter().map(|group| cargo_run(group, args, environment, workspace)).collect::<Result<_>>()?;
    for (image, run) in images.iter_mut().zip(runs_of_images) {
        image.run = run;
    }
    let install = !(args.no_install || args.offline || args.frozen);
    let folders = remap::remaps(args, environment, &workspace.metadata);
    let lock = workspace.metadata.workspace_root.join("Cargo.lock").into();
    Ok(CompilePlan {
        runs,
        remaps: if args.no_remap_path_prefix { Vec::new() } else { folders.clone() },
        folders,
        lock,
        config: args.config.clone(),
        is_offline: args.offline || args.frozen,
        target_dir: args.target_dir.clone().unwrap_or_else(|| workspace.metadata.target_directory.clone().into()),
        install,
        environment: environment.clone(),
    })
}

fn cargo_run(
    group: &RunGroup,
    args: &CargoArgs,
    environment: &Environment,
    workspace: &WorkspaceMetadata,
) -> Result<CargoRun> {
    let features = group.features(&workspace.metadata);
    // The packages that are linked depend on the features.
    let resolved = if features.is_empty() { None } else { Some(metadata(environment, args, &features)?) };
    let packages = group.packages.iter().map(|(package, _)| *package);
    let resolved = resolved.as_ref().unwrap_or(workspace);
    let bindgen_packages = bindgen_packages(&resolved.metadata, packages);
    let resolve = Resolve {
        args: shared_args(args).into_iter().chain(features.iter().cloned()).collect(),
        features: feature_args(args).into_iter().chain(features.iter().map(text)).collect(),
        packages: each_once(group.images.iter().map(|image| package_spec(image, &workspace.lock).to_owned())),
        known: resolved.digest.clone(),
    };
    let args = cargo_args(args, group, features, &workspace.lock);
    Ok(CargoRun { args, allocator: group.allocator, bindgen_packages, resolve })
}

/// Runs `cargo metadata` with these features.
///
/// # Errors
/// Returns an error if cargo cannot be run or its output cannot be read; [`CargoFailed`] if it has reported why.
pub(crate) fn metadata(
    environment: &Environment,
    args: &CargoArgs,
    features: &[OsString],
) -> Result<WorkspaceMetadata> {
    let cargo = environment.cargo();
    let mut command = environment.command(cargo);
    command.args(["metadata", "--format-version", "1"]);
    // Only packages that images can be linked with, not those for other systems.
    for target in &crate::platform::TARGETS[..2] {
        command.args(["--filter-platform", target.triple]);
    }
    command.args(common_args(args)).args(features).stdin(Stdio::null()).stderr(Stdio::inherit());
    let output =
        blocking::output(&mut command).into_diagnostic().wrap_err_with(|| format!("cannot run {}", cargo.display()))?;
    if !output.status.success() {
        return Err(CargoFailed { status: output.status.code().unwrap_or(1) }.into());
    }
    let digest = sha256(&output.stdout);
    let text = String::from_utf8(output.stdout).into_diagnostic()?;
    let metadata = MetadataCommand::parse(text).into_diagnostic();
    let metadata = metadata.wrap_err("cannot read the output of `cargo metadata`")?;
    let lock = std::fs::read_to_string(metadata.workspace_root.join("Cargo.lock")).unwrap_or_default();
    Ok(WorkspaceMetadata { metadata, lock, digest })
}

/// Returns the arguments that every cargo command takes.
fn common_args(args: &CargoArgs) -> Vec<OsString> {
    let mut common = shared_args(args);
    if let Some(color) = args.talk.color {
        common.extend(["--color".into(), color.to_string().into()]);
    }
    common.extend(args.talk.quiet.then(|| "--quiet".into()));
    common
}

fn add_flag(args: &mut Vec<OsString>, flag: &str, value: &OsStr) {
    args.extend([flag.into(), value.to_owned()]);
}

/// Returns those of them that do not only change what cargo prints.
fn shared_args(args: &CargoArgs) -> Vec<OsString> {
    let mut common: Vec<OsString> = Vec::new();
    if let Some(path) = &args.manifest_path {
        add_flag(&mut common, "--manifest-path", path.as_os_str());
    }
    for features in &args.features {
        add_flag(&mut common, "--features", features.as_ref());
    }
    for config in &args.config {
        add_flag(&mut common, "--config", config.as_ref());
    }
    for (flag, given) in [
        ("--all-features", args.all_features),
        ("--no-default-features", args.no_default_features),
        ("--locked", args.locked),
        ("--offline", args.offline),
        ("--frozen", args.frozen),
    ] {
        common.extend(given.then(|| flag.into()));
    }
    common
}

/// Returns the features of the command line, as cargo's arguments.
fn feature_args(args: &CargoArgs) -> Vec<String> {
    let list: Vec<_> = args.features.iter().map(|features| format!("--features={features}")).collect();
    let all = args.all_features.then(|| "--all-features".to_owned());
    let none = args.no_default_features.then(|| "--no-default-features".to_owned());
    list.into_iter().chain(all).chain(none).collect()
}

fn text(argument: &OsString) -> String {
    argument.to_string_lossy().into_owned()
}

/// Returns the package as cargo's arguments name it: by its id if a dependency has its name and version, on any platform.
fn package_spec<'a>(image: &'a ImagePlan, lock: &str) -> &'a str {
    let (name, version) = image.spec.split_once('@').unwrap_or((&image.spec, ""));
    let lines = lock.lines().zip(lock.lines().skip(1));
    let entry = (format!("name = \"{name}\""), format!("version = \"{version}\""));
    let has_same = lines.filter(|(first, second)| (*first, *second) == (&entry.0, &entry.1)).nth(1).is_some();
    // In the ids of cargo before 1.77, spaces separate the parts: they are no arguments.
    if has_same && !image.package.repr.contains(' ') { &image.package.repr } else { &image.spec }
}

fn cargo_args(args: &CargoArgs, group: &RunGroup, features: Vec<OsString>, lock: &str) -> Vec<OsString> {
    let mut all: Vec<OsString> = vec!["build".into(), "--message-format=json-render-diagnostics".into()];
    all.extend(common_args(args));
    all.extend(features);
    add_flag(&mut all, "--profile", group.profile.as_ref());
    let selected = group.images.iter().flat_map(|image| {
        let bins = image.bins.iter().map(|bin| ("--bin", bin.as_str()));
        [("--package", package_spec(image, lock))].into_iter().chain(bins)
    });
    // Several images may share a package or a binary.
    for (flag, value) in each_once(selected) {
        add_flag(&mut all, flag, value.as_ref());
    }
    if let Some(folder) = &args.target_dir {
        add_flag(&mut all, "--target-dir", folder.as_os_str());
    }
    if let Some(jobs) = &args.jobs {
        add_flag(&mut all, "--jobs", jobs.as_ref());
    }
    if args.talk.verbose > 0 {
        all.push(format!("-{}", "v".repeat(args.talk.verbose.into())).into());
    }
    all
}
