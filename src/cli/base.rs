//! The arguments of `cargo oci base`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::registry::RegistryArgs;
use super::talk::{CommandArgs, TalkArgs};

/// The arguments of `cargo oci base`.
#[derive(Args, Clone, Debug)]
pub struct BaseToolArgs {
    /// The action.
    #[command(subcommand)]
    pub action: BaseAction,
}

/// Actions on the bases in Cargo.toml.
#[derive(Clone, Debug, Subcommand)]
pub enum BaseAction {
    /// Add the digest that the tag names now: `base = "NAME:TAG@sha256:…"`
    ///
    /// Changes each key `base` that is an image in a registry without a digest, in the tables of the workspace, of packages and of
    /// `images`. Writes the key where the default base is used. No other byte of the file changes. Prints the bases with their
    /// digests.
    Pin(BasePinArgs),
    /// Compare the digests in Cargo.toml with what the tags name now
    ///
    /// For a base that is behind, prints what changed: layers, packages, CA certificates, os-release. Pulls the layers of both for
    /// one platform for that. Exits with status 1 if a base is behind.
    Check(BaseCheckArgs),
    /// Replace the digests in Cargo.toml with what the tags name now
    ///
    /// Verifies the signature of a base with `base-verify` first. Fails before anything is written if a base has no image for a
    /// platform any more, or is made of another distribution. No other byte of the file changes. Prints the bases with their
    /// digests.
    Update(BasePinArgs),
}

/// The images whose bases are meant.
#[derive(Args, Clone, Debug)]
pub struct BaseSelection {
    /// Only the bases of these images [default: all of the workspace]
    #[arg(value_name = "IMAGE")]
    pub images: Vec<String>,
    /// Path to Cargo.toml
    #[arg(long, value_name = "PATH")]
    pub manifest_path: Option<PathBuf>,
    /// Registries.
    #[command(flatten)]
    pub registries: RegistryArgs,
    /// Output.
    #[command(flatten)]
    pub talk: TalkArgs,
}

/// The arguments of `cargo oci base check`.
#[derive(Args, Clone, Debug)]
pub struct BaseCheckArgs {
    /// Print JSON
    #[arg(long)]
    pub json: bool,
    /// The images.
    #[command(flatten)]
    pub selection: BaseSelection,
}

/// The arguments of `cargo oci base pin` and `cargo oci base update`.
#[derive(Args, Clone, Debug)]
pub struct BasePinArgs {
    /// Print the difference instead of writing it
    #[arg(long)]
    pub dry_run: bool,
    /// The images.
    #[command(flatten)]
    pub selection: BaseSelection,
}

impl CommandArgs for BaseToolArgs {
    fn talk(&self) -> TalkArgs {
        self.action.selection().talk.clone()
    }

    fn registries(&self) -> RegistryArgs {
        self.action.selection().registries.clone()
    }
}

impl BaseAction {
    fn selection(&self) -> &BaseSelection {
        match self {
            BaseAction::Pin(args) | BaseAction::Update(args) => &args.selection,
            BaseAction::Check(args) => &args.selection,
        }
    }
}
