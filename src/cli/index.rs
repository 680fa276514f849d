//! The arguments of `cargo oci index`.

use std::path::PathBuf;

use clap::builder::NonEmptyStringValueParser;
use clap::{Args, ValueHint};

use super::attest::SignerArgs;
use super::inspect::platform;
use super::registry::RegistryArgs;
use super::talk::{CommandArgs, TalkArgs};
use crate::config::check::{key_value, typed_tag};
use crate::platform::Platform;

/// The arguments of `cargo oci index`.
#[derive(Args, Clone, Debug, Default)]
#[command(override_usage = "cargo oci index [OPTIONS] [REF] SOURCE...")]
pub struct IndexArgs {
    /// First the image to make, `REGISTRY/REPOSITORY[:TAG]`; then its parts: metadata files of `cargo oci push --by-digest`, folders
    /// with such files, digests in the same repository, references, layouts or archives. Without REF, the files say what is made
    #[arg(value_name = "REF|SOURCE", required = true, value_hint = ValueHint::AnyPath, value_parser = NonEmptyStringValueParser::new())]
    pub names: Vec<String>,
    /// Fail if the index lacks one of these platforms [default: those in Cargo.toml, if this is a package of that name]
    #[arg(long, value_name = "PLATFORM[,…]", value_delimiter = ',', value_parser = platform)]
    pub require: Vec<Platform>,
    /// Set this tag, besides that of REF, and in place of those in metadata files (repeatable)
    #[arg(short, long = "tag", value_name = "TAG", value_parser = typed_tag)]
    pub tags: Vec<String>,
    /// Add an annotation to the index (repeatable)
    #[arg(long = "annotation", value_name = "KEY=VALUE", value_parser = key_value)]
    pub annotations: Vec<(String, String)>,
    /// Make an index of parts of different images, versions or commits
    #[arg(long)]
    pub allow_mixed: bool,
    /// Add the parts to the index that REF names
    #[arg(long)]
    pub append: bool,
    /// Remove a platform from the index that REF names; with --append, before the parts are added
    #[arg(long, value_name = "PLATFORM[,…]", value_delimiter = ',', value_parser = platform)]
    pub remove: Vec<Platform>,
    /// Print the index; send nothing
    #[arg(long, help_heading = "Output")]
    pub dry_run: bool,
    /// Write the result (references, digests, platforms) to FILE as JSON
    #[arg(long, value_name = "FILE", help_heading = "Output", value_hint = ValueHint::FilePath)]
    pub metadata_file: Option<PathBuf>,
    /// Sign index and images, as `cargo oci sign` does, before the tags move
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

impl CommandArgs for IndexArgs {
    fn talk(&self) -> TalkArgs {
        self.talk.clone()
    }

    fn registries(&self) -> RegistryArgs {
        self.registries.clone()
    }
}
