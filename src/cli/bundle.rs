//! The arguments of `cargo oci bundle`.

use std::path::PathBuf;

use clap::builder::{EnumValueParser, NonEmptyStringValueParser};
use clap::{Args, ValueEnum, ValueHint};

use super::building::for_building;
use super::cargo::CargoArgs;
use super::image::ImageArgs;
use super::registry::RegistryArgs;
use super::talk::{CommandArgs, TalkArgs};

/// The arguments of `cargo oci bundle`.
#[derive(Args, Clone, Debug)]
pub struct BundleArgs {
    /// Where to write the bundle; must not exist yet [default: target/oci/NAME.bundle, or .bundle.tar]
    pub path: Option<PathBuf>,
    /// Unpack this image instead of building one: a registry reference, `oci:PATH[:NAME]`, `oci-archive:PATH[:NAME]`, or
    /// the path of a layout or an archive, optionally with `:TAG` or `@DIGEST`
    #[arg(
        long,
        value_name = "REF|PATH",
        value_hint = ValueHint::AnyPath,
        requires = "path",
        conflicts_with_all = for_building(&FOR_ANY_IMAGE),
        value_parser = NonEmptyStringValueParser::new()
    )]
    pub from: Option<String>,
    /// Write a bundle for rootless runtimes: you own all files, and are root in the container
    #[arg(long)]
    pub rootless: bool,
    /// Write a folder, or a tar file of one, which needs no privileges
    #[arg(short, long, value_name = "FORM", value_parser = EnumValueParser::<BundleForm>::new(), default_value = "dir")]
    pub output: BundleForm,
    /// What is in the image.
    #[command(flatten)]
    pub image: ImageArgs,
    /// Cargo's own flags.
    #[command(flatten)]
    pub cargo: CargoArgs,
}

/// The form of a bundle.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum BundleForm {
    /// A folder.
    Dir,
    /// A tar file.
    Tar,
}

/// The flags about what is in an image that `--from` takes too: what is started, and for which platform.
const FOR_ANY_IMAGE: [&str; 3] = ["entrypoint", "cmd", "platforms"];

impl CommandArgs for BundleArgs {
    fn talk(&self) -> TalkArgs {
        self.cargo.talk.clone()
    }

    fn registries(&self) -> RegistryArgs {
        self.cargo.registries.clone()
    }
}
