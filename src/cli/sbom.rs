//! The arguments of `cargo oci sbom`.

use clap::Args;

use super::{BuildArgs, CargoArgs, ImageArgs};
use crate::config::SbomFormat;

/// The arguments of `cargo oci sbom`.
#[derive(Args, Clone, Debug)]
pub struct SbomArgs {
    /// The format: cyclonedx or spdx
    #[arg(long, value_name = "FORMAT", default_value = "cyclonedx")]
    pub format: SbomFormat,
    /// What the image is made of.
    #[command(flatten)]
    pub image: ImageArgs,
    /// Cargo's own.
    #[command(flatten)]
    pub cargo: CargoArgs,
}

impl SbomArgs {
    /// The build that it is asked of.
    pub fn build(&self) -> BuildArgs {
        BuildArgs { image: self.image.clone(), cargo: self.cargo.clone(), ..BuildArgs::default() }
    }
}
