//! Cargo's own flags.

use std::path::PathBuf;

use clap::Args;

use super::registry::RegistryArgs;
use super::talk::TalkArgs;

/// Cargo's own flags, with cargo's own meaning.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Cargo")]
pub struct CargoArgs {
    /// Build an image of this package (repeatable)
    #[arg(short, long = "package", value_name = "SPEC", value_parser = package)]
    pub packages: Vec<String>,
    /// Build images of all packages in the workspace that have a table or a binary
    #[arg(long)]
    pub workspace: bool,
    /// Exclude this package (repeatable)
    #[arg(long, value_name = "SPEC", requires = "workspace")]
    pub exclude: Vec<String>,
    /// Put this binary into the image (repeatable)
    #[arg(long = "bin", value_name = "NAME")]
    pub bins: Vec<String>,
    /// Path to Cargo.toml
    #[arg(long, value_name = "PATH")]
    pub manifest_path: Option<PathBuf>,
    /// Space or comma separated list of features to activate
    #[arg(short = 'F', long, value_name = "FEATURES")]
    pub features: Vec<String>,
    /// Activate all available features
    #[arg(long)]
    pub all_features: bool,
    /// Do not activate the `default` feature
    #[arg(long)]
    pub no_default_features: bool,
    /// Build with this profile [default: release]
    #[arg(long, value_name = "NAME")]
    pub profile: Option<String>,
    /// Build with the profile release, the default unless a table sets another.
    #[arg(short, long, hide = true, conflicts_with = "profile")]
    pub release: bool,
    /// Directory for all generated artifacts
    #[arg(long, value_name = "DIRECTORY")]
    pub target_dir: Option<PathBuf>,
    /// Number of parallel jobs
    #[arg(short, long, value_name = "N", allow_hyphen_values = true)]
    pub jobs: Option<String>,
    /// Assert that Cargo.lock will remain unchanged
    #[arg(long)]
    pub locked: bool,
    /// Run without accessing the network, with bases from the cache
    #[arg(long)]
    pub offline: bool,
    /// Equivalent to specifying both --locked and --offline
    #[arg(long)]
    pub frozen: bool,
    /// Override a cargo configuration value (repeatable)
    #[arg(long, value_name = "KEY=VALUE|PATH")]
    pub config: Vec<String>,
    /// Keep the paths of this machine in the binaries, for debuggers that look for sources
    #[arg(long)]
    pub no_remap_path_prefix: bool,
    /// Do not install a missing Rust target through rustup
    #[arg(long)]
    pub no_install: bool,
    /// Registries.
    #[command(flatten)]
    pub registries: RegistryArgs,
    /// Output.
    #[command(flatten)]
    pub talk: TalkArgs,
}

/// Checks that a package is no port: `-p` publishes one in Docker.
fn package(text: &str) -> Result<String, String> {
    if text.starts_with(|c: char| c.is_ascii_digit()) {
        return Err("names of packages do not begin with a digit".to_owned());
    }
    Ok(text.to_owned())
}
