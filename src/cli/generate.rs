//! The arguments of `cargo oci completions` and `cargo oci man`.

use std::path::PathBuf;

use clap::Args;
use clap_complete::Shell;

use super::talk::{Arguments, TalkArgs};

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

/// The arguments of `cargo oci schema`: none.
#[derive(Args, Clone, Debug)]
pub struct SchemaArgs {}

impl Arguments for CompletionsArgs {
    fn talk(&self) -> TalkArgs {
        TalkArgs::default()
    }
}

impl Arguments for ManArgs {
    fn talk(&self) -> TalkArgs {
        TalkArgs::default()
    }
}

impl Arguments for SchemaArgs {
    fn talk(&self) -> TalkArgs {
        TalkArgs::default()
    }
}
