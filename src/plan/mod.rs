//! Arguments, Cargo.toml, environment and git → [`Plan`]: everything is decided here, and nothing is done.
//!
//! | file | what it decides |
//! | --- | --- |
//! | `selection`, `candidates` | which packages, and which images of them |
//! | [`image`], `facts` | one image, and how it is made of all that is known |
//! | `typed` | flags and environment variables, as tables |
//! | `described`, `tags` | what Cargo.toml and git say of an image |
//! | [`compile`] | the runs of cargo |
//! | [`resolve`] | what cargo resolves for one of them |
//! | `prebuilt` | programs that are not compiled |
//! | `places` | that nothing is in each other's way |

mod candidates;
pub mod compile;
mod described;
mod facts;
pub mod image;
mod places;
mod prebuilt;
mod remap;
pub mod resolve;
mod selection;
mod tags;
mod typed;
mod unit;

use std::path::{Path, PathBuf};

use etcetera::BaseStrategy;
use miette::{Context, IntoDiagnostic, miette};

pub use compile::{CPackage, CargoRun, CompilePlan, Described};
pub use facts::DEFAULT_BASE;
pub use image::ImagePlan;
pub use remap::Remap;
pub use resolve::{Resolve, Resolved};
pub use unit::Unit;

use crate::cli::{BuildArgs, Output, Prebuilt};
use crate::config::{Section, Whose};
use crate::environment::Environment;
use crate::error::Result;
use crate::git::{self, Commit};

/// The profile of an image that names none.
const PROFILE: &str = "release";

/// All that will be done.
#[derive(Debug)]
pub struct Plan {
    /// What cargo compiles.
    pub compile: CompilePlan,
    /// The commit that is checked out.
    pub commit: Option<Commit>,
    /// What need not be compiled.
    pub prebuilt: Vec<Prebuilt>,
    /// The images made of it.
    pub images: Vec<ImagePlan>,
    /// Where content is kept between runs.
    pub cache: PathBuf,
    /// Whether no registry is asked for a base.
    pub is_offline: bool,
    /// What is written besides the layouts.
    pub outputs: Vec<Output>,
    /// Where the result is written as JSON.
    pub metadata_file: Option<PathBuf>,
    /// The folder that SBOMs are written to as files.
    pub sbom_dir: Option<PathBuf>,
    /// What the user may want to know of it.
    pub warnings: Vec<String>,
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
        (compile::metadata(environment.cargo(), &args.cargo, &[]), commit.join().unwrap_or_default())
    });
    let workspace = metadata?;
    let metadata = &workspace.metadata;
    let shared = Section::read(metadata.workspace_root.join("Cargo.toml").as_std_path(), Whose::Workspace)?;
    let facts = facts::Facts {
        args,
        typed: typed::flags(&args.image)?.over(typed::variables(environment)?),
        environment,
        created: described::created(environment, commit.as_ref())?,
        commit: commit.as_ref(),
        git: tags::Git::new(&folder, commit.as_ref()),
        target_dir: match &args.cargo.target_dir {
            Some(folder) => folder,
            None => metadata.target_directory.as_std_path(),
        },
    };

    places::results_are_lines(facts.target_dir)?;
    let mut warnings = selection::unknown_exclusions(metadata, &args.cargo);
    warnings.extend(described::unread_commit(&folder, commit.as_ref()));
    let packages = selection::packages(metadata, &args.cargo)?;
    let candidates = candidates::candidates(&packages, &shared.table.unwrap_or_default(), args)?;
    let mut images = candidates.into_iter().map(|candidate| facts.image(candidate)).collect::<Result<Vec<_>>>()?;
    warnings.extend(images.iter().filter_map(image::ImagePlan::missing_program));
    warnings.extend(remap::warning(&args.cargo, environment));
    if images.is_empty() {
        return Err(places::no_image(&packages, &args.cargo));
    }
    places::one_output_for_one_image(&images, &args.output.outputs)?;
    places::each_in_its_place(metadata, &images, typed::repository_typed(&args.image, environment))?;
    places::outputs_can_be_written(&args.output)?;
    prebuilt::check(&args.image.prebuilt, &images)?;
    Ok(Plan {
        compile: compile::plan(&args.cargo, environment, &workspace, &mut images)?,
        commit: commit.clone(),
        prebuilt: args.image.prebuilt.clone(),
        cache: cache_folder(environment)?,
        is_offline: args.cargo.offline || args.cargo.frozen,
        images,
        outputs: args.output.outputs.clone(),
        metadata_file: args.output.metadata_file.clone(),
        sbom_dir: args.output.sbom_dir.clone(),
        warnings,
    })
}

/// Each of them once, at its first place.
fn each_once<T: PartialEq>(items: impl IntoIterator<Item = T>) -> Vec<T> {
    let mut kept = Vec::new();
    for item in items {
        if !kept.contains(&item) {
            kept.push(item);
        }
    }
    kept
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
