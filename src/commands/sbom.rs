//! `cargo oci sbom`: the SBOM of an image, without building it, or the one that is attached to an image.

use miette::{Context, miette};

use super::Outcome;
use crate::build::inputs::{ImageTargets, Inputs};
use crate::build::referrers::{Attachments, only};
use crate::cli::{SbomArgs, SbomView};
use crate::compile::Toolchain;
use crate::config::SbomFormat;
use crate::context::GlobalContext;
use crate::context::attachments::{content, list, read};
use crate::context::base::Bases;
use crate::context::image::{OpenImage, reference};
use crate::error::Result;
use crate::image::canonical_json_pretty;
use crate::inspect::packages::packages;
use crate::plan::{self, Purpose, Request};
use crate::platform::{Platform, PlatformChoice};

/// Returns the SBOM of the one image that the arguments select: of the image for its only platform, else of the index.
///
/// # Errors
/// Returns an error if the plan has a mistake, the base cannot be pulled, or cargo fails; with `--from`, if there is no such
/// image, or no SBOM is attached to it.
pub(crate) fn run(args: &SbomArgs, context: &GlobalContext) -> Result<Outcome> {
    let document = match &args.from {
        Some(from) => attached(args, from, context)?,
        None => unbuilt(args, context)?,
    };
    match args.format {
        Some(SbomView::List) => Ok(Outcome::Packages(packages(&document)?, false)),
        Some(SbomView::Json) => Ok(Outcome::Packages(packages(&document)?, true)),
        _ if args.from.is_some() => Ok(Outcome::Content(document)),
        _ => {
            let pretty = serde_json::from_slice(&document).map(|json| canonical_json_pretty(&json)).unwrap_or(document);
            Ok(Outcome::Text(String::from_utf8_lossy(&pretty).into_owned()))
        }
    }
}

fn unbuilt(args: &SbomArgs, context: &GlobalContext) -> Result<Vec<u8>> {
    let format = if args.format == Some(SbomView::Spdx) { SbomFormat::Spdx } else { SbomFormat::CycloneDx };
    let request = Request { args: &args.build(), purpose: Purpose::Sbom(format) };
    let plan = plan::make(&request, &context.environment)?;
    let image = only(&plan.images)?;
    let toolchain = Toolchain::find(&context.environment, &plan.compile.config)?;
    let mut bases = Bases::new(context, false, plan.is_offline)?;
    let base = bases.read(image)?;
    let targets: Vec<_> = base.images.iter().map(|image| image.target).collect();
    let cache = context.cache()?;
    let wanted = [ImageTargets { plan: image, targets: &targets }];
    let inputs = Inputs::find(&plan, &cache, Some(&toolchain), &wanted, true)?;
    let attachments = Attachments { whole: &plan, plan: image, base: &base, binaries: &[], inputs: &inputs };
    let document = attachments.unbuilt(format)?;
    context.warn(
        "nothing was built: the digests of binaries and image are only in the SBOMs that `cargo oci build` attaches",
    );
    Ok(document)
}

/// Returns the SBOM that is attached to an image, as it is.
fn attached(args: &SbomArgs, from: &str, context: &GlobalContext) -> Result<Vec<u8>> {
    let reference = reference(from)?;
    let platform = platform(args)?;
    let read = || {
        let image = OpenImage::open(&reference, context)?;
        let found = list(&image, &reference, platform.as_ref(), context)?;
        let formats: &[&str] = match args.format {
            Some(SbomView::CycloneDx) => &["cyclonedx"],
            Some(SbomView::Spdx) => &["spdx"],
            _ => &["cyclonedx", "spdx"],
        };
        let names = formats.iter().map(|format| format.parse().map_err(|why: String| miette!(why)));
        let names = names.collect::<Result<Vec<_>>>()?;
        self::read(image.source(), &content(&found, &names)?)
    };
    read().wrap_err_with(|| format!("cannot read the SBOM of {reference}"))
}

fn platform(args: &SbomArgs) -> Result<Option<Platform>> {
    match args.image.choices()[..] {
        [] => Ok(None),
        [PlatformChoice::One(target)] => Ok(Some(target.platform())),
        _ => Err(miette!(
            help = "choose one, as in `--platform linux/arm64`",
            "cannot print the SBOM of several platforms"
        )),
    }
}
