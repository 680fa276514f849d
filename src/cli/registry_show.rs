//! The arguments of `cargo oci registry`.

use clap::{Args, Subcommand};

use super::registry::RegistryArgs;
use super::talk::{CommandArgs, TalkArgs};
use crate::reference::NamedRegistry;

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
