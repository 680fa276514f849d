//! `cargo oci registry`: how registries are reached, and what is no longer needed in them.

use super::Outcome;
use crate::cli::{RegistryAction, RegistryPruneArgs, RegistryToolArgs};
use crate::context::GlobalContext;
use crate::context::show::show;
use crate::error::Result;
use crate::prune::pruner::{PruneRules, Pruner};

/// Does what was asked for.
///
/// # Errors
/// Returns an error if settings or credentials cannot be read, TLS cannot be set up, or a registry does not delete.
pub(crate) fn run(args: &RegistryToolArgs, context: &GlobalContext) -> Result<Outcome> {
    match &args.action {
        RegistryAction::Show(args) => Ok(Outcome::Registry(show(&args.registry, context)?, args.json)),
        RegistryAction::Prune(args) => prune(args, context),
    }
}

/// Finds what nothing needs in a repository, and deletes it if that is asked for.
fn prune(args: &RegistryPruneArgs, context: &GlobalContext) -> Result<Outcome> {
    let RegistryPruneArgs { untagged, older_than, keep, delete, .. } = *args;
    let rules = PruneRules { untagged, older_than, keep, deletes: delete };
    let pruned = Pruner { context, reference: &args.repository, rules }.run()?;
    Ok(Outcome::Pruned(pruned, args.json))
}
