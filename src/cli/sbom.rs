//! The arguments of `cargo oci sbom`.

use clap::builder::NonEmptyStringValueParser;
use clap::{Args, ValueEnum, ValueHint};

use super::build::BuildArgs;
use super::building::for_building;
use super::cargo::CargoArgs;
use super::image::ImageArgs;
use super::registry::RegistryArgs;
use super::talk::{CommandArgs, TalkArgs};

/// The arguments of `cargo oci sbom`.
#[derive(Args, Clone, Debug)]
pub struct SbomArgs {
    /// Print the SBOM that is attached to this image instead: a registry reference, or the path of a layout or an archive,
    /// optionally with `:TAG` or `@DIGEST`
    #[arg(
        long,
        value_name = "REF|PATH",
        value_hint = ValueHint::AnyPath,
        conflicts_with_all = for_building(&["platforms"]),
        value_parser = NonEmptyStringValueParser::new()
    )]
    pub from: Option<String>,
    /// Print this format: cyclonedx, spdx, list (a table of names, versions and licenses) or json (the same as JSON)
    /// [default: cyclonedx, or what is attached]
    #[arg(long, value_name = "FORMAT", hide_possible_values = true)]
    pub format: Option<SbomView>,
    /// What is in the image.
    #[command(flatten)]
    pub image: ImageArgs,
    /// Cargo's own flags.
    #[command(flatten)]
    pub cargo: CargoArgs,
}

/// The form in which an SBOM is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum SbomView {
    /// `CycloneDX`.
    #[value(name = "cyclonedx")]
    CycloneDx,
    /// SPDX.
    Spdx,
    /// Names, versions and licenses, one line each.
    List,
    /// The same as JSON.
    Json,
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
