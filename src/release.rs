//! Releases of rustc and cargo.

use serde::{Deserialize, Serialize};

/// The release of a program of the toolchain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Release {
    /// `rustc` or `cargo`.
    pub program: String,
    /// The version, such as `1.96.0`.
    pub version: String,
    /// The line that `--version` prints.
    pub text: String,
}
