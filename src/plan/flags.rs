//! Flags and environment variables, as tables above those of Cargo.toml.

use std::fmt::Display;
use std::str::FromStr;

use miette::{Report, miette};

use super::{DEFAULT_BASE, each_once};
use crate::cli::ImageArgs;
use crate::config::{Labels, Table};
use crate::environment::Environment;
use crate::error::Result;
use crate::reference::{BaseReference, Reference, Repository};

/// A variable of the environment, with an example of its value.
type Variable = (&'static str, &'static str);

const BASE: Variable = ("CARGO_OCI_BASE", DEFAULT_BASE);
const PLATFORMS: Variable = ("CARGO_OCI_PLATFORMS", "linux/amd64,linux/arm64");
const TAGS: Variable = ("CARGO_OCI_TAGS", "'latest,{version}'");
/// Where all images are pushed to.
const REPOSITORY: Variable = ("CARGO_OCI_REPOSITORY", "ghcr.io/you/hello");

/// The flags, as a table.
///
/// # Errors
/// Two targets of one platform.
pub fn flags(args: &ImageArgs) -> Result<Table> {
    for (at, target) in args.targets.iter().enumerate() {
        if let Some(other) = args.targets[..at].iter().find(|other| other.platform() == target.platform()) {
            return Err(miette!(
                help = "an image has one program of a name for each platform: choose one of them",
                "the targets {} and {} are both for {}",
                other.triple,
                target.triple,
                target.platform()
            ));
        }
    }
    Ok(Table {
        base: args.base.clone(),
        platforms: given(args.choices()),
        tags: given(args.tags.clone()),
        entrypoint: given(args.entrypoint.clone()),
        cmd: given(args.cmd.clone()),
        env: args.env.clone(),
        user: args.user.clone(),
        workdir: args.workdir.clone(),
        expose: given(args.expose.clone()),
        compression: args.compression,
        sbom: args.sbom.clone(),
        provenance: args.provenance,
        auditable: args.auditable,
        labels: labels(&args.labels),
        annotations: labels(&args.annotations),
        // Which binaries, features and profile is decided with the package, and there may be several repositories. Not
        // every command has a flag for the engine: `cargo oci load` looks at it first.
        ..Table::default()
    })
}

fn given<T>(values: Vec<T>) -> Option<Vec<T>> {
    (!values.is_empty()).then_some(values)
}

fn labels(typed: &[(String, String)]) -> Labels {
    typed.iter().map(|(key, value)| (key.clone(), Some(value.clone()))).collect()
}

/// The environment variables, as a table.
///
/// # Errors
/// A variable that holds what the image cannot.
pub fn variables(environment: &Environment) -> Result<Table> {
    Ok(Table {
        base: variable::<BaseReference>(environment, BASE)?,
        platforms: list(environment, PLATFORMS)?,
        tags: list(environment, TAGS)?,
        ..Table::default()
    })
}

/// Where it is pushed to: flag, else variable, else table.
///
/// # Errors
/// A variable that holds no repository.
pub fn repositories(args: &ImageArgs, environment: &Environment, table: Option<Reference>) -> Result<Vec<Reference>> {
    if !args.repositories.is_empty() {
        return Ok(each_once(args.repositories.iter().map(|flag| flag.0.clone())));
    }
    let variable: Option<Repository> = variable(environment, REPOSITORY)?;
    Ok(variable.map(|repository| repository.0).or(table).into_iter().collect())
}

/// The flag or the variable that counts more than the tables' `repository`, where there is one.
pub fn repository_typed(args: &ImageArgs, environment: &Environment) -> Option<&'static str> {
    match args.repositories.is_empty() {
        false => Some("`--repository`"),
        true => environment.get(REPOSITORY.0).map(|_| REPOSITORY.0),
    }
}

fn variable<T: FromStr<Err: Display>>(environment: &Environment, key: Variable) -> Result<Option<T>> {
    let value = environment.get(key.0).map(|value| value.to_string_lossy());
    value.map(|value| value.parse().map_err(|why| wrong(key, &why))).transpose()
}

fn list<T: FromStr<Err: Display>>(environment: &Environment, key: Variable) -> Result<Option<Vec<T>>> {
    let value = environment.get(key.0).map(|value| value.to_string_lossy());
    let parsed = |text: &str| text.split(',').map(|part| part.trim().parse().map_err(|why| wrong(key, &why))).collect();
    value.map(|value| parsed(&value)).transpose()
}

fn wrong((key, example): Variable, why: &dyn Display) -> Report {
    miette!(help = format!("set it as in `{key}={example}`, or unset it"), "in {key}: {why}")
}
