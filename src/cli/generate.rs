//! The arguments of `cargo oci completions` and `cargo oci man`.

use std::path::PathBuf;

use clap::Args;
use clap_complete::Shell;

/// The arguments of `cargo oci completions`.
#[derive(Args, Clone, Debug)]
pub struct CompletionsArgs {
    /// The shell
    #[arg(value_name = "SHELL")]
    pub shell: Shell,
}

/// The arguments of `cargo oci man`.
#[derive(Args, Clone, Debug)]
pub struct ManArgs {
    /// The folder to write to, such as ~/.local/share/man/man1; created if it does not exist
    #[arg(value_name = "DIR")]
    pub folder: PathBuf,
}
