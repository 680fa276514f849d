//! `cargo oci registry`: how registries are reached.

use super::Outcome;
use crate::cli::{RegistryAction, RegistryToolArgs};
use crate::context::GlobalContext;
use crate::context::show::show;
use crate::error::Result;

/// Does what was asked for.
///
/// # Errors
/// Returns an error if settings or credentials cannot be read, or TLS cannot be set up.
pub(crate) fn run(args: &RegistryToolArgs, context: &GlobalContext) -> Result<Outcome> {
    let RegistryAction::Show(args) = &args.action;
    Ok(Outcome::Registry(show(&args.registry, context)?, args.json))
}
