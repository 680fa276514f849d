//! Arguments, Cargo.toml, environment and git → [`Plan`]: decides everything, does nothing.
//!
//! | file | what it decides |
//! | --- | --- |
//! | `spec`, `selection`, `candidates` | the packages, and their images |
//! | [`image`], `facts` | one image, and how it follows from flags, variables and tables |
//! | [`base_keys`] | the bases of all images of a workspace, and the tables that name them |
//! | [`request`] | what a plan is made from, and what for |
//! | `flags` | flags and environment variables, as tables |
//! | [`allocator`] | where allocators come from, and who may want one |
//! | `annotations`, `tags` | what Cargo.toml and git say about an image |
//! | [`finished`] | where an image that was built before is pushed to |
//! | [`compile`], `features`, `bindgen_packages`, `remap` | the runs of cargo |
//! | `prebuilt` | binaries that are not compiled |
//! | `twin` | the same image over a base with a shell |
//! | `conflicts` | images and outputs that would overwrite each other |

pub(crate) mod allocator;
mod annotations;
pub(crate) mod base_keys;
mod bindgen_packages;
pub(crate) mod candidates;
pub(crate) mod compile;
pub(crate) mod conflicts;
pub(crate) mod facts;
mod features;
pub(crate) mod finished;
mod flags;
pub(crate) mod image;
mod prebuilt;
mod remap;
pub(crate) mod request;
pub(crate) mod selection;
mod spec;
mod tags;
mod twin;
mod unit;

use std::path::{Path, PathBuf};

use cargo_metadata::{Metadata, Package};
use miette::{Context, IntoDiagnostic, miette};

pub use allocator::Advice;
pub(crate) use compile::{CargoRun, CompilePlan, Resolve};
pub use image::ImagePlan;
pub(crate) use remap::{Remap, replace_folders};
pub use request::{OnlyPlatform, Purpose, Request};
pub(crate) use unit::Unit;

use crate::cli::{Output, Prebuilt};
use crate::config::{self, ConfigError, Section, Whose};
use crate::environment::Environment;
use crate::error::Result;
use crate::git::{self, Commit, NoCommit};
use crate::interrupt::inherit;
use crate::platform::Target;
use crate::unique::each_once;

/// The plan of a run.
#[derive(Debug)]
pub struct Plan {
    /// The runs of cargo.
    pub compile: CompilePlan,
    /// The commit that is checked out.
    pub commit: Option<Commit>,
    /// Binaries that are compiled already.
    pub prebuilt: Vec<Prebuilt>,
    /// The images.
    pub images: Vec<ImagePlan>,
    /// Whether bases come from the cache only.
    pub is_offline: bool,
    /// The outputs besides the layouts.
    pub outputs: Vec<Output>,
    /// The file that the result is written to as JSON.
    pub metadata_file: Option<PathBuf>,
    /// The folder that SBOMs are written to.
    pub sbom_dir: Option<PathBuf>,
    /// Warnings about it.
    pub warnings: Vec<String>,
    /// Tables and keys of Cargo.toml that are not read, but were probably meant for us.
    pub unread_tables: Vec<ConfigError>,
    /// Advice about it, which is given once.
    pub advice: Vec<Advice>,
}

impl Plan {
    /// Returns whether the binaries of an image for a target get the list of their crates.
    pub(crate) fn is_auditable(&self, image: &ImagePlan, target: Target) -> bool {
        let is_prebuilt = self.prebuilt.iter().any(|given| given.target.platform() == target.platform());
        if is_prebuilt { image.auditable_prebuilt } else { image.auditable }
    }
}

/// Makes the plan.
///
/// # Errors
/// Returns an error if arguments, Cargo.toml or environment are wrong. Nothing has been done then.
pub fn make(request: &Request, environment: &Environment) -> Result<Plan> {
    let args = request.args;
    let folder = manifest_folder(args.cargo.manifest_path.as_deref())?;
    // The commit does not depend on the packages: git runs while cargo reads them.
    let (metadata, commit) = std::thread::scope(|scope| {
        let commit = scope.spawn(inherit(|| git::commit(&folder, environment)));
        (
            compile::metadata(environment, &args.cargo, &[]),
            commit.join().unwrap_or_else(|_| Err(NoCommit::Failed("a thread panicked".to_owned()))),
        )
    });
    let workspace = metadata?;
    let metadata = &workspace.metadata;
    let shared = Section::read(metadata.workspace_root.join("Cargo.toml").as_std_path(), Whose::Workspace)?;
    let flags = flags::flags(&args.image)?;
    let variables = flags::variables(environment)?;
    let repository_override = flags::repository_override(&flags, &variables);
    let facts = facts::Facts {
        args,
        overrides: flags.over(variables),
        created: annotations::created(environment, commit.as_ref().ok())?,
        commit: commit.as_ref().ok(),
        git: tags::Git::new(&folder, environment, commit.as_ref()),
        target_dir: match &args.cargo.target_dir {
            Some(folder) => folder,
            None => metadata.target_directory.as_std_path(),
        },
    };

    conflicts::results_are_lines(facts.target_dir)?;
    let mut warnings = selection::unknown_exclusions(metadata, &args.cargo);
    warnings.extend(annotations::unread_commit(&folder, commit.as_ref()));
    let packages = selection::packages(metadata, &args.cargo)?;
    let unread_tables = near_misses(metadata, &packages, shared.table.is_some());
    let candidates = candidates::candidates(&packages, &shared.table.unwrap_or_default(), args)?;
    let mut images = candidates.into_iter().map(|candidate| facts.image(candidate)).collect::<Result<Vec<_>>>()?;
    warnings.extend(images.iter().filter_map(image::ImagePlan::missing_program));
    if let Some(twin) = &args.twin {
        for image in &mut images {
            warnings.extend(twin::make_twin(image, twin)?);
        }
    }
    if images.is_empty() {
        return Err(conflicts::no_image(&packages, &args.cargo));
    }
    conflicts::one_output_for_one_image(&images, &args.output.outputs)?;
    conflicts::check_images(metadata, &images, repository_override)?;
    conflicts::check_attestations(&images, args.output.sbom_dir.as_deref())?;
    conflicts::outputs_can_be_written(&args.output)?;
    prebuilt::check(&args.image.prebuilt, &images)?;
    let compile = compile::plan(&args.cargo, environment, &workspace, &mut images)?;
    let advised = images.iter().filter(|_| !args.cargo.talk.quiet);
    let advice = advised.filter_map(|image| image.advice(metadata)).collect();
    images.iter_mut().try_for_each(|image| request.purpose.apply(image))?;
    Ok(Plan {
        compile,
        commit: commit.as_ref().ok().cloned(),
        prebuilt: args.image.prebuilt.clone(),
        is_offline: args.cargo.offline || args.cargo.frozen,
        images,
        outputs: args.output.outputs.clone(),
        metadata_file: args.output.metadata_file.clone(),
        sbom_dir: args.output.sbom_dir.clone(),
        warnings,
        advice,
        unread_tables,
    })
}

/// Returns warnings about tables that were probably meant for us, in the Cargo.toml of the workspace and those of the packages.
fn near_misses(metadata: &Metadata, packages: &[&Package], inherits: bool) -> Vec<ConfigError> {
    let root = metadata.workspace_root.join("Cargo.toml");
    let of_packages = packages.iter().map(|package| package.manifest_path.clone());
    let files = each_once(std::iter::once(root).chain(of_packages)).into_iter();
    let read = files.filter_map(|path| Some((std::fs::read_to_string(&path).ok()?, path)));
    read.flat_map(|(text, path)| config::near_misses(path.as_std_path(), &text, inherits)).collect()
}

/// Returns the folder of the Cargo.toml that cargo will find.
pub(crate) fn manifest_folder(given: Option<&Path>) -> Result<PathBuf> {
    let help =
        "change to the folder of a package, or choose it with `--manifest-path`; `cargo new NAME` creates a package";
    if let Some(path) = given {
        if !path.is_file() {
            return Err(miette!(help = help, "cannot find {}", path.display()));
        }
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        return Ok(folder.unwrap_or(Path::new(".")).to_owned());
    }
    let current = std::env::current_dir().into_diagnostic().wrap_err("cannot find the current folder")?;
    let found = current.ancestors().find(|folder| folder.join("Cargo.toml").is_file());
    found
        .map(Path::to_owned)
        .ok_or_else(|| miette!(help = help, "cannot find Cargo.toml in {} or any parent folder", current.display()))
}
