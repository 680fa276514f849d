//! `cargo oci build`.

use crate::build::{Build, finish};
use crate::cli::BuildArgs;
use crate::context::Registries;
use crate::environment::Environment;
use crate::error::Result;
use crate::event::{BuiltImage, Listener};

/// Builds every image that the arguments select.
///
/// # Errors
/// The first thing that goes wrong: then every layout is as it was before, unless it was one of the other outputs, which
/// are written from the finished layouts.
pub fn build(args: &BuildArgs, listener: Listener) -> Result<Vec<BuiltImage>> {
    let environment = Environment::of_this_process();
    let registries = Registries::new(&environment, listener);
    let built = Build { args, complete: true, attach: true, registries: &registries }.run(|_| Ok(()), &())?;
    finish(&built, listener)?;
    Ok(built.images)
}
