//! How registries are reached, as flags.

use clap::Args;

use crate::reference::RegistryName;

/// How registries are reached.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Registry")]
pub struct RegistryArgs {
    /// Accept plain HTTP and any certificate from this registry (repeatable)
    #[arg(long = "insecure-registry", value_name = "HOST[:PORT]")]
    pub insecure_registries: Vec<RegistryName>,
}
