//! Images and outputs that would overwrite each other, found before anything is done.

use std::path::Path;

use cargo_metadata::{Metadata, Package};
use miette::{Report, miette};

use super::image::ImagePlan;
use super::selection::binaries;
use crate::cli::{CargoArgs, Output, OutputArgs, OutputKind};
use crate::error::Result;
use crate::sanitize::is_terminal_control;
use crate::store::layout::check_parts;

/// Checks that SBOMs and provenance are where they can be.
///
/// # Errors
/// Returns an error if an image without an index is to have them there, or SBOMs are wanted as files that nothing has.
pub(crate) fn check_attestations(images: &[ImagePlan], sbom_dir: Option<&Path>) -> Result<()> {
    for image in images {
        if image.no_index && image.attestations.is_in_index() {
            return Err(miette!(
                help = "omit `--no-index`, or attach them: `--attestations referrers`",
                "cannot put attestations into the index of {}: it has none",
                image.name
            ));
        }
        if let Some(folder) = sbom_dir.filter(|_| !image.attestations.has_referrers()) {
            return Err(miette!(
                help = "attach them, too: `--attestations both`",
                "cannot write the SBOMs of {} to {}: they are in its index alone",
                image.name,
                folder.display()
            ));
        }
    }
    Ok(())
}

/// Checks that no two images have the same name, and no two binaries the same file: cargo writes the binaries of all packages
/// to one folder.
///
/// `repository` is the flag or variable that sets the repository of all images, if there is one.
///
/// # Errors
/// Returns an error if two images conflict.
pub(crate) fn check_images(metadata: &Metadata, images: &[ImagePlan], repository: Option<&str>) -> Result<()> {
    for (at, image) in images.iter().enumerate() {
        for other in &images[at + 1..] {
            check_names(metadata, image, other, repository)?;
            if folder(&image.profile) != folder(&other.profile) {
                continue;
            }
            if image.package == other.package {
                check_builds(image, other)?;
            } else {
                check_binaries(metadata, image, other)?;
            }
        }
    }
    Ok(())
}

fn check_names(metadata: &Metadata, image: &ImagePlan, other: &ImagePlan, repository: Option<&str>) -> Result<()> {
    if image.name == other.name {
        return Err(miette!(
            help = "build one at a time with `--package` or `--image`, or rename one",
            "the images of {} and {} have the same name, {}",
            metadata[&image.package].name,
            metadata[&other.package].name,
            image.name
        ));
    }
    let others = other.tagged_names();
    let Some(name) = image.tagged_names().into_iter().find(|name| others.contains(name)) else {
        return Ok(());
    };
    let separate = "set a different `repository` or `tags` for each";
    let separate = repository.map_or_else(
        || {
            format!(
                "write `{{name}}` into their `repository`, as in `repository = \"{}/{{name}}\"`, or {separate}",
                folder_of(&name)
            )
        },
        |repository| format!("{repository} applies to both: write `{{name}}` into it, or remove it and {separate}"),
    );
    Err(miette!(
        help = format!("{separate}, or build one at a time with `--image`"),
        "the images {} and {} have the same name, {name}",
        image.name,
        other.name
    ))
}

/// Returns the part of a repository's name before its last slash.
fn folder_of(name: &str) -> &str {
    name.rsplit_once('/').map_or("ghcr.io/acme", |(folder, _)| folder)
}

/// Returns the folder that cargo writes the binaries of a profile to.
fn folder(profile: &str) -> &str {
    match profile {
        "dev" | "test" => "debug",
        "bench" => "release",
        other => other,
    }
}

fn check_builds(image: &ImagePlan, other: &ImagePlan) -> Result<()> {
    let shared = image.bins.iter().find(|bin| other.bins.contains(bin));
    match shared.filter(|_| (&image.features, &image.profile) != (&other.features, &other.profile)) {
        None => Ok(()),
        Some(bin) => Err(miette!(
            help = "set a different `profile` for one of them, or build one at a time with `--image`",
            "the images {} and {} build the binary `{bin}` in two ways, and cargo writes both to the same file",
            image.name,
            other.name
        )),
    }
}

fn check_binaries(metadata: &Metadata, image: &ImagePlan, other: &ImagePlan) -> Result<()> {
    let others = binaries(&metadata[&other.package]);
    let mut shared = binaries(&metadata[&image.package]).into_iter().filter(|bin| others.contains(bin));
    let shared = shared.find(|bin| image.bins.iter().chain(&other.bins).any(|built| built == bin));
    match shared {
        None => Ok(()),
        Some(bin) => Err(miette!(
            help = "build one at a time with `--package`, or rename one",
            "the packages {} and {} both have a binary `{bin}`, and cargo writes both to the same file",
            metadata[&image.package].name,
            metadata[&other.package].name
        )),
    }
}

/// Returns the error that no image of `packages` is left to build.
pub(crate) fn no_image(packages: &[&Package], args: &CargoArgs) -> Report {
    let mut all: Vec<_> = packages.iter().flat_map(|package| binaries(package)).collect();
    all.sort_unstable();
    let known = args.bins.iter().find(|bin| all.contains(&bin.as_str()));
    match (known, args.bins.first()) {
        _ if packages.is_empty() => {
            miette!(help = "remove one `--exclude`", "`--exclude` excludes all packages of the workspace")
        }
        (Some(bin), _) => miette!(
            help = format!("add it to the `bins` of one, or choose the image to put it into with `--image`"),
            "no selected image has the binary `{bin}`"
        ),
        (None, Some(bin)) if !all.is_empty() => {
            miette!(help = format!("their binaries are {}", all.join(", ")), "no selected package has a binary `{bin}`")
        }
        _ => miette!(
            help = "add a src/main.rs to one of them, or choose others with `--package`",
            "no selected package has a binary"
        ),
    }
}

/// Checks that there is only one image if it is written to an output.
///
/// # Errors
/// Returns an error if there are several.
pub(crate) fn one_output_for_one_image(images: &[ImagePlan], outputs: &[Output]) -> Result<()> {
    match images {
        [_, _, ..] if !outputs.is_empty() => Err(miette!(
            help = "choose one image with `--package` or `--image`; the layouts of all are in target/oci",
            "`--output` takes one image, but {} are selected",
            images.len()
        )),
        _ => Ok(()),
    }
}

/// Checks that results, which contain the path of a layout, are one line each.
///
/// # Errors
/// Returns an error if the folder has a control character in its name.
pub(crate) fn results_are_lines(target_dir: &Path) -> Result<()> {
    // Results are relative to the current folder if they can be.
    let current = std::env::current_dir().unwrap_or_default();
    let shown = target_dir.strip_prefix(current).unwrap_or(target_dir).to_string_lossy();
    if shown.contains(is_terminal_control) {
        return Err(miette!(
            help = "choose another folder with `--target-dir`",
            "the path of the target folder {shown:?} contains control characters"
        ));
    }
    Ok(())
}

/// Checks the place of a file before anything is done.
///
/// # Errors
/// Returns an error if it has no folder, or is one.
pub(crate) fn file_can_be_written(path: &Path) -> Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if !folder.is_dir() {
        return Err(miette!(
            help = format!("create it first: mkdir -p {}", folder.display()),
            "cannot write {}: no such folder {}",
            path.display(),
            folder.display()
        ));
    }
    if path.is_dir() {
        return Err(miette!(help = "choose the path of a file", "cannot write {}: it is a folder", path.display()));
    }
    Ok(())
}

/// Checks the other outputs before minutes of compiling.
///
/// # Errors
/// Returns an error if an output cannot be written.
pub(crate) fn outputs_can_be_written(args: &OutputArgs) -> Result<()> {
    let archives = args.outputs.iter().filter(|output| output.kind != OutputKind::OciDir);
    for path in archives.map(|output| &output.path).chain(&args.metadata_file) {
        file_can_be_written(path)?;
    }
    let folders = args.outputs.iter().filter(|output| output.kind == OutputKind::OciDir).map(|output| &output.path);
    for path in folders {
        check_parts(path)?;
        // Whether it is a layout that can be replaced is checked when it is replaced.
        let is_full = path.read_dir().is_ok_and(|mut entries| entries.next().is_some());
        if is_full && !path.join("oci-layout").exists() {
            return Err(miette!(
                help = "choose an empty or new folder",
                "cannot write {}: it is not empty and not an OCI layout",
                path.display()
            ));
        }
    }
    let mut paths: Vec<_> = args.outputs.iter().map(|output| &output.path).chain(&args.metadata_file).collect();
    paths.sort();
    match paths.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => {
            Err(miette!(help = "choose a different path for each", "two outputs have the path {}", pair[0].display()))
        }
        None => Ok(()),
    }
}
