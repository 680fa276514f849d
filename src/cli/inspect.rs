//! The arguments of `cargo oci inspect` and `cargo oci validate`.

use clap::builder::NonEmptyStringValueParser;
use clap::{Args, ValueHint};

use super::TalkArgs;
use crate::platform::{Platform, PlatformError};

/// Which image, and how it is told of.
#[derive(Args, Clone, Debug)]
pub struct NamedArgs {
    /// A registry reference, the path of a layout or an archive with or without `:TAG` or `@DIGEST` behind it,
    /// `oci:PATH[:NAME]`, `oci-archive:PATH[:NAME]` or `embedded`
    #[arg(value_name = "REF|PATH", value_hint = ValueHint::AnyPath, value_parser = NonEmptyStringValueParser::new())]
    pub image: String,
    /// Look at the image for this platform alone: linux/amd64, linux/arm64, …, or `host`
    #[arg(long, value_name = "PLATFORM", value_parser = platform)]
    pub platform: Option<Platform>,
    /// Print what is found as JSON
    #[arg(long)]
    pub json: bool,
    /// How much is said.
    #[command(flatten)]
    pub talk: TalkArgs,
}

/// A platform of any image, also one that cannot be built for.
pub(super) fn platform(text: &str) -> Result<Platform, PlatformError> {
    match text {
        "host" => Ok(Platform::host()),
        text => text.parse(),
    }
}
