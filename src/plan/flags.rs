//! Flags and environment variables, as tables that override those of Cargo.toml.

use miette::miette;

use super::Environment;
use crate::cli::ImageArgs;
use crate::config::key::Variable;
use crate::config::value::NonEmpty;
use crate::config::{KEYS, Table};
use crate::error::Result;

/// Returns the flags as a table.
///
/// # Errors
/// Returns an error if two targets are for one platform.
pub(crate) fn flags(args: &ImageArgs) -> Result<Table> {
    for (at, target) in args.targets.iter().enumerate() {
        if let Some(other) = args.targets[..at].iter().find(|other| other.platform() == target.platform()) {
            return Err(miette!(
                help = "remove one of the two `--target` flags",
                "the targets {} and {} are both for {}",
                other.triple,
                target.triple,
                target.platform()
            ));
        }
    }
    let mut table = args.table.clone();
    if !args.targets.is_empty() {
        table.platforms = Some(NonEmpty(args.choices()));
    }
    Ok(table)
}

/// Returns the environment variables as a table.
///
/// # Errors
/// Returns an error if a variable has an invalid value.
pub(crate) fn variables(environment: &Environment) -> Result<Table> {
    let mut table = Table::default();
    for key in KEYS {
        let Some(variable) = key.variable else { continue };
        if variable.must_be_filled && environment.is_set(variable.name) && environment.get(variable.name).is_none() {
            let Variable { name, example, .. } = variable;
            return Err(miette!(
                help = format!("set it as in `{name}={example}`, or unset it to use the value in Cargo.toml"),
                "invalid {name}: it is empty"
            ));
        }
        let Some(value) = environment.get(variable.name).map(|value| value.to_string_lossy()) else { continue };
        let items = if variable.is_split { value.split(',').map(str::trim).collect() } else { vec![value.as_ref()] };
        key.set(&mut table, &items).map_err(|why| {
            let Variable { name, example, .. } = variable;
            miette!(help = format!("set it as in `{name}={example}`, or unset it"), "invalid {name}: {why}")
        })?;
    }
    Ok(table)
}

/// Returns the flag or the variable that overrides the key `repository`, if there is one.
pub(crate) fn repository_override(flags: &Table, variables: &Table) -> Option<&'static str> {
    if flags.repository.is_some() {
        return Some("`--repository`");
    }
    variables.repository.as_ref().and(Some("CARGO_OCI_REPOSITORY"))
}
