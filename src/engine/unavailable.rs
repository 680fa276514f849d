//! The reasons why an engine is not available.

use miette::{Diagnostic, Report, miette};

use super::program::{Program, ProgramError};
use crate::environment::Environment;
use crate::reference::EngineReference;

/// Why an engine is not available.
#[derive(Debug)]
pub(super) enum Unavailable {
    /// Its client program is not on PATH.
    NotInstalled(&'static str),
    /// The client cannot connect to the engine.
    Unreachable(ProgramError),
    /// The engine responds, but cannot be used. No other engine is tried then.
    Unusable(Report),
}

/// An engine that the user selected is unreachable.
#[derive(Debug, thiserror::Error, Diagnostic)]
#[error("cannot connect to the engine {engine}")]
#[diagnostic(help("start it, or select another with `--engine` or the key `engine`"))]
struct Unreachable {
    engine: String,
    #[source]
    cause: ProgramError,
}

impl From<ProgramError> for Unavailable {
    fn from(error: ProgramError) -> Unavailable {
        Unavailable::Unreachable(error)
    }
}

impl Unavailable {
    /// Creates the reason that an engine is older than the oldest supported version.
    pub(super) fn too_old(title: &str, least: &str) -> Unavailable {
        Unavailable::Unusable(miette!(
            help = "update it, or select another with `--engine`",
            "{title} is too old: version {least} or later is required"
        ))
    }

    /// Creates the reason that the output of `command` is not the JSON that it should be.
    pub(super) fn invalid_output(command: &str, error: &serde_json::Error) -> Unavailable {
        Unavailable::Unusable(miette!(
            help = format!("check that `{command}` prints one JSON object, or select another engine with `--engine`"),
            "cannot parse the output of `{command}`: {error}"
        ))
    }

    /// Returns the reason in one line.
    pub(super) fn message(&self) -> String {
        match self {
            Unavailable::NotInstalled(name) => format!("`{name}` is not on PATH"),
            Unavailable::Unreachable(error) => error.to_string(),
            Unavailable::Unusable(error) => error.to_string(),
        }
    }

    /// Returns the error for an engine that the user selected.
    pub(super) fn error(self, engine: &EngineReference) -> Report {
        match self {
            Unavailable::Unusable(error) => error,
            Unavailable::Unreachable(cause) => Unreachable { engine: engine.to_string(), cause }.into(),
            Unavailable::NotInstalled(name) => miette!(
                help = format!("install {name}, or select another engine with `--engine` or the key `engine`"),
                "cannot use the engine {engine}: `{name}` is not on PATH"
            ),
        }
    }
}

/// Finds the client program of an engine. `flag` selects an instance by its name.
pub(super) fn client(
    environment: &Environment,
    name: &'static str,
    flag: &str,
    instance: Option<&str>,
) -> Result<Program, Unavailable> {
    let program = Program::find(environment, name).ok_or(Unavailable::NotInstalled(name))?;
    Ok(match instance {
        Some(instance) => program.with(&[flag, instance]),
        None => program,
    })
}
