//! The arguments of `cargo oci inspect` and `cargo oci validate`.

use clap::builder::NonEmptyStringValueParser;
use clap::{Args, ValueHint};

use super::registry::RegistryArgs;
use super::talk::{CommandArgs, TalkArgs};
use crate::platform::{Platform, PlatformError};

/// Which image, and how it is printed.
#[derive(Args, Clone, Debug)]
pub struct NamedArgs {
    /// A registry reference, the path of a layout or an archive, optionally with `:TAG` or `@DIGEST`, `oci:PATH[:NAME]`,
    /// `oci-archive:PATH[:NAME]` or `embedded`
    #[arg(value_name = "REF|PATH", value_hint = ValueHint::AnyPath, value_parser = NonEmptyStringValueParser::new())]
    pub image: String,
    /// Read only the image for this platform: linux/amd64, linux/arm64, … or `host`
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

/// Parses a platform, also one that Rust has no target for.
pub(super) fn platform(text: &str) -> Result<Platform, PlatformError> {
    match text {
        "host" => Ok(Platform::host()),
        text => text.parse(),
    }
}

impl CommandArgs for NamedArgs {
    fn talk(&self) -> TalkArgs {
        self.talk.clone()
    }

    fn registries(&self) -> RegistryArgs {
        self.registries.clone()
    }
}
