//! How registries are reached, as flags.

use std::time::Duration;

use clap::Args;

use super::time::timeout;
use crate::reference::RegistryName;

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
