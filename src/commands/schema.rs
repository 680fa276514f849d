//! `cargo oci schema`: the JSON Schema of the table, for editors.

use super::Outcome;
use crate::cli::SchemaArgs;
use crate::config::schema::schema;
use crate::context::GlobalContext;
use crate::error::Result;

/// Returns the JSON Schema of `metadata.oci` in Cargo.toml.
#[allow(clippy::unnecessary_wraps)] // as the other commands
pub(crate) fn run(_: &SchemaArgs, _: &GlobalContext) -> Result<Outcome> {
    Ok(Outcome::Text(schema()))
}
