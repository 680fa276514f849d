//! The arguments of `cargo oci reproduce`.

use std::path::PathBuf;

use clap::builder::NonEmptyStringValueParser;
use clap::{Args, ValueHint};

use super::registry::RegistryArgs;
use super::talk::{CommandArgs, TalkArgs};

/// The arguments of `cargo oci reproduce`.
#[derive(Args, Clone, Debug)]
pub struct ReproduceArgs {
    /// A registry reference, or the path of a layout or an archive, optionally with `:TAG` or `@DIGEST`
    #[arg(value_name = "REF|PATH", value_hint = ValueHint::AnyPath, value_parser = NonEmptyStringValueParser::new())]
    pub image: String,
    /// Path to Cargo.toml
    #[arg(long, value_name = "PATH")]
    pub manifest_path: Option<PathBuf>,
    /// Directory for all generated artifacts
    #[arg(long, value_name = "DIRECTORY")]
    pub target_dir: Option<PathBuf>,
    /// Build without accessing the network, with bases from the cache
    #[arg(long)]
    pub offline: bool,
    /// Print what differs as JSON
    #[arg(long)]
    pub json: bool,
    /// Registries.
    #[command(flatten)]
    pub registries: RegistryArgs,
    /// Output.
    #[command(flatten)]
    pub talk: TalkArgs,
}

impl CommandArgs for ReproduceArgs {
    fn talk(&self) -> TalkArgs {
        self.talk.clone()
    }

    fn registries(&self) -> RegistryArgs {
        self.registries.clone()
    }
}
