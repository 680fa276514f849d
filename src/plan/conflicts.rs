//! Each image and each output has a place and a name of its own: what is in each other's way is told before anything is
//! done.

use std::path::Path;

use cargo_metadata::{Metadata, Package};
use miette::{Report, miette};

use super::image::ImagePlan;
use super::selection::binaries;
use crate::cli::{CargoArgs, Output, OutputArgs, OutputKind};
use crate::error::Result;
use crate::sanitize::is_terminal_control;

/// Sees to it that no two images, and no two of their programs, are written to the same place: cargo puts the programs
/// of all packages into one folder.
///
/// `typed` is the flag or variable that says where all are pushed to, if one does.
///
/// # Errors
/// The images that are in each other's way.
pub fn each_in_its_place(metadata: &Metadata, images: &[ImagePlan], typed: Option<&str>) -> Result<()> {
    for (at, image) in images.iter().enumerate() {
        for other in &images[at + 1..] {
            let is_same_package = image.package == other.package;
            if image.name == other.name {
                return Err(miette!(
                    help = "build one at a time with `--package` or `--image`, or give one another name",
                    "the images of {} and {} have the same name, {}",
                    metadata[&image.package].name,
                    metadata[&other.package].name,
                    image.name
                ));
            }
            let theirs = other.tagged_names();
            if let Some(name) = image.tagged_names().into_iter().find(|name| theirs.contains(name)) {
                let apart = "give each a `repository` or `tags` of its own";
                let apart = match typed {
                    Some(typed) => format!("{typed} holds for both: {apart} without it"),
                    None => apart.to_owned(),
                };
                return Err(miette!(
                    help = format!("{apart}, or build one at a time with `--image`"),
                    "the images {} and {} are both called {name}",
                    image.name,
                    other.name
                ));
            }
            if folder(&image.profile) == folder(&other.profile) {
                match is_same_package {
                    true => one_build_of_each(image, other)?,
                    false => no_shared_program(metadata, image, other)?,
                }
            }
        }
    }
    Ok(())
}

/// The folder that cargo puts the programs of a profile in.
fn folder(profile: &str) -> &str {
    match profile {
        "dev" | "test" => "debug",
        "bench" => "release",
        other => other,
    }
}

fn one_build_of_each(image: &ImagePlan, other: &ImagePlan) -> Result<()> {
    let shared = image.bins.iter().find(|bin| other.bins.contains(bin));
    match shared.filter(|_| (&image.features, &image.profile) != (&other.features, &other.profile)) {
        None => Ok(()),
        Some(bin) => Err(miette!(
            help = "give one of them a `profile` of its own, or build one at a time with `--image`",
            "the images {} and {} have the binary `{bin}` built in two ways, and cargo writes both to the same file",
            image.name,
            other.name
        )),
    }
}

fn no_shared_program(metadata: &Metadata, image: &ImagePlan, other: &ImagePlan) -> Result<()> {
    let theirs = binaries(&metadata[&other.package]);
    let shared = binaries(&metadata[&image.package]).into_iter().find(|bin| {
        let wanted = |image: &ImagePlan| image.bins.iter().any(|wanted| wanted == bin);
        theirs.contains(bin) && (wanted(image) || wanted(other))
    });
    match shared {
        None => Ok(()),
        Some(bin) => Err(miette!(
            help = "build one at a time with `--package`, or give them names of their own",
            "the packages {} and {} both have a binary `{bin}`, and cargo writes both to the same file",
            metadata[&image.package].name,
            metadata[&other.package].name
        )),
    }
}

/// Why no image is left to be made of `packages`.
pub fn no_image(packages: &[&Package], args: &CargoArgs) -> Report {
    let mut all: Vec<_> = packages.iter().flat_map(|package| binaries(package)).collect();
    all.sort_unstable();
    let known = args.bins.iter().find(|bin| all.contains(&bin.as_str()));
    match (known, args.bins.first()) {
        _ if packages.is_empty() => {
            miette!(help = "leave one of its packages in", "`--exclude` takes all packages of the workspace out")
        }
        (Some(bin), _) => miette!(
            help = format!("add it to the `bins` of one, or say with `--image` which is to be made of `{bin}` alone"),
            "`{bin}` is in none of the images that are built"
        ),
        (None, Some(bin)) if !all.is_empty() => {
            miette!(
                help = format!("their binaries are {}", all.join(", ")),
                "none of the packages has a binary `{bin}`"
            )
        }
        _ => miette!(
            help = "images are made of programs: add a src/main.rs to one of them, or choose others with `--package`",
            "none of the packages has a binary"
        ),
    }
}

/// Sees to it that there is one image alone where there is one place for it.
///
/// # Errors
/// Several images, and an output.
pub fn one_output_for_one_image(images: &[ImagePlan], outputs: &[Output]) -> Result<()> {
    match images {
        [_, _, ..] if !outputs.is_empty() => Err(miette!(
            help = "choose one image with `--package` or `--image`; the layouts of all are in target/oci",
            "`--output` names one place, but {} images are built",
            images.len()
        )),
        _ => Ok(()),
    }
}

/// Sees to it that the results, which name layouts, are one line each.
///
/// # Errors
/// A folder with a line break in its name, or the like.
pub fn results_are_lines(target_dir: &Path) -> Result<()> {
    // A result begins in the current folder where it can.
    let current = std::env::current_dir().unwrap_or_default();
    let shown = target_dir.strip_prefix(current).unwrap_or(target_dir).to_string_lossy();
    match shown.contains(is_terminal_control) {
        true => Err(miette!(
            help = "name another with `--target-dir`: a result is a line",
            "the name of the target folder {shown:?} has characters that are none of a line"
        )),
        false => Ok(()),
    }
}

/// What can be known of the other outputs before minutes of compiling.
///
/// # Errors
/// An output that cannot be written.
pub fn outputs_can_be_written(args: &OutputArgs) -> Result<()> {
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
    let folders = args.outputs.iter().filter(|output| output.kind == OutputKind::OciDir).map(|output| &output.path);
    for path in folders {
        // Whether it is a layout that may be replaced is seen when it is.
        let is_full = path.read_dir().is_ok_and(|mut entries| entries.next().is_some());
        if is_full && !path.join("oci-layout").exists() {
            return Err(miette!(
                help = "name a folder that is empty or not there yet",
                "{} is not an OCI layout, and not empty",
                path.display()
            ));
        }
    }
    let mut paths: Vec<_> = args.outputs.iter().map(|output| &output.path).chain(&args.metadata_file).collect();
    paths.sort();
    match paths.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => Err(miette!(help = "give each its own", "two outputs name {}", pair[0].display())),
        None => Ok(()),
    }
}
