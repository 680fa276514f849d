//! What `cargo oci init` writes: the table in Cargo.toml, and files for CI.
//!
//! | file | what it makes |
//! | --- | --- |
//! | [`table`] | a Cargo.toml with `[package.metadata.oci]` at its end |
//! | [`ci_file`] | a workflow of GitHub, a pipeline of GitLab |
//! | [`hosting`] | the repository for images that belongs to a git repository |
//! | [`installed`] | where this cargo-oci was installed from |

pub(crate) mod ci_file;
pub(crate) mod hosting;
pub(crate) mod installed;
pub(crate) mod table;
