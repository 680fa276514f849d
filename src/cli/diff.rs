//! The arguments of `cargo oci diff`.

use clap::builder::NonEmptyStringValueParser;
use clap::{Args, ValueHint};

use super::inspect::platform;
use super::registry::RegistryArgs;
use super::talk::{CommandArgs, TalkArgs};
use crate::platform::Platform;

/// The arguments of `cargo oci diff`.
#[derive(Args, Clone, Debug)]
pub struct DiffArgs {
    /// The first image: a registry reference, the path of a layout or an archive, optionally with `:TAG` or `@DIGEST`,
    /// `oci:PATH[:NAME]`, `oci-archive:PATH[:NAME]` or `embedded`
    #[arg(value_name = "A", value_hint = ValueHint::AnyPath, value_parser = NonEmptyStringValueParser::new())]
    pub a: String,
    /// The second image
    #[arg(value_name = "B", value_hint = ValueHint::AnyPath, value_parser = NonEmptyStringValueParser::new())]
    pub b: String,
    /// Compare only the images for this platform: linux/amd64, linux/arm64, … or `host`
    #[arg(long, value_name = "PLATFORM", value_parser = platform)]
    pub platform: Option<Platform>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
    /// Registries.
    #[command(flatten)]
    pub registries: RegistryArgs,
    /// Output.
    #[command(flatten)]
    pub talk: TalkArgs,
}

impl CommandArgs for DiffArgs {
    fn talk(&self) -> TalkArgs {
        self.talk.clone()
    }

    fn registries(&self) -> RegistryArgs {
        self.registries.clone()
    }
}
