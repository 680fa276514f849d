//! `cargo oci bundle`: build, or take another image, then unpack it as a runtime bundle.

use std::path::PathBuf;

use miette::{IntoDiagnostic, miette};

use super::Outcome;
use crate::base::Base;
use crate::build::Build;
use crate::bundle::{Form, Target};
use crate::cli::{BuildArgs, BundleArgs, BundleForm, ImageArgs};
use crate::context::GlobalContext;
use crate::context::image::reference;
use crate::error::{Result, or_help};
use crate::plan::{Plan, Purpose, Request};
use crate::platform::{PlatformChoice, Target as RustTarget};
use crate::publish::bundles::{bundle_image, unpack};

/// Makes the bundle of every image that the arguments select; returns their paths.
///
/// # Errors
/// Returns the first failure; then that bundle does not exist.
pub fn run(args: &BundleArgs, context: &GlobalContext) -> Result<Outcome> {
    let platform = platform(&args.image)?;
    let targets = match &args.from {
        Some(from) => vec![other(args, from, platform, context)?],
        None => built(args, platform, context)?,
    };
    Ok(Outcome::Results(targets.iter().map(|target| target.path.display().to_string()).collect()))
}

fn built(args: &BundleArgs, platform: RustTarget, context: &GlobalContext) -> Result<Vec<Target>> {
    let build = BuildArgs { image: args.image.clone(), cargo: args.cargo.clone(), ..BuildArgs::default() };
    let mut targets = Vec::new();
    let request = Request { args: &build, purpose: Purpose::Bundle(platform.platform()) };
    let built = Build { request, complete: true, attach: false, context }.run(
        |plan| {
            targets = paths(args, plan)?.into_iter().map(|path| target(args, path)).collect();
            targets.iter().try_for_each(Target::check)?;
            // The folder of all layouts is created with the first of them.
            targets.iter().filter(|_| args.path.is_some()).try_for_each(Target::check_folder)
        },
        &(),
    )?;
    for ((_, image, layout), target) in built.each().zip(&targets) {
        let base = Base::read(layout, image.root.clone(), &[PlatformChoice::One(platform)])?;
        unpack(layout, &image.name, &base, target, context)?;
    }
    Ok(targets)
}

fn other(args: &BundleArgs, from: &str, platform: RustTarget, context: &GlobalContext) -> Result<Target> {
    let path = args.path.clone().ok_or_else(|| miette!("`--from` needs the path of the bundle"))?;
    let target = target(args, path);
    target.check()?;
    target.check_folder()?;
    let bundled = reference(from).and_then(|from| bundle_image(&from, platform, &args.image, &target, context));
    bundled.map_err(|error| {
        or_help(error.wrap_err(format!("cannot bundle {from}")), || {
            format!("`cargo oci validate {from}` checks the image; if it is intact, its publisher must fix it")
        })
    })?;
    Ok(target)
}

/// Returns the one platform of the bundle, as the target that builds for it.
fn platform(args: &ImageArgs) -> Result<RustTarget> {
    match args.choices()[..] {
        [PlatformChoice::One(target)] => Ok(target),
        [] => match "host".parse().into_diagnostic()? {
            PlatformChoice::One(target) => Ok(target),
            PlatformChoice::All => Err(miette!("this machine has no platform")),
        },
        _ => Err(miette!(
            help = "choose one, as in `--platform linux/arm64`, and make another bundle for the next",
            "cannot make one bundle for several platforms"
        )),
    }
}

fn target(args: &BundleArgs, path: PathBuf) -> Target {
    let form = match args.output {
        BundleForm::Dir => Form::Directory,
        BundleForm::Tar => Form::Tar,
    };
    Target { path, form, rootless: args.rootless }
}

/// Returns the paths of the bundles of the plan's images.
fn paths(args: &BundleArgs, plan: &Plan) -> Result<Vec<PathBuf>> {
    let extension = match args.output {
        BundleForm::Dir => "bundle",
        BundleForm::Tar => "bundle.tar",
    };
    match (&args.path, &plan.images[..]) {
        (Some(path), [_]) => Ok(vec![path.clone()]),
        (Some(path), images) => Err(miette!(
            help = "choose one image with `--package` or `--image`, or omit the path",
            "cannot write {} bundles to {}",
            images.len(),
            path.display()
        )),
        // Next to the layout, whose name may have the platform in it.
        (None, images) => {
            Ok(images.iter().map(|plan| plan.layout.with_file_name(format!("{}.{extension}", plan.name))).collect())
        }
    }
}
