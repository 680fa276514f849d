//! The arguments of `cargo oci bundle`.

use std::path::PathBuf;

use clap::builder::{EnumValueParser, NonEmptyStringValueParser};
use clap::{Args, ValueEnum, ValueHint};

use super::{CargoArgs, ImageArgs};

/// The arguments of `cargo oci bundle`.
#[derive(Args, Clone, Debug)]
pub struct BundleArgs {
    /// The bundle, which must not be there yet [default: target/oci/NAME.bundle, or .bundle.tar]
    pub path: Option<PathBuf>,
    /// Unpack this image instead of building one: a registry reference, `oci:PATH[:NAME]`, `oci-archive:PATH[:NAME]`, or
    /// the path of a layout or an archive, with or without `:TAG` or `@DIGEST` behind it
    #[arg(
        long,
        value_name = "REF|PATH",
        value_hint = ValueHint::AnyPath,
        requires = "path",
        conflicts_with_all = BUILDING,
        value_parser = NonEmptyStringValueParser::new()
    )]
    pub from: Option<String>,
    /// Make it for a user without rights: all files are yours, and you are root in the container
    #[arg(long)]
    pub rootless: bool,
    /// The form: a folder, or a tar file of one, which needs no rights to be made
    #[arg(short, long, value_name = "FORM", value_parser = EnumValueParser::<BundleForm>::new(), default_value = "dir")]
    pub output: BundleForm,
    /// What the image is made of.
    #[command(flatten)]
    pub image: ImageArgs,
    /// Cargo's own.
    #[command(flatten)]
    pub cargo: CargoArgs,
}

/// A form of a bundle.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum BundleForm {
    /// A folder.
    Dir,
    /// A tar file.
    Tar,
}

/// What is about building only.
const BUILDING: [&str; 35] = [
    "targets",
    "prebuilt",
    "images",
    "expose",
    "compression",
    "sbom",
    "provenance",
    "auditable",
    "base",
    "tags",
    "repositories",
    "no_index",
    "env",
    "user",
    "workdir",
    "labels",
    "annotations",
    "packages",
    "workspace",
    "exclude",
    "bins",
    "manifest_path",
    "features",
    "all_features",
    "no_default_features",
    "profile",
    "release",
    "target_dir",
    "jobs",
    "locked",
    "offline",
    "frozen",
    "config",
    "no_remap_path_prefix",
    "no_install",
];
