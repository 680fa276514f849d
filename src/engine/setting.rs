//! Settings of the user that select the instance of an engine, which the engine's own client reads.

use std::fs;

use miette::Report;
use serde_json::Value as Json;

use super::program::ProgramError;
use crate::environment::Environment;
use crate::error::with_help;
use crate::reference::EngineKind;

/// Variables that select an instance; the first that is set counts.
const VARIABLES: [(EngineKind, &[&str]); 4] = [
    (EngineKind::Docker, &["DOCKER_HOST", "DOCKER_CONTEXT"]),
    (EngineKind::Podman, &["CONTAINER_HOST", "CONTAINER_CONNECTION"]),
    (EngineKind::Nerdctl, &["CONTAINERD_ADDRESS"]),
    (EngineKind::Containerd, &["CONTAINERD_ADDRESS"]),
];

/// The context that Docker uses if no other is chosen.
const DEFAULT_CONTEXT: &str = "default";

/// A setting that selects the instance of an engine.
pub(super) struct EngineSetting {
    kind: EngineKind,
    /// The variable, or the file and its key.
    name: String,
    /// How it is changed.
    undo: String,
    value: String,
}

impl EngineSetting {
    /// Finds the setting for an engine.
    pub(super) fn find(kind: EngineKind, environment: &Environment) -> Option<EngineSetting> {
        let variables = VARIABLES.iter().filter(|(of, _)| *of == kind).flat_map(|(_, names)| *names);
        let mut set = variables.filter_map(|name| Some((name, environment.get(name)?.to_string_lossy().into_owned())));
        match set.next() {
            Some((name, value)) => {
                let (name, undo) = ((*name).to_owned(), format!("unset {name}"));
                Some(EngineSetting { kind, name, undo, value }).filter(|setting| setting.value != DEFAULT_CONTEXT)
            }
            None if kind == EngineKind::Docker => context(environment),
            None => None,
        }
    }

    /// Returns the error that this instance does not answer.
    pub(super) fn unreachable(self, cause: ProgramError) -> Report {
        let EngineSetting { kind, name, undo, value } = self;
        let what = format!("cannot connect to the engine {} that {name} selects: {value}", kind.name());
        let help = format!("start it, {undo}, or select another engine with `--engine` or the key `engine`");
        with_help(Report::from(cause).wrap_err(what), help)
    }
}

/// Returns the context of Docker's config.json that is not the default one.
fn context(environment: &Environment) -> Option<EngineSetting> {
    let folder = environment.get("DOCKER_CONFIG").map(Into::into);
    let folder = folder.or_else(|| environment.home().map(|home| home.join(".docker")))?;
    let file = folder.join("config.json");
    let config: Json = serde_json::from_slice(&fs::read(&file).ok()?).ok()?;
    let value = config["currentContext"].as_str().filter(|name| !name.is_empty() && *name != DEFAULT_CONTEXT)?;
    Some(EngineSetting {
        kind: EngineKind::Docker,
        name: format!("currentContext in {}", file.display()),
        undo: format!("choose another with `docker context use {DEFAULT_CONTEXT}`"),
        value: value.to_owned(),
    })
}
