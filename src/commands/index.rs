//! `cargo oci index`: images that were built elsewhere → one index.

use miette::Context;

use super::Outcome;
use crate::build::outputs::write_metadata;
use crate::cli::{BuildArgs, IndexArgs};
use crate::context::{GlobalContext, key};
use crate::error::{Result, with_help};
use crate::event::MadeIndex;
use crate::index::builder::IndexBuilder;
use crate::index::job::{IndexJob, jobs};
use crate::parallel::{MANY, each};
use crate::plan::conflicts::file_can_be_written;
use crate::plan::{self, Request};
use crate::platform::{Platform, PlatformChoice};

/// The images of the package or workspace around the current folder, with their platforms.
type Planned = Vec<(String, Vec<Platform>)>;

/// Makes the indexes that the arguments name; returns `registry/repository@digest` for each.
///
/// # Errors
/// Returns the first failure; then the tags of that index have not moved.
pub(crate) fn run(args: &IndexArgs, context: &GlobalContext) -> Result<Outcome> {
    if let Some(path) = &args.metadata_file {
        file_can_be_written(path)?;
    }
    let signer = key::signer(&args.signer, context)?;
    let jobs = jobs(args)?;
    for job in &jobs {
        context.push_to(job.repository.registry());
    }
    let is_edit = args.append || !args.remove.is_empty();
    let planned = if args.require.is_empty() && !is_edit { planned(context)? } else { Planned::new() };
    let made = each(&jobs, MANY, |job| {
        let required = if args.require.is_empty() { required(job, &planned) } else { args.require.clone() };
        let builder = IndexBuilder {
            context,
            required: &required,
            annotations: &args.annotations,
            allow_mixed: args.allow_mixed,
            append: args.append,
            remove: &args.remove,
            signer: signer.as_ref().filter(|_| args.sign),
            format: args.signer.signature_format.unwrap_or_default(),
            dry_run: args.dry_run,
        };
        builder.make(job)
    })?;
    if args.dry_run {
        let documents = made.iter().map(|(_, bytes)| String::from_utf8_lossy(bytes).into_owned());
        return Ok(Outcome::Results(documents.collect()));
    }
    let made: Vec<_> = made.into_iter().map(|(made, _)| made).collect();
    if let Some(path) = &args.metadata_file {
        write_metadata(path, &made)?;
    }
    Ok(Outcome::Results(made.into_iter().map(|MadeIndex { reference, .. }| reference).collect()))
}

/// Returns the images of the package or workspace around the current folder, if there is one.
///
/// # Errors
/// Returns an error if it cannot be read.
fn planned(context: &GlobalContext) -> Result<Planned> {
    let here = std::env::current_dir().unwrap_or_default();
    if !here.ancestors().any(|folder| folder.join("Cargo.toml").is_file()) {
        return Ok(Planned::new());
    }
    let mut args = BuildArgs::default();
    args.cargo.workspace = true;
    let plan = plan::make(&Request::new(&args), &context.environment).map_err(|error| {
        with_help(error, "name the platforms with `--require`: then Cargo.toml is not read".to_owned())
    });
    let plan = plan.wrap_err("cannot tell which platforms are required")?;
    let platforms = |choices: &[PlatformChoice]| {
        let one = |choice: &PlatformChoice| match choice {
            PlatformChoice::One(target) => Some(target.platform()),
            // What the base has is not known here.
            PlatformChoice::All(_) => None,
        };
        choices.iter().filter_map(one).collect()
    };
    Ok(plan.images.iter().map(|image| (image.name.clone(), platforms(&image.platforms))).collect())
}

/// Returns the platforms of the planned image of a name.
fn required(job: &IndexJob, planned: &Planned) -> Vec<Platform> {
    let named = planned.iter().find(|(name, _)| Some(name) == job.name.as_ref());
    named.map(|(_, platforms)| platforms.clone()).unwrap_or_default()
}
