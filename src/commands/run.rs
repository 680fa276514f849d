//! `cargo oci run`: load, then the engine's own `run`.

use std::io::{self, IsTerminal};

use miette::miette;

use super::load::Handover;
use crate::cli::RunArgs;
use crate::engine::run::{Run, in_our_place};
use crate::error::Result;
use crate::event::{Event, Listener};
use crate::interrupt;
use crate::plan::{Environment, Plan};

/// Builds, loads and runs the one image that the arguments select; gives the program's exit status.
///
/// # Errors
/// Whatever goes wrong before the program runs.
pub fn run(args: &RunArgs, listener: Listener) -> Result<i32> {
    let environment = Environment::of_this_process();
    // The container's variables are not the image's: that is the same with and without them.
    let mut load = args.load.clone();
    let variables = load.build.image.table.env.take().unwrap_or_default();
    let loaded = Handover::make(&load, &environment, listener, |plan, engines| {
        one_image(plan)?;
        engines.iter().try_for_each(|engine| engine.check_run(&args.publish, &args.volume))
    })?;
    // One is planned, and so one is there.
    let (Some(image), Some(engine), Some(plan)) = (loaded.images.first(), loaded.engines.first(), loaded.plans.first())
    else {
        return Err(miette!("nothing was built"));
    };
    let platform = image.manifests.first().map_or(engine.platform(), |manifest| &manifest.platform);
    let name = loaded.name(0);
    let command = engine.run(&Run {
        name: &name,
        platform: if image.manifests.len() > 1 { engine.platform() } else { platform },
        entrypoint: &plan.entrypoint,
        args: &args.args,
        publish: &args.publish,
        env: &variables.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>(),
        volumes: &args.volume,
        engine_args: &args.engine_args,
        terminal: io::stdin().is_terminal() && io::stdout().is_terminal() && io::stderr().is_terminal(),
    })?;
    interrupt::check().map_err(|error| miette!("{error}"))?;
    listener(Event::Running { name, engine: engine.title().to_owned() });
    in_our_place(command)
}

fn one_image(plan: &Plan) -> Result<()> {
    match &plan.images[..] {
        [_] => Ok(()),
        images => {
            let names: Vec<_> = images.iter().map(|image| image.name.as_str()).collect();
            Err(miette!(
                help = "choose one with `--package` or `--image`",
                "one image can be run, and {} are built: {}",
                images.len(),
                names.join(", ")
            ))
        }
    }
}
