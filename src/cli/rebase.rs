//! The arguments of `cargo oci rebase`.

use clap::{Args, ValueHint};

use super::attest::SignerArgs;
use super::registry::RegistryArgs;
use super::talk::{CommandArgs, TalkArgs};
use crate::config::check::typed_tag;
use crate::reference::BaseReference;

/// The arguments of `cargo oci rebase`.
#[derive(Args, Clone, Debug)]
pub struct RebaseArgs {
    /// A registry reference, the path of a layout, optionally with `:TAG` or `@DIGEST`, or `oci:PATH[:NAME]`
    #[arg(value_name = "REF|PATH", required_unless_present = "workspace", conflicts_with = "workspace", value_hint = ValueHint::AnyPath)]
    pub images: Vec<String>,
    /// Rebase all images of the package or workspace here, each at its repositories and tags, on the base that Cargo.toml names
    #[arg(long)]
    pub workspace: bool,
    /// The new base [default: what the tag of the old one names now]
    #[arg(long, value_name = "BASE")]
    pub onto: Option<BaseReference>,
    /// The base that the image was built on, if it does not say so
    #[arg(long, value_name = "BASE", conflicts_with = "workspace")]
    pub old_base: Option<BaseReference>,
    /// Set this tag, and leave that of REF (repeatable)
    #[arg(short, long = "tag", value_name = "TAG", value_parser = typed_tag, conflicts_with = "workspace")]
    pub tags: Vec<String>,
    /// Sign the new image, its SBOMs and provenance, before the tags move
    #[arg(long, requires = "signer", help_heading = "Signing")]
    pub sign: bool,
    /// Who signs.
    #[command(flatten, next_help_heading = "Signing")]
    pub signer: SignerArgs,
    /// Registries.
    #[command(flatten)]
    pub registries: RegistryArgs,
    /// Output.
    #[command(flatten)]
    pub talk: TalkArgs,
}

impl CommandArgs for RebaseArgs {
    fn talk(&self) -> TalkArgs {
        self.talk.clone()
    }

    fn registries(&self) -> RegistryArgs {
        self.registries.clone()
    }
}
