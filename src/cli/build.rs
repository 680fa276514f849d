//! The arguments of `cargo oci build` and `cargo oci push`.

use clap::{ArgGroup, Args};

use super::attest::SignerArgs;
use super::cargo::CargoArgs;
use super::image::ImageArgs;
use super::output::OutputArgs;
use super::registry::RegistryArgs;
use super::talk::{CommandArgs, TalkArgs};

/// The arguments of `cargo oci push`.
#[derive(Args, Clone, Debug, Default)]
#[command(group(ArgGroup::new("signer").requires("sign")))]
pub struct PushArgs {
    /// What is built.
    #[command(flatten)]
    pub build: BuildArgs,
    /// Push without tags: the image can only be pulled by digest
    #[arg(long, help_heading = "Output")]
    pub by_digest: bool,
    /// Sign index and images, as `cargo oci sign` does, before the tags move
    #[arg(long, requires = "signer", help_heading = "Signing")]
    pub sign: bool,
    /// Who signs.
    #[command(flatten, next_help_heading = "Signing")]
    pub signer: SignerArgs,
}

/// The arguments of `cargo oci build`.
#[derive(Args, Clone, Debug, Default)]
pub struct BuildArgs {
    /// What is in the image.
    #[command(flatten)]
    pub image: ImageArgs,
    /// Where it is written.
    #[command(flatten)]
    pub output: OutputArgs,
    /// Cargo's own flags.
    #[command(flatten)]
    pub cargo: CargoArgs,
}

impl CommandArgs for BuildArgs {
    fn talk(&self) -> TalkArgs {
        self.cargo.talk.clone()
    }

    fn registries(&self) -> RegistryArgs {
        self.cargo.registries.clone()
    }
}

impl CommandArgs for PushArgs {
    fn talk(&self) -> TalkArgs {
        self.build.cargo.talk.clone()
    }

    fn registries(&self) -> RegistryArgs {
        self.build.cargo.registries.clone()
    }
}
