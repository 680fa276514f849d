//! What is in an image, as flags.

use std::path::PathBuf;
use std::str::FromStr;

use clap::Args;

use crate::config::Table;
use crate::platform::{PlatformChoice, PlatformError, Target};

/// What is in the image. Each flag overrides the key of that name in `[package.metadata.oci]`.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Image")]
pub struct ImageArgs {
    /// The flags that override keys.
    #[command(flatten)]
    pub table: Table,
    /// Build for this Rust target instead of a platform, such as x86_64-unknown-linux-gnu (repeatable)
    #[arg(long = "target", value_name = "TRIPLE", conflicts_with_all = ["platforms", "libc"])]
    pub targets: Vec<Target>,
    /// Use this binary, or the binaries in this folder, for a platform instead of compiling (repeatable)
    #[arg(long, value_name = "PLATFORM=PATH")]
    pub prebuilt: Vec<Prebuilt>,
    /// Build only this one of the package's images (repeatable)
    #[arg(long = "image", value_name = "NAME")]
    pub images: Vec<String>,
    /// Write a plain manifest instead of an index; only for one platform
    #[arg(long)]
    pub no_index: bool,
}

impl ImageArgs {
    /// Returns what to build for: `--platform` or `--target`.
    pub fn choices(&self) -> Vec<PlatformChoice> {
        let platforms = self.table.platforms.iter().flat_map(|platforms| &platforms.0);
        platforms.copied().chain(self.targets.iter().copied().map(PlatformChoice::One)).collect()
    }
}

/// Binaries for a platform that are compiled already.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prebuilt {
    /// The platform, as the target that builds for it.
    pub target: Target,
    /// The one binary, or a folder that has all of them under their names.
    pub path: PathBuf,
}

/// The form of `--prebuilt`.
const PREBUILT_FORM: &str = "expected PLATFORM=PATH, such as linux/amd64=dist/hello";

impl FromStr for Prebuilt {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (platform, path) = text.split_once('=').ok_or(PREBUILT_FORM)?;
        match platform.parse().map_err(|error: PlatformError| error.to_string())? {
            PlatformChoice::One(target) if !path.is_empty() => Ok(Prebuilt { target, path: path.into() }),
            _ => Err(PREBUILT_FORM.to_owned()),
        }
    }
}
