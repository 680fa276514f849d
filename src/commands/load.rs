//! `cargo oci load`: build for the engine's platform, then load the image into the engine.

use super::Outcome;
use crate::cli::LoadArgs;
use crate::context::GlobalContext;
use crate::error::Result;
use crate::publish::engines::{EngineImage, load};

/// Builds and loads every image that the arguments select; returns `NAME:TAG` for each.
///
/// # Errors
/// Returns the first failure; then no name of that image stands for something else than before.
pub(crate) fn run(args: &LoadArgs, context: &GlobalContext) -> Result<Outcome> {
    let loaded = load(args, context, |_, _| Ok(()))?;
    Ok(Outcome::Results(loaded.iter().map(EngineImage::name).collect()))
}
