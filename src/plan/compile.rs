//! What cargo is run for, and as few times as it can be: images → runs of cargo, and their arguments.
//!
//! One run builds for all targets and packages, also where their features differ: those are named `PACKAGE/FEATURE`. There
//! is one more run for each further profile, for a package that is built with two sets of features, and for one whose
//! features are written `DEPENDENCY/FEATURE`, which cargo would understand of all packages.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use cargo_metadata::{Metadata, MetadataCommand, PackageId};
use miette::{Context, IntoDiagnostic};

use super::c_packages::{CPackage, c_packages};
use super::features::Features;
use super::image::ImagePlan;
use super::{Remap, remap};
use crate::cli::CargoArgs;
use crate::environment::Environment;
use crate::error::{CargoFailed, Result};
use crate::image::Digest;
use crate::image::digest::sha256;

/// What is compiled.
#[derive(Clone, Debug)]
pub struct CompilePlan {
    /// The runs of cargo, at least one.
    pub runs: Vec<CargoRun>,
    /// The folders that programs are not to name.
    pub remaps: Vec<Remap>,
    /// The Cargo.lock of the workspace.
    pub lock: PathBuf,
    /// Whether a missing standard library may be installed.
    pub install: bool,
    /// The environment of this process.
    pub environment: Environment,
}

/// One run of cargo.
#[derive(Clone, Debug)]
pub struct CargoRun {
    /// Cargo's arguments, but for `--target`.
    pub args: Vec<OsString>,
    /// Packages that the binaries are linked with and that compile C code.
    pub c_packages: Vec<CPackage>,
    /// How cargo is asked what they are built from.
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

/// What cargo knows of a workspace.
#[derive(Debug)]
pub struct WorkspaceMetadata {
    /// Its answer.
    pub metadata: Metadata,
    /// Of the bytes of that.
    pub digest: Digest,
}

/// Images that one run of cargo makes.
struct RunGroup<'a> {
    profile: &'a str,
    packages: Vec<(&'a PackageId, &'a Features)>,
    images: Vec<&'a ImagePlan>,
}

impl<'a> RunGroup<'a> {
    fn has_room_for(&self, image: &ImagePlan) -> bool {
        let agrees = |(package, features): &(&PackageId, &Features)| match **package == image.package {
            true => **features == image.features,
            false => features.can_share() && image.features.can_share(),
        };
        self.profile == image.profile && self.packages.iter().all(agrees)
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
            let known = |name: &&str| package.features.contains_key(*name);
            let default = ["default"].into_iter().filter(known).filter(|_| no_default && !features.no_default);
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

/// Decides which run makes which image, and writes it into the images.
///
/// # Errors
/// When cargo does not know a feature: it has said so.
pub fn plan(
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
            groups.push(RunGroup { profile: &image.profile, packages: Vec::new(), images: Vec::new() });
        }
        groups[run].add(image);
        runs_of_images.push(run);
    }
    let run = |group: &RunGroup| -> Result<CargoRun> {
        let features = group.features(&workspace.metadata);
        // Which packages are linked with depends on the features.
        let resolved = match features.is_empty() {
            true => None,
            false => Some(metadata(environment, args, &features)?),
        };
        let packages = group.packages.iter().map(|(package, _)| *package);
        let resolved = resolved.as_ref().unwrap_or(workspace);
        let c_packages = c_packages(&resolved.metadata, packages);
        let resolve = Resolve {
            args: shared_args(args).into_iter().chain(features.iter().cloned()).collect(),
            features: typed_features(args).into_iter().chain(features.iter().map(text)).collect(),
            packages: super::each_once(group.images.iter().map(|image| image.spec.clone())),
            known: resolved.digest.clone(),
        };
        Ok(CargoRun { args: cargo_args(args, group, features), c_packages, resolve })
    };
    let runs = groups.iter().map(run).collect::<Result<_>>()?;
    for (image, run) in images.iter_mut().zip(runs_of_images) {
        image.run = run;
    }
    let install = !(args.no_install || args.offline || args.frozen);
    let remaps = remap::remaps(args, environment, &workspace.metadata);
    let lock = workspace.metadata.workspace_root.join("Cargo.lock").into();
    Ok(CompilePlan { runs, remaps, lock, install, environment: environment.clone() })
}

/// What cargo knows of the workspace, with these features.
///
/// # Errors
/// When cargo cannot be run or understood; [`CargoFailed`] when it has said why.
pub fn metadata(environment: &Environment, args: &CargoArgs, features: &[OsString]) -> Result<WorkspaceMetadata> {
    let cargo = environment.cargo();
    let mut command = Command::new(cargo);
    environment.without_credentials(&mut command);
    command.args(["metadata", "--format-version", "1"]);
    // What is downloaded and looked at is what the images are linked with, not all that other systems would need.
    for target in &crate::platform::TARGETS[..2] {
        command.args(["--filter-platform", target.triple]);
    }
    let output = command
        .args(common_args(args))
        .args(features)
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .into_diagnostic()
        .wrap_err_with(|| format!("cannot run {}", cargo.display()))?;
    if !output.status.success() {
        return Err(CargoFailed { status: output.status.code().unwrap_or(1) }.into());
    }
    let digest = sha256(&output.stdout);
    let text = String::from_utf8(output.stdout).into_diagnostic()?;
    let metadata = MetadataCommand::parse(text).into_diagnostic();
    Ok(WorkspaceMetadata { metadata: metadata.wrap_err("cannot read the answer of `cargo metadata`")?, digest })
}

/// The arguments that every cargo command understands.
fn common_args(args: &CargoArgs) -> Vec<OsString> {
    let mut common = shared_args(args);
    if let Some(color) = args.talk.color {
        common.extend(["--color".into(), color.to_string().into()]);
    }
    common.extend(args.talk.quiet.then(|| "--quiet".into()));
    common
}

/// Those of them that say what is looked at, and not what is said of it.
fn shared_args(args: &CargoArgs) -> Vec<OsString> {
    let mut common: Vec<OsString> = Vec::new();
    let mut value = |flag: &str, value: &OsStr| common.extend([flag.into(), value.to_owned()]);
    if let Some(path) = &args.manifest_path {
        value("--manifest-path", path.as_os_str());
    }
    for features in &args.features {
        value("--features", features.as_ref());
    }
    for config in &args.config {
        value("--config", config.as_ref());
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

/// The features that were typed, as cargo's arguments.
fn typed_features(args: &CargoArgs) -> Vec<String> {
    let list: Vec<_> = args.features.iter().map(|features| format!("--features={features}")).collect();
    let all = args.all_features.then(|| "--all-features".to_owned());
    let none = args.no_default_features.then(|| "--no-default-features".to_owned());
    list.into_iter().chain(all).chain(none).collect()
}

fn text(argument: &OsString) -> String {
    argument.to_string_lossy().into_owned()
}

fn cargo_args(args: &CargoArgs, group: &RunGroup, features: Vec<OsString>) -> Vec<OsString> {
    let mut all: Vec<OsString> = vec!["build".into(), "--message-format=json-render-diagnostics".into()];
    all.extend(common_args(args));
    all.extend(features);
    let mut value = |flag: &str, value: &OsStr| all.extend([flag.into(), value.to_owned()]);
    value("--profile", group.profile.as_ref());
    let mut named: Vec<(&str, &str)> = Vec::new();
    for image in &group.images {
        let spec = [("--package", image.spec.as_str())];
        for argument in spec.into_iter().chain(image.bins.iter().map(|bin| ("--bin", bin.as_str()))) {
            // Several images may be of one package, and have one binary in common.
            if !named.contains(&argument) {
                value(argument.0, argument.1.as_ref());
                named.push(argument);
            }
        }
    }
    if let Some(folder) = &args.target_dir {
        value("--target-dir", folder.as_os_str());
    }
    if let Some(jobs) = &args.jobs {
        value("--jobs", jobs.as_ref());
    }
    if args.talk.verbose > 0 {
        all.push(format!("-{}", "v".repeat(args.talk.verbose.into())).into());
    }
    all
}
