//! `cargo oci cache`: the content that is kept between runs.

use std::time::Duration;

use super::Outcome;
use crate::cli::{CacheAction, CacheArgs, PruneArgs};
use crate::context::GlobalContext;
use crate::error::Result;
use crate::event::Event;
use crate::store::cache::prune::Limits;

/// Does what was asked for with the cache.
///
/// # Errors
/// Returns an error if no folder for the cache is known, or it cannot be used.
pub(crate) fn run(args: &CacheArgs, context: &GlobalContext) -> Result<Outcome> {
    match &args.action {
        CacheAction::Path(_) => Ok(Outcome::Results(vec![context.environment.cache_folder()?.display().to_string()])),
        CacheAction::List(_) => Ok(Outcome::CacheEntries(context.cache()?.blobs())),
        CacheAction::Verify(_) => Ok(Outcome::CacheProblems(context.cache()?.verify())),
        CacheAction::Prune(args) => prune(args, context),
    }
}

/// Removes what exceeds the limits; everything if there are none.
fn prune(args: &PruneArgs, context: &GlobalContext) -> Result<Outcome> {
    let limits = match (args.older_than, args.max_size) {
        (None, None) => Limits { older_than: Some(Duration::ZERO), max_size: None },
        (older_than, max_size) => Limits { older_than, max_size },
    };
    let removed = context.cache()?.prune(limits);
    context.report(Event::Pruned { blobs: removed.blobs, bytes: removed.bytes });
    Ok(Outcome::Done)
}
