//! How registries are reached, as flags.

use std::time::Duration;

use clap::{Args, Subcommand};

use super::talk::{CommandArgs, TalkArgs};
use super::time::timeout;
use crate::reference::{NamedRegistry, RegistryName};

/// How registries are reached.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Registry")]
pub struct RegistryArgs {
    /// Accept plain HTTP and any certificate from this registry (repeatable)
    #[arg(long = "insecure-registry", value_name = "HOST[:PORT]")]
    pub insecure_registries: Vec<RegistryName>,
    /// How long a registry may be silent during a request: 90s, 10m [default: 5m, and 30s within a transfer]
    ///
    /// A cache that fetches from another registry may need minutes. This limits neither connecting, which may take 10 seconds,
    /// nor a transfer that goes on, nor the pause that a registry asks for.
    #[arg(long, value_name = "TIME", value_parser = timeout)]
    pub timeout: Option<Duration>,
}

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
        let RegistryAction::Show(args) = &self.action;
        args.talk.clone()
    }

    fn registries(&self) -> RegistryArgs {
        let RegistryAction::Show(args) = &self.action;
        args.registries.clone()
    }
}
