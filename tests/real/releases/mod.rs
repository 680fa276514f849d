//! What a release is made of, installed and run as users do. `.ci/test-releases` compiles the programs and runs these tests.

mod archives;
mod binstall;
mod linux;
mod wheel;
mod windows;
mod workflow;

/// The version of the release.
const VERSION: &str = env!("CARGO_PKG_VERSION");
