//! `cargo oci schema`: the JSON Schema of the table or of a policy, for editors.

use super::Outcome;
use crate::cli::SchemaArgs;
use crate::config::schema::{policy_schema, schema};
use crate::context::GlobalContext;
use crate::error::Result;

/// Returns the JSON Schema of `metadata.oci` in Cargo.toml, or of a policy.
#[allow(clippy::unnecessary_wraps)] // as the other commands
pub(crate) fn run(args: &SchemaArgs, _: &GlobalContext) -> Result<Outcome> {
    Ok(Outcome::Text(if args.policy { policy_schema() } else { schema() }))
}
