//! The arguments of `cargo oci validate`.

use clap::Args;
use clap::builder::NonEmptyStringValueParser;

use super::TalkArgs;

/// Which image.
#[derive(Args, Clone, Debug)]
pub struct NamedArgs {
    /// A registry reference, the path of a layout or an archive with or without `:TAG` or `@DIGEST` behind it,
    /// `oci:PATH[:NAME]`, `oci-archive:PATH[:NAME]` or `embedded`
    #[arg(value_name = "REF|PATH", value_parser = NonEmptyStringValueParser::new())]
    pub image: String,
    /// How much is said.
    #[command(flatten)]
    pub talk: TalkArgs,
}
