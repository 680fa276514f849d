//! The arguments of `cargo oci copy`.

use clap::builder::NonEmptyStringValueParser;
use clap::{ArgAction, Args, ValueHint};

use super::identity::IdentityArgs;
use super::inspect::platform;
use super::registry::RegistryArgs;
use super::talk::{CommandArgs, TalkArgs};
use crate::config::check::typed_tag;
use crate::platform::Platform;
use crate::reference::{KeyReference, SignerReference};

/// The arguments of `cargo oci copy`.
#[derive(Args, Clone, Debug)]
pub struct CopyArgs {
    /// A registry reference, the path of a layout or an archive, optionally with `:TAG` or `@DIGEST`, `oci:PATH[:NAME]` or
    /// `oci-archive:PATH[:NAME]`; with --all-tags, a repository
    #[arg(value_name = "SOURCE", value_hint = ValueHint::AnyPath, value_parser = NonEmptyStringValueParser::new())]
    pub source: String,
    /// Where to: a registry reference, `oci:FOLDER[:TAG]` or `oci-archive:FILE[:TAG]`; without a tag, with those of SOURCE
    #[arg(value_name = "DESTINATION", required = true, value_hint = ValueHint::AnyPath, value_parser = NonEmptyStringValueParser::new())]
    pub destinations: Vec<String>,
    /// Copy only these platforms: one as the image itself, several as a new index of them
    #[arg(long, value_name = "PLATFORM[,…]", value_delimiter = ',', value_parser = platform)]
    pub platform: Vec<Platform>,
    /// Set this tag, in place of those of SOURCE (repeatable)
    #[arg(short, long = "tag", value_name = "TAG", value_parser = typed_tag)]
    pub tags: Vec<String>,
    /// Copy all tags of the repository SOURCE
    #[arg(long, conflicts_with_all = ["tags", "platform"])]
    pub all_tags: bool,
    /// Copy only what this public key has signed, image and attachments: a file, or a variable that holds its content
    #[arg(long, value_name = "FILE|env://VAR", conflicts_with = "identity", value_hint = ValueHint::FilePath)]
    pub require_signature: Option<KeyReference>,
    /// Copy only what was signed without a key by whom the certificates name.
    #[command(flatten)]
    pub identity: IdentityArgs,
    /// Copy what is attached: signatures, SBOMs, provenance, …
    #[arg(long, value_name = "true|false", default_value_t = true, action = ArgAction::Set)]
    pub referrers: bool,
    /// Registries.
    #[command(flatten)]
    pub registries: RegistryArgs,
    /// Output.
    #[command(flatten)]
    pub talk: TalkArgs,
}

impl CopyArgs {
    /// Returns who must have signed the image, or `None` if it need not be signed.
    pub(crate) fn signer(&self) -> Option<SignerReference> {
        self.identity.signer_or(self.require_signature.as_ref())
    }
}

impl CommandArgs for CopyArgs {
    fn talk(&self) -> TalkArgs {
        self.talk.clone()
    }

    fn registries(&self) -> RegistryArgs {
        self.registries.clone()
    }
}
