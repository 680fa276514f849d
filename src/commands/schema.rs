//! `cargo oci schema`: the JSON Schema of the table, for editors.

use crate::config::schema;

/// Returns the JSON Schema of `metadata.oci` in Cargo.toml.
pub fn schema() -> String {
    schema::schema()
}
