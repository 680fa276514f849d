//! What is in an image, as flags.

use std::path::PathBuf;

use clap::Args;
use clap::builder::NonEmptyStringValueParser;

use super::completing::{bases, completing, platforms};
use super::key_value;
use crate::config::check::{check_line, check_user, check_workdir};
use crate::config::{Port, SbomFormats, TagTemplate};
use crate::image::Compression;
use crate::platform::{PlatformChoice, Target};
use crate::reference::{BaseReference, Repository};

/// What is in the image: each overrides the key of that name in `[package.metadata.oci]`.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Image")]
pub struct ImageArgs {
    /// Platforms to build for: linux/amd64, linux/arm64, …, `host`, or `all` that the base has [env: CARGO_OCI_PLATFORMS]
    #[arg(long = "platform", value_name = "LIST", value_delimiter = ',', value_parser = completing::<PlatformChoice>(platforms))]
    #[arg(hide_possible_values = true)]
    pub platforms: Vec<PlatformChoice>,
    /// A Rust target to build for, in the place of a platform, such as x86_64-unknown-linux-gnu (repeatable)
    #[arg(long = "target", value_name = "TRIPLE", conflicts_with = "platforms")]
    pub targets: Vec<Target>,
    /// Use this program, or the programs in this folder, for a platform, and compile nothing for it (repeatable)
    #[arg(long, value_name = "PLATFORM=PATH")]
    pub prebuilt: Vec<Prebuilt>,
    /// Build this one alone of the images of a package (repeatable)
    #[arg(long = "image", value_name = "NAME")]
    pub images: Vec<String>,
    /// The image below: a registry reference, `oci:PATH[:REF]`, `oci-archive:PATH`, `embedded` or `scratch`
    /// [env: CARGO_OCI_BASE]
    #[arg(long, value_name = "REF", value_parser = completing::<BaseReference>(bases), hide_possible_values = true)]
    pub base: Option<BaseReference>,
    /// A tag of the image; may hold placeholders such as {version} and {git.short} (repeatable) [env: CARGO_OCI_TAGS]
    #[arg(short, long = "tag", value_name = "TAG", value_delimiter = ',')]
    pub tags: Vec<TagTemplate>,
    /// Where `cargo oci push` pushes to, such as ghcr.io/acme/hello (repeatable) [env: CARGO_OCI_REPOSITORY]
    #[arg(long = "repository", value_name = "REPO")]
    pub repositories: Vec<Repository>,
    /// Write a plain manifest instead of an index; for one platform only
    #[arg(long)]
    pub no_index: bool,
    /// The program to start and its first arguments (repeat for each part)
    #[arg(long, value_name = "ARG", allow_hyphen_values = true, value_parser = NonEmptyStringValueParser::new())]
    pub entrypoint: Vec<String>,
    /// A default argument (repeat for each)
    #[arg(long, value_name = "ARG", allow_hyphen_values = true)]
    pub cmd: Vec<String>,
    /// An environment variable; $NAME in the value is the base's (repeatable)
    #[arg(long, value_name = "K=V", value_parser = key_value)]
    pub env: Vec<(String, String)>,
    /// The user, and the group behind a colon, to run as
    #[arg(long, value_name = "USER[:GROUP]", value_parser = |user: &str| check_user(user).map(|()| user.to_owned()))]
    pub user: Option<String>,
    /// The folder to start in
    #[arg(long, value_name = "PATH", value_parser = |path: &str| check_workdir(path).map(|()| path.to_owned()))]
    pub workdir: Option<String>,
    /// A port that it listens on, such as 8080 or 53/udp (repeatable)
    #[arg(long, value_name = "PORT", value_delimiter = ',')]
    pub expose: Vec<Port>,
    /// What layers are compressed with: gzip, zstd or none
    #[arg(long, value_name = "KIND")]
    pub compression: Option<Compression>,
    /// Formats of the SBOMs that are attached: cyclonedx, spdx, both with a comma between them, or false for none
    #[arg(long, value_name = "FORMATS")]
    pub sbom: Option<SbomFormats>,
    /// Whether it is attached to the image how that came about: true or false
    #[arg(long, value_name = "BOOL")]
    pub provenance: Option<bool>,
    /// Whether programs hold the list of their crates, for scanners, as `cargo auditable` puts it there: true or false
    #[arg(long, value_name = "BOOL")]
    pub auditable: Option<bool>,
    /// A label in the image's config (repeatable)
    #[arg(long = "label", value_name = "K=V", value_parser = label)]
    pub labels: Vec<(String, String)>,
    /// An annotation on image and index (repeatable)
    #[arg(long = "annotation", value_name = "K=V", value_parser = label)]
    pub annotations: Vec<(String, String)>,
}

fn label(text: &str) -> Result<(String, String), String> {
    check_line(text)?;
    key_value(text)
}

impl ImageArgs {
    /// What to build for, whether platforms or targets were typed.
    pub fn choices(&self) -> Vec<PlatformChoice> {
        let targets = self.targets.iter().copied().map(PlatformChoice::One);
        self.platforms.iter().copied().chain(targets).collect()
    }
}

/// Programs for a platform that were compiled before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prebuilt {
    /// The platform, as the target that would build for it.
    pub target: Target,
    /// The one program, or a folder that has all of them under their names.
    pub path: PathBuf,
}

impl std::str::FromStr for Prebuilt {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || "write it as PLATFORM=PATH, as in `linux/amd64=dist/hello`".to_owned();
        let (platform, path) = text.split_once('=').ok_or_else(wrong)?;
        match platform.parse().map_err(|error: crate::platform::PlatformError| error.to_string())? {
            PlatformChoice::One(target) if !path.is_empty() => Ok(Prebuilt { target, path: path.into() }),
            _ => Err(wrong()),
        }
    }
}
