//! `cargo oci run`: load, then the engine's own `run`.

use std::io::{self, IsTerminal};

use miette::miette;

use super::Outcome;
use crate::cli::RunArgs;
use crate::context::GlobalContext;
use crate::engine::run::{RunOptions, run_in_foreground};
use crate::error::Result;
use crate::event::Event;
use crate::interrupt;
use crate::plan::Plan;
use crate::publish::engines::{EngineImage, load};

/// Builds, loads and runs the one image that the arguments select; returns the program's exit status.
///
/// # Errors
/// Returns an error if anything fails before the program runs.
pub(crate) fn run(args: &RunArgs, context: &GlobalContext) -> Result<Outcome> {
    // Variables are the container's, not the image's: the image is the same with and without them.
    let mut load_args = args.load.clone();
    let variables = load_args.build.image.table.env.take().unwrap_or_default();
    let loaded = load(&load_args, context, |plan, engines| {
        check_one_image(plan)?;
        engines.iter().try_for_each(|engine| engine.check_run(&args.publish, &args.volume))
    })?;
    let Some(loaded) = loaded.first() else { return Err(miette!("nothing was built")) };
    let EngineImage { plan, image, engine } = loaded;
    let name = loaded.name();
    let platform = match &image.manifests[..] {
        [manifest] => &manifest.platform,
        _ => engine.platform(),
    };
    let command = engine.run(&RunOptions {
        name: &name,
        platform,
        entrypoint: &plan.entrypoint,
        args: &args.args,
        publish: &args.publish,
        env: &variables.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>(),
        volumes: &args.volume,
        engine_args: &args.engine_args,
        terminal: io::stdin().is_terminal() && io::stdout().is_terminal() && io::stderr().is_terminal(),
    })?;
    interrupt::check().map_err(|error| miette!("{error}"))?;
    context.report(Event::Running { name, engine: engine.title().to_owned() });
    run_in_foreground(command).map(Outcome::Status)
}

fn check_one_image(plan: &Plan) -> Result<()> {
    match &plan.images[..] {
        [_] => Ok(()),
        images => {
            let names: Vec<_> = images.iter().map(|image| image.name.as_str()).collect();
            Err(miette!(
                help = "choose one with `--package` or `--image`",
                "cannot run {} images: {}",
                images.len(),
                names.join(", ")
            ))
        }
    }
}
