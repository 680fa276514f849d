//! `cargo oci run`: load, then the engine's own `run`.

use std::io::{self, IsTerminal};

use miette::miette;

use super::Outcome;
use crate::base::shell_of;
use crate::cli::{ContainerArgs, ContainerVariable, DebugTwin, RunArgs};
use crate::context::GlobalContext;
use crate::context::base::Bases;
use crate::engine::run::{RunOptions, RunVariable, run_in_foreground};
use crate::error::Result;
use crate::event::Event;
use crate::interrupt;
use crate::plan::{ImagePlan, Plan};
use crate::publish::engines::{EngineImage, load};

/// Builds, loads and runs the one image that the arguments select; returns the program's exit status.
///
/// # Errors
/// Returns an error if anything fails before the program runs.
pub(crate) fn run(args: &RunArgs, context: &GlobalContext) -> Result<Outcome> {
    let container = &args.container;
    let flags = [
        ("--publish", !container.publish.is_empty()),
        ("--volume", !container.volume.is_empty()),
        ("--network", container.network.is_some()),
    ];
    let flags: Vec<_> = flags.into_iter().filter(|(_, is_used)| *is_used).map(|(flag, _)| flag).collect();
    let mut to_load = args.load.clone();
    to_load.build.twin = container.debug.then(DebugTwin::default);
    let loaded = load(&to_load, context, |plan, engines| {
        check_one_image(plan)?;
        engines.iter().try_for_each(|engine| engine.check_run(&flags))
    })?;
    let Some(loaded) = loaded.first() else { return Err(miette!("nothing was built")) };
    let EngineImage { plan, image, engine } = loaded;
    let name = loaded.name();
    let platform = match &image.manifests[..] {
        [manifest] => &manifest.platform,
        _ => engine.platform(),
    };
    let is_terminal = io::stdin().is_terminal() && io::stdout().is_terminal() && io::stderr().is_terminal();
    let program = program(container, plan, context)?;
    let command = engine.run(&RunOptions {
        image: &name,
        platform,
        entrypoint: &plan.entrypoint,
        program: &program,
        args: &container.args,
        publish: &container.publish,
        variables: &variables(&container.variables, context),
        volumes: &container.volume,
        user: container.user.as_deref(),
        workdir: container.workdir.as_deref(),
        name: container.name.as_deref(),
        network: container.network.as_deref(),
        is_detached: container.detach,
        is_bare: false,
        engine_args: &container.engine_args,
        terminal: is_terminal && !container.detach,
    })?;
    interrupt::check().map_err(|error| miette!("{error}"))?;
    // Flags of the engine may publish ports, or make that needless.
    let may_be_reachable =
        !container.publish.is_empty() || container.network.is_some() || !container.engine_args.is_empty();
    let ports = plan.expose.iter().filter(|_| !may_be_reachable).map(ToString::to_string);
    context.report(Event::Running { name, engine: engine.title().to_owned(), unpublished: ports.collect() });
    run_in_foreground(command).map(Outcome::Status)
}

/// Returns the program that is started instead of the image's: for a debug twin, a shell.
fn program(container: &ContainerArgs, plan: &ImagePlan, context: &GlobalContext) -> Result<Vec<String>> {
    if !container.debug || !container.entrypoint.is_empty() {
        return Ok(container.entrypoint.clone());
    }
    let base = Bases::new(context, false, true)?.read(plan)?;
    let shell = base.images.first().and_then(|image| shell_of(&image.config)).unwrap_or_else(|| "sh".to_owned());
    context
        .report(Event::Advice { message: format!("this is {shell}; the program is `{}`", plan.entrypoint.join(" ")) });
    Ok(vec![shell])
}

/// Returns the variables of the container. One that is to be passed on, but is not set, is left out, as Docker does.
fn variables(wanted: &[ContainerVariable], context: &GlobalContext) -> Vec<RunVariable> {
    let mut variables = Vec::new();
    for ContainerVariable { name, value } in wanted {
        let is_passed_on = value.is_none();
        let value = value.as_ref().map(Into::into).or_else(|| context.environment.value(name).map(ToOwned::to_owned));
        match value {
            Some(value) => variables.push(RunVariable { name: name.clone(), value, is_passed_on }),
            None => context.warn(format!("the variable {name} is not set here, so the container does not get it")),
        }
    }
    variables
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
