//! `cargo oci sbom`: the SBOM of an image, without building it.

use super::Outcome;
use crate::build::inputs::{ImageTargets, Inputs};
use crate::build::referrers::{Attachments, only};
use crate::cli::SbomArgs;
use crate::compile::Toolchain;
use crate::context::GlobalContext;
use crate::context::base::Bases;
use crate::error::Result;
use crate::image::canonical_json_pretty;
use crate::plan::{self, Purpose, Request};

/// Returns the SBOM of the one image that the arguments select: of the image for its only platform, else of the index.
///
/// # Errors
/// Returns an error if the plan has a mistake, the base cannot be pulled, or cargo fails.
pub(crate) fn run(args: &SbomArgs, context: &GlobalContext) -> Result<Outcome> {
    let request = Request { args: &args.build(), purpose: Purpose::Sbom(args.format) };
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
    let document = attachments.unbuilt(args.format)?;
    context.warn(
        "nothing was built: the digests of binaries and image are only in the SBOMs that `cargo oci build` attaches",
    );
    let pretty = serde_json::from_slice(&document).map(|json| canonical_json_pretty(&json)).unwrap_or(document);
    Ok(Outcome::Text(String::from_utf8_lossy(&pretty).into_owned()))
}
