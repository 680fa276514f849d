//! `cargo oci cache`: what is kept between runs, and for how long.

use std::time::Duration;

use crate::cli::PruneArgs;
use crate::environment::Environment;
use crate::error::Result;
use crate::event::{Event, Listener};
use crate::image::Digest;
use crate::plan::cache_folder;
use crate::store::Cache;
use crate::store::cache::prune::{CachedBlob, Limits};

/// Where it is, or would be.
///
/// # Errors
/// When nothing says that.
pub fn path() -> Result<String> {
    Ok(cache_folder(&Environment::of_this_process())?.display().to_string())
}

/// What is in it.
///
/// # Errors
/// When it cannot be used.
pub fn list() -> Result<Vec<CachedBlob>> {
    Ok(open()?.blobs())
}

/// What is wrong in it, which is removed.
///
/// # Errors
/// When it cannot be used.
pub fn verify() -> Result<Vec<(Digest, String)>> {
    Ok(open()?.verify())
}

/// Removes what is beyond the limits that were typed; everything where none was.
///
/// # Errors
/// When it cannot be used.
pub fn prune(args: &PruneArgs, listener: Listener) -> Result<()> {
    let limits = match (args.older_than, args.max_size) {
        (None, None) => Limits { older_than: Some(Duration::ZERO), max_size: None },
        (older_than, max_size) => Limits { older_than, max_size },
    };
    let removed = open()?.prune(limits);
    listener(Event::Pruned { blobs: removed.blobs, bytes: removed.bytes });
    Ok(())
}

fn open() -> Result<Cache> {
    Cache::open(cache_folder(&Environment::of_this_process())?)
}
