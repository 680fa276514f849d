//! `cargo oci sbom`: what an image would be made of, without building it.

use std::sync::Arc;

use crate::build::inputs::Materials;
use crate::build::referrers::{Attachments, only};
use crate::cli::SbomArgs;
use crate::compile::Toolchain;
use crate::context::Registries;
use crate::context::base::Bases;
use crate::environment::Environment;
use crate::error::Result;
use crate::event::{Event, Listener};
use crate::image::canonical_json_pretty;
use crate::plan::{self, Purpose, Request};
use crate::store::Cache;

/// Prints the SBOM of the one image that the arguments select: of that for its only platform, else of all of them.
///
/// # Errors
/// Any mistake in the plan; a base that cannot be had; when cargo does not answer.
pub fn sbom(args: &SbomArgs, listener: Listener) -> Result<String> {
    let environment = Environment::of_this_process();
    let request = Request { args: &args.build(), purpose: Purpose::Sbom(args.format) };
    let plan = plan::make(&request, &environment)?;
    only(&plan.images)?;
    let toolchain = Toolchain::find(&environment)?;
    let registries = Registries::new(&environment, listener);
    let cache = Arc::new(Cache::open(plan.cache.clone())?);
    let mut bases = Bases::new(&cache, false, plan.is_offline, &registries);
    let image = only(&plan.images)?;
    let base = bases.read(image)?;
    let targets: Vec<_> = base.images.iter().map(|image| image.target).collect();
    let materials = Materials::of(&plan, &cache, Some(&toolchain), (&[targets], true))?;
    let attachments = Attachments { whole: &plan, plan: image, base: &base, binaries: &[], materials: &materials };
    let document = attachments.unbuilt(args.format)?;
    let message = "nothing was built: the digests of programs and image are in the SBOMs that `cargo oci build` attaches, \
                   and in no other";
    listener(Event::Warning { message: message.to_owned() });
    let pretty = serde_json::from_slice(&document).map(|json| canonical_json_pretty(&json)).unwrap_or(document);
    Ok(String::from_utf8_lossy(&pretty).into_owned())
}
