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

/// The arguments of `cargo oci inspect`.
#[derive(Args, Clone, Debug)]
pub struct InspectArgs {
    /// The image.
    #[command(flatten)]
    pub named: NamedArgs,
    /// List the files of the image, or this one and what is below it; layers are read for it
    #[arg(long, value_name = "PATH", num_args = 0..=1, default_missing_value = "/", value_parser = image_path)]
    pub files: Option<String>,
}

/// Parses a path in an image. A relative one is rather the image.
fn image_path(text: &str) -> Result<String, String> {
    if text.starts_with('/') {
        return Ok(text.to_owned());
    }
    Err("expected an absolute path in the image, such as /etc: name the image before `--files`".to_owned())
}

/// Parses a platform, also one that Rust has no target for.
pub(super) fn platform(text: &str) -> Result<Platform, PlatformError> {
    match text {
        "host" => Ok(Platform::host()),
        text => text.parse(),
    }
}

impl CommandArgs for InspectArgs {
    fn talk(&self) -> TalkArgs {
        self.named.talk.clone()
    }

    fn registries(&self) -> RegistryArgs {
        self.named.registries.clone()
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
