//! Arguments, Cargo.toml, environment and git → [`Plan`]: everything is decided here, and nothing is done.

mod environment;
mod image;
mod selection;

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use cargo_metadata::{Metadata, MetadataCommand, PackageId};
use etcetera::BaseStrategy;
use miette::{Context, IntoDiagnostic, miette};

pub use environment::{Environment, REGISTRY_VARIABLES, without_credentials};
pub use image::{BIN_DIR, DEFAULT_BASE, ImagePlan};

use crate::cli::{BuildArgs, CargoArgs, Output, OutputArgs, OutputKind};
use crate::config::Table;
use crate::error::{CargoFailed, Result};
use crate::git;

/// All that will be done.
#[derive(Debug)]
pub struct Plan {
    /// What cargo compiles.
    pub compile: CompilePlan,
    /// The images made of it: one for each package.
    pub images: Vec<ImagePlan>,
    /// Where pulled content is kept.
    pub cache: PathBuf,
    /// What is written besides the layouts.
    pub outputs: Vec<Output>,
    /// Where the result is written as JSON.
    pub metadata_file: Option<PathBuf>,
}

/// One run of cargo.
#[derive(Clone, Debug)]
pub struct CompilePlan {
    /// Cargo's arguments, but for `--target`.
    pub args: Vec<OsString>,
    /// Packages that the binaries are linked with and that compile C code.
    pub c_packages: Vec<CPackage>,
    /// Whether a missing standard library may be installed.
    pub install: bool,
    /// The environment of this process.
    pub environment: Environment,
}

/// A package that compiles C code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CPackage {
    /// As cargo's messages name it.
    pub id: PackageId,
    /// Its name and version.
    pub name: String,
}

/// Decides everything.
///
/// # Errors
/// Any mistake in arguments, Cargo.toml and environment; nothing has been done then.
pub fn make(args: &BuildArgs, environment: &Environment) -> Result<Plan> {
    let folder = manifest_folder(args.cargo.manifest_path.as_deref())?;
    // The commit does not depend on the packages: git is asked while cargo reads them.
    let (metadata, commit) = std::thread::scope(|scope| {
        let commit = scope.spawn(|| git::commit(&folder));
        (metadata(environment.cargo(), &args.cargo), commit.join().unwrap_or_default())
    });
    let metadata = metadata?;
    let shared = Table::read(metadata.workspace_root.join("Cargo.toml").as_std_path(), "workspace")?;
    let facts = image::Facts {
        args: &args.image,
        shared: &shared,
        environment,
        created: image::created(environment, commit.as_ref())?,
        commit: commit.as_ref(),
        target_dir: match &args.cargo.target_dir {
            Some(folder) => folder,
            None => metadata.target_directory.as_std_path(),
        },
    };

    let mut images = Vec::new();
    let packages = selection::packages(&metadata, &args.cargo)?;
    let several = packages.len() > 1;
    for package in packages {
        let table = Table::read(package.manifest_path.as_std_path(), "package")?;
        let all = selection::binaries(package);
        // Among several packages, one without a program, or without that of the name, is no mistake.
        let has_wanted = args.cargo.bins.is_empty() || args.cargo.bins.iter().any(|bin| all.contains(&bin.as_str()));
        if several && (all.is_empty() || !has_wanted) {
            continue;
        }
        let bins = selection::bins(package, &table, &args.cargo, several)?;
        images.push(facts.image(package, table, bins)?);
    }
    one_output_for_one_image(&images, &args.output.outputs)?;
    selection::each_in_its_place(&metadata, &images)?;
    outputs_can_be_written(&args.output)?;
    Ok(Plan {
        compile: CompilePlan {
            args: cargo_args(&args.cargo, &images),
            c_packages: selection::c_packages(&metadata, images.iter().map(|image| &image.package)),
            install: !(args.cargo.no_install || args.cargo.offline || args.cargo.frozen),
            environment: environment.clone(),
        },
        cache: cache_folder(environment)?,
        images,
        outputs: args.output.outputs.clone(),
        metadata_file: args.output.metadata_file.clone(),
    })
}

/// The folder of the Cargo.toml that cargo will find; an error of ours where it would find none.
fn manifest_folder(given: Option<&Path>) -> Result<PathBuf> {
    let help =
        "run it in a package's folder, or name its Cargo.toml with `--manifest-path`; `cargo new NAME` makes a package";
    if let Some(path) = given {
        if !path.is_file() {
            return Err(miette!(help = help, "there is no file {}", path.display()));
        }
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        return Ok(folder.unwrap_or(Path::new(".")).to_owned());
    }
    let current = std::env::current_dir().into_diagnostic().wrap_err("cannot find the current folder")?;
    let found = current.ancestors().find(|folder| folder.join("Cargo.toml").is_file());
    found
        .map(Path::to_owned)
        .ok_or_else(|| miette!(help = help, "there is no Cargo.toml in {} or a folder above it", current.display()))
}

fn metadata(cargo: &OsStr, args: &CargoArgs) -> Result<Metadata> {
    let mut command = Command::new(cargo);
    without_credentials(&mut command);
    command.args(["metadata", "--format-version", "1"]);
    // What is downloaded and looked at is what the images are linked with, not all that other systems would need.
    for target in &crate::platform::TARGETS[..2] {
        command.args(["--filter-platform", target.triple]);
    }
    let output = command
        .args(common_args(args))
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .into_diagnostic()
        .wrap_err_with(|| format!("cannot run {}", cargo.display()))?;
    if !output.status.success() {
        return Err(CargoFailed { status: output.status.code().unwrap_or(1) }.into());
    }
    let text = String::from_utf8(output.stdout).into_diagnostic()?;
    MetadataCommand::parse(text).into_diagnostic().wrap_err("cannot read the answer of `cargo metadata`")
}

/// The arguments that every cargo command understands.
fn common_args(args: &CargoArgs) -> Vec<OsString> {
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
    if let Some(color) = args.talk.color {
        value("--color", color.to_string().as_ref());
    }
    for (flag, given) in [
        ("--all-features", args.all_features),
        ("--no-default-features", args.no_default_features),
        ("--locked", args.locked),
        ("--offline", args.offline),
        ("--frozen", args.frozen),
        ("--quiet", args.talk.quiet),
    ] {
        common.extend(given.then(|| flag.into()));
    }
    common
}

fn cargo_args(args: &CargoArgs, images: &[ImagePlan]) -> Vec<OsString> {
    let mut all: Vec<OsString> = vec!["build".into(), "--message-format=json-render-diagnostics".into()];
    all.extend(common_args(args));
    let mut value = |flag: &str, value: &OsStr| all.extend([flag.into(), value.to_owned()]);
    value("--profile", args.profile.as_ref());
    for image in images {
        value("--package", image.spec.as_ref());
        for bin in &image.bins {
            value("--bin", bin.as_ref());
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

fn one_output_for_one_image(images: &[ImagePlan], outputs: &[Output]) -> Result<()> {
    match images {
        [] => Err(miette!(
            help = "images are made of programs: add a src/main.rs to one of them, or check `--bin` and `--package`",
            "none of the packages has the binary that an image could be made of"
        )),
        [_, _, ..] if !outputs.is_empty() => Err(miette!(
            help = "choose one image with `--package`; the layouts of all are in target/oci",
            "`--output` names one place, but {} images are built",
            images.len()
        )),
        _ => Ok(()),
    }
}

/// What can be known of the other outputs before minutes of compiling.
fn outputs_can_be_written(args: &OutputArgs) -> Result<()> {
    let archives = args.outputs.iter().filter(|output| output.kind != OutputKind::OciDir);
    for path in archives.map(|output| &output.path).chain(&args.metadata_file) {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        if !folder.is_dir() {
            return Err(miette!(
                help = format!("create it first: mkdir -p {}", folder.display()),
                "cannot write {}: there is no folder {}",
                path.display(),
                folder.display()
            ));
        }
        if path.is_dir() {
            return Err(miette!(help = "name a file", "cannot write {}: it is a folder", path.display()));
        }
    }
    let mut paths: Vec<_> = args.outputs.iter().map(|output| &output.path).chain(&args.metadata_file).collect();
    paths.sort();
    match paths.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => Err(miette!(help = "give each its own", "two outputs name {}", pair[0].display())),
        None => Ok(()),
    }
}

/// The folder of the cache: `CARGO_OCI_CACHE_DIR`, else one in the user's.
///
/// # Errors
/// When nothing says where that is.
pub fn cache_folder(environment: &Environment) -> Result<PathBuf> {
    if let Some(folder) = environment.get("CARGO_OCI_CACHE_DIR") {
        return Ok(folder.into());
    }
    let user = etcetera::base_strategy::choose_native_strategy().into_diagnostic();
    let user = user.map_err(|error| {
        miette!(help = "set CARGO_OCI_CACHE_DIR to a folder of yours", "cannot find the user's cache folder: {error}")
    })?;
    Ok(user.cache_dir().join("cargo-oci"))
}
