//! `cargo oci rebase`: an image that was built before → the same on a new base.

use miette::Context;

use super::Outcome;
use crate::build::verify_base::BaseVerifier;
use crate::cli::{BuildArgs, RebaseArgs};
use crate::context::base::Bases;
use crate::context::image::reference;
use crate::context::{GlobalContext, key};
use crate::error::Result;
use crate::parallel::{MANY, each};
use crate::plan::{self, Plan, Request};
use crate::publish::check_repositories;
use crate::rebase::job::{OpenRebase, RebaseRequest};
use crate::rebase::rebaser::{Rebase, Rebaser};
use crate::reference::BaseReference;

/// Puts the images that are named on a new base; returns the name of each with its digest.
///
/// # Errors
/// Returns the first failure; then the tags of that image have not moved, except those that the error names.
pub(crate) fn run(args: &RebaseArgs, context: &GlobalContext) -> Result<Outcome> {
    let signer = key::signer(&args.signer, context)?;
    let plan = if args.workspace { Some(planned(context)?) } else { None };
    let requests = match &plan {
        Some(plan) => requests_of(plan, args),
        None => typed(args)?,
    };
    for request in &requests {
        if let BaseReference::Registry(reference) = &request.image {
            context.push_to(reference.registry());
        }
    }
    let opened = each(&requests, MANY, |request| {
        OpenRebase::open(request, args.old_base.as_ref(), context)
            .wrap_err_with(|| format!("cannot rebase {}", request.image))
    })?;
    let mut bases = Bases::new(context, true, false)?;
    let mut images = Vec::new();
    for (mut open, request) in opened.into_iter().zip(&requests) {
        let (old, new) = open.bases(&mut bases).wrap_err_with(|| format!("cannot rebase {}", open.place.name()))?;
        images.push(Rebase { open, old, new, format: request.format });
    }
    if let Some(plan) = &plan {
        let verifier = BaseVerifier::new(&bases);
        for image in &plan.images {
            let on = |rebase: &&Rebase| rebase.open.new_place == image.base;
            if let Some(rebase) = images.iter().find(on) {
                verifier.check(image, &rebase.new.base)?;
            }
        }
    }
    let rebaser = Rebaser::new(&images, &bases, &args.tags, signer.as_ref().filter(|_| args.sign))?;
    each(&images, MANY, |image| rebaser.run(image)).map(Outcome::Results)
}

fn typed(args: &RebaseArgs) -> Result<Vec<RebaseRequest>> {
    let format = args.signer.signature_format.unwrap_or_default();
    let request = |text: &String| {
        Ok(RebaseRequest { image: reference(text)?, tags: Vec::new(), onto: args.onto.clone(), format })
    };
    args.images.iter().map(request).collect()
}

/// Returns the plan of the package or workspace around the current folder, as `cargo oci push` makes it.
fn planned(context: &GlobalContext) -> Result<Plan> {
    let mut args = BuildArgs::default();
    args.cargo.workspace = true;
    let plan = plan::make(&Request::new(&args), &context.environment)?;
    check_repositories(&plan)?;
    Ok(plan)
}

/// Returns the images of a plan at their repositories, each on the base that it names now.
fn requests_of(plan: &Plan, args: &RebaseArgs) -> Vec<RebaseRequest> {
    let images = plan.images.iter().flat_map(|image| image.repositories.iter().map(move |to| (image, to)));
    let requests = images.filter_map(|(image, to)| {
        let (first, more) = image.tags.split_first()?;
        let named = to.with_tag(first).parse().ok()?;
        let onto = args.onto.clone().unwrap_or_else(|| image.base.clone());
        let format = args.signer.signature_format.unwrap_or(image.signature_format);
        Some(RebaseRequest { image: BaseReference::Registry(named), tags: more.to_vec(), onto: Some(onto), format })
    });
    requests.collect()
}
