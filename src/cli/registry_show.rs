//! The arguments of `cargo oci registry`.

use std::time::Duration;

use clap::{Args, Subcommand};

use super::registry::RegistryArgs;
use super::talk::{CommandArgs, TalkArgs};
use super::time::time;
use crate::reference::{NamedRegistry, Reference};

/// The arguments of `cargo oci registry`.
#[derive(Args, Clone, Debug)]
pub struct RegistryToolArgs {
    /// The action.
    #[command(subcommand)]
    pub action: RegistryAction,
}

/// Actions on registries.
#[derive(Clone, Debug, Subcommand)]
pub enum RegistryAction {
    /// Show how a registry is reached, and why: mirrors, certificates, proxy, credentials, and what it answers
    ///
    /// Prints a line `WHAT  VALUE (SOURCE)` for each setting, with the file and line or the variable that it is from. No secret
    /// is printed, and nothing is written to the registry. Exits with status 1 if the registry is blocked or does not answer.
    Show(RegistryShowArgs),
    /// List or delete what nothing in a repository needs any more
    ///
    /// That is what no tag names, no index lists and is attached to nothing that is needed. Only lists it, unless `--delete` is
    /// given. What is younger than a day is kept. ghcr.io and Google's registries say which images have no tag, and when they
    /// were pushed; in others, only what is attached to images that are gone is found. Prints a line `DIGEST  AGE  WHAT` for each.
    Prune(RegistryPruneArgs),
}

/// The arguments of `cargo oci registry prune`.
#[derive(Args, Clone, Debug)]
pub struct RegistryPruneArgs {
    /// The repository: ghcr.io/acme/hello
    #[arg(value_name = "REPOSITORY", value_parser = repository)]
    pub repository: Reference,
    /// Also find images without a tag
    #[arg(long)]
    pub untagged: bool,
    /// Keep what is younger: 3d, 2w
    #[arg(long, value_name = "TIME", value_parser = time, default_value = "14d")]
    pub older_than: Duration,
    /// Keep so many of the youngest images without a tag
    #[arg(long, value_name = "N", default_value_t = 0, requires = "untagged")]
    pub keep: usize,
    /// Delete nothing: the default
    #[arg(long)]
    pub dry_run: bool,
    /// Delete what is listed
    #[arg(long, conflicts_with = "dry_run")]
    pub delete: bool,
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

fn repository(text: &str) -> Result<Reference, String> {
    let name = text.rsplit('/').next().unwrap_or(text);
    if name.contains([':', '@']) {
        return Err("expected a repository, without a tag or a digest".to_owned());
    }
    text.parse::<Reference>().map_err(|error| error.to_string())
}

impl RegistryAction {
    fn talk(&self) -> &TalkArgs {
        match self {
            RegistryAction::Show(args) => &args.talk,
            RegistryAction::Prune(args) => &args.talk,
        }
    }

    fn registries(&self) -> &RegistryArgs {
        match self {
            RegistryAction::Show(args) => &args.registries,
            RegistryAction::Prune(args) => &args.registries,
        }
    }
}

/// The arguments of `cargo oci registry show`.
#[derive(Args, Clone, Debug)]
pub struct RegistryShowArgs {
    /// The registry, or one of its repositories: ghcr.io, ghcr.io/acme/hello
    #[arg(value_name = "HOST[/REPOSITORY]")]
    pub registry: NamedRegistry,
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

impl CommandArgs for RegistryToolArgs {
    fn talk(&self) -> TalkArgs {
        self.action.talk().clone()
    }

    fn registries(&self) -> RegistryArgs {
        self.action.registries().clone()
    }
}
