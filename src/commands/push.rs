//! `cargo oci push`: build, then blobs → manifests by digest → index → tags, to every repository.

use crate::cli::PushArgs;
use crate::commands::login::Asked;
use crate::error::Result;
use crate::event::Listener;
use crate::publish;

/// Builds and pushes every image that the arguments select; gives `registry/repository@digest` for each repository.
///
/// # Errors
/// The first thing that goes wrong; then no tag of that repository has moved.
pub fn push(args: &PushArgs, asked: Asked, listener: Listener) -> Result<Vec<String>> {
    publish::push(args, asked, listener)
}
