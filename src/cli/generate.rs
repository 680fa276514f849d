//! The arguments of `cargo oci completions` and `cargo oci man`.

use std::path::PathBuf;

use clap::Args;
use clap_complete::Shell;

use super::talk::{CommandArgs, TalkArgs};

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

/// The arguments of `cargo oci schema`.
#[derive(Args, Clone, Debug)]
pub struct SchemaArgs {
    /// Print the schema of the files of `verify --policy`
    #[arg(long)]
    pub policy: bool,
}

impl CommandArgs for CompletionsArgs {
    fn talk(&self) -> TalkArgs {
        TalkArgs::default()
    }
}

impl CommandArgs for ManArgs {
    fn talk(&self) -> TalkArgs {
        TalkArgs::default()
    }
}

impl CommandArgs for SchemaArgs {
    fn talk(&self) -> TalkArgs {
        TalkArgs::default()
    }
}
