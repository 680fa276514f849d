//! The arguments of `cargo oci build` and `cargo oci push`.

use std::str::FromStr;

use clap::builder::NonEmptyStringValueParser;
use clap::{ArgGroup, Args, ValueHint};

use super::attest::SignerArgs;
use super::building::for_building;
use super::cargo::CargoArgs;
use super::image::ImageArgs;
use super::output::OutputArgs;
use super::registry::RegistryArgs;
use super::talk::{CommandArgs, TalkArgs};
use super::testing::TestingArgs;
use crate::config::value::NonEmpty;
use crate::config::{Repositories, RepositoryTemplate, TagTemplate};

/// The arguments of `cargo oci push`.
#[derive(Args, Clone, Debug, Default)]
#[command(group(ArgGroup::new("signer").requires("sign")))]
pub struct PushArgs {
    /// Push to this repository, with this tag instead of the key `tags`: as `--repository` and `--tag` do
    #[arg(value_name = "REPOSITORY[:TAG]", conflicts_with = "repository")]
    pub to: Option<PushTarget>,
    /// Push this image, which was built before, instead of building one, and compile nothing: the path of a layout or an archive,
    /// optionally with `:TAG` or `@DIGEST`, `oci:PATH[:NAME]` or `oci-archive:PATH[:NAME]`
    #[arg(long, value_name = "PATH", value_hint = ValueHint::AnyPath)]
    #[arg(conflicts_with_all = not_for_finished(), value_parser = NonEmptyStringValueParser::new())]
    pub from: Option<String>,
    /// What is built.
    #[command(flatten)]
    pub build: BuildArgs,
    /// Push without tags: the image can only be pulled by digest
    #[arg(long, help_heading = "Output")]
    pub by_digest: bool,
    /// Show what would be sent, and what the registry has already; send nothing
    #[arg(long, help_heading = "Output")]
    pub dry_run: bool,
    /// Also push the debug twin as TAG, by default as each tag with `-debug`: the same image over the variant of the base that
    /// has a shell
    #[arg(long, value_name = "TAG", num_args = 0..=1, require_equals = true, conflicts_with = "by_digest")]
    #[arg(help_heading = "Output")]
    pub debug_tag: Option<Option<String>>,
    /// Test the images before anything is pushed, as `cargo oci test` does: no tag moves if a test fails
    #[arg(long, help_heading = "Tests")]
    pub test: bool,
    /// How they are tested.
    #[command(flatten)]
    pub testing: TestingArgs,
    /// Sign index and images, as `cargo oci sign` does, before the tags move
    #[arg(long, requires = "signer", help_heading = "Signing")]
    pub sign: bool,
    /// Who signs.
    #[command(flatten, next_help_heading = "Signing")]
    pub signer: SignerArgs,
}

/// Returns the arguments that are not for an image that was built before: those for building, for testing, and for other places.
fn not_for_finished() -> Vec<&'static str> {
    const OTHERS: [&str; 7] = ["outputs", "sbom_dir", "debug_tag", "test", "require_all", "time_limit", "engine"];
    for_building(&["repository", "tags"]).into_iter().chain(OTHERS).collect()
}

impl PushArgs {
    /// Returns the arguments of the build of the debug twin, which has no outputs beside its layout.
    pub fn to_build_twin(&self) -> Option<BuildArgs> {
        let tag = self.debug_tag.clone()?;
        Some(BuildArgs { twin: Some(DebugTwin { tag }), output: OutputArgs::default(), ..self.to_build() })
    }

    /// Returns the arguments of the build, with the repository and the tag that were typed without a flag.
    pub fn to_build(&self) -> BuildArgs {
        let mut build = self.build.clone();
        let table = &mut build.image.table;
        table.signature_format = self.signer.signature_format;
        if let Some(PushTarget { repository, tag }) = &self.to {
            table.repository = Some(Repositories(vec![repository.clone()]));
            let tags = tag.iter().cloned().chain(table.tags.take().into_iter().flat_map(|tags| tags.0));
            table.tags = Some(NonEmpty(tags.collect())).filter(|tags| !tags.0.is_empty());
        }
        build
    }
}

/// `REPOSITORY[:TAG]`: where an image is pushed to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PushTarget {
    repository: RepositoryTemplate,
    tag: Option<TagTemplate>,
}

impl FromStr for PushTarget {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let is_path = text.starts_with(['.', '/']) || text.starts_with("oci:") || text.starts_with("target/");
        if is_path {
            return Err("expected a repository; `--from` pushes an image that was built before".to_owned());
        }
        // A colon before the last slash begins a port.
        let (name, tag) = match text.rsplit_once(':') {
            Some((name, tag)) if !tag.contains('/') && !text.contains('@') => (name, Some(tag)),
            _ => (text, None),
        };
        if !name.contains('/') {
            return Err(
                "expected a registry and a repository, as in `ghcr.io/acme/hello`; `--package` chooses a package"
                    .to_owned(),
            );
        }
        Ok(PushTarget { repository: name.parse()?, tag: tag.map(str::parse).transpose()? })
    }
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
    /// Whether the debug twin is built instead of the image.
    #[arg(skip)]
    pub twin: Option<DebugTwin>,
}

/// The debug twin of an image: the same image over the variant of its base that has a shell.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DebugTwin {
    /// Its tag, or `None` for each tag of the image with `-debug`.
    pub tag: Option<String>,
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
