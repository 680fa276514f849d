//! `cargo oci bundle`: build, or take another image, then unpack it as a runtime bundle.

use miette::{IntoDiagnostic, miette};

use super::Outcome;
use crate::base::Base;
use crate::build::Build;
use crate::bundle::BundleOutput;
use crate::cli::{BuildArgs, BundleArgs, ImageArgs};
use crate::context::GlobalContext;
use crate::context::image::reference;
use crate::error::{Result, or_help};
use crate::plan::{Purpose, Request};
use crate::platform::{PlatformChoice, Target};
use crate::publish::bundles::{bundle_image, bundle_output, bundle_paths, unpack};

/// Makes the bundle of every image that the arguments select; returns their paths.
///
/// # Errors
/// Returns the first failure; then that bundle does not exist.
pub(crate) fn run(args: &BundleArgs, context: &GlobalContext) -> Result<Outcome> {
    let platform = platform(&args.image)?;
    let outputs = match &args.from {
        Some(from) => vec![other(args, from, platform, context)?],
        None => built(args, platform, context)?,
    };
    Ok(Outcome::Results(outputs.iter().map(|output| output.path.display().to_string()).collect()))
}

fn built(args: &BundleArgs, platform: Target, context: &GlobalContext) -> Result<Vec<BundleOutput>> {
    let build = BuildArgs { image: args.image.clone(), cargo: args.cargo.clone(), ..BuildArgs::default() };
    let mut outputs = Vec::new();
    let request = Request { args: &build, purpose: Purpose::Bundle(platform.platform()) };
    let built = Build { request, complete: true, attach: false, context }.run(
        |plan| {
            outputs = bundle_paths(args, plan)?.into_iter().map(|path| bundle_output(args, path)).collect();
            outputs.iter().try_for_each(BundleOutput::check)?;
            // The folder of all layouts is created with the first of them.
            outputs.iter().filter(|_| args.path.is_some()).try_for_each(BundleOutput::check_parent)
        },
        &(),
    )?;
    for ((_, image, layout), output) in built.each().zip(&outputs) {
        let base = Base::read(layout, image.root.clone(), &[PlatformChoice::One(platform)])?;
        unpack(layout, &image.name, &base, output, context)?;
    }
    Ok(outputs)
}

fn other(args: &BundleArgs, from: &str, platform: Target, context: &GlobalContext) -> Result<BundleOutput> {
    let path = args.path.clone().ok_or_else(|| miette!("`--from` needs the path of the bundle"))?;
    let output = bundle_output(args, path);
    output.check()?;
    output.check_parent()?;
    let bundled = reference(from).and_then(|from| bundle_image(&from, platform, &args.image, &output, context));
    bundled.map_err(|error| {
        or_help(error.wrap_err(format!("cannot bundle {from}")), || {
            format!("`cargo oci validate {from}` checks the image; if it is intact, its publisher must fix it")
        })
    })?;
    Ok(output)
}

/// Returns the one platform of the bundle, as the target that builds for it.
fn platform(args: &ImageArgs) -> Result<Target> {
    match args.choices()[..] {
        [PlatformChoice::One(target)] => Ok(target),
        [] => match "host".parse().into_diagnostic()? {
            PlatformChoice::One(target) => Ok(target),
            PlatformChoice::All(_) => Err(miette!("this machine has no platform")),
        },
        _ => Err(miette!(
            help = "choose one, as in `--platform linux/arm64`, and make another bundle for the next",
            "cannot make one bundle for several platforms"
        )),
    }
}
