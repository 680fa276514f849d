//! The arguments of `cargo oci sbom`.

use clap::Args;

use super::build::BuildArgs;
use super::cargo::CargoArgs;
use super::image::ImageArgs;
use super::registry::RegistryArgs;
use super::talk::{CommandArgs, TalkArgs};
use crate::config::SbomFormat;

/// The arguments of `cargo oci sbom`.
#[derive(Args, Clone, Debug)]
pub struct SbomArgs {
    /// Print this format: cyclonedx or spdx
    #[arg(long, value_name = "FORMAT", default_value = "cyclonedx")]
    pub format: SbomFormat,
    /// What is in the image.
    #[command(flatten)]
    pub image: ImageArgs,
    /// Cargo's own flags.
    #[command(flatten)]
    pub cargo: CargoArgs,
}

impl SbomArgs {
    /// Returns the arguments of the build that it describes.
    pub fn build(&self) -> BuildArgs {
        BuildArgs { image: self.image.clone(), cargo: self.cargo.clone(), ..BuildArgs::default() }
    }
}

impl CommandArgs for SbomArgs {
    fn talk(&self) -> TalkArgs {
        self.cargo.talk.clone()
    }

    fn registries(&self) -> RegistryArgs {
        self.cargo.registries.clone()
    }
}
