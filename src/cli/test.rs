//! The arguments of `cargo oci test`.

use std::path::{Path, PathBuf};

use clap::builder::NonEmptyStringValueParser;
use clap::{Args, ValueHint};

use super::build::BuildArgs;
use super::building::for_building;
use super::cargo::CargoArgs;
use super::image::ImageArgs;
use super::registry::RegistryArgs;
use super::talk::{CommandArgs, TalkArgs};
use super::testing::TestingArgs;

/// The extensions of files with tests. Cargo's own files are TOML.
const TEST_FILES: [&str; 3] = ["yaml", "yml", "json"];

/// The arguments of `cargo oci test`. `--config` names files with tests, besides cargo's own settings.
#[derive(Args, Clone, Debug)]
pub struct TestArgs {
    /// Test this image instead of building one: a registry reference, the path of a layout or an archive, optionally with
    /// `:TAG` or `@DIGEST`; `--config FILE.yaml` names the tests
    #[arg(
        value_name = "REF|PATH",
        value_hint = ValueHint::AnyPath,
        conflicts_with_all = for_building(&["platforms", "config"]),
        value_parser = NonEmptyStringValueParser::new()
    )]
    pub tested: Option<String>,
    /// How it is tested.
    #[command(flatten)]
    pub testing: TestingArgs,
    /// Write the results as JUnit XML
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, help_heading = "Output")]
    pub junit: Option<PathBuf>,
    /// Print the results as JSON
    #[arg(long, help_heading = "Output")]
    pub json: bool,
    /// What is in the image.
    #[command(flatten)]
    pub image: ImageArgs,
    /// Cargo's own flags.
    #[command(flatten)]
    pub cargo: CargoArgs,
}

impl TestArgs {
    /// Returns the arguments of the build.
    pub fn build(&self) -> BuildArgs {
        let mut cargo = self.cargo.clone();
        cargo.config.retain(|value| !is_test_file(value));
        BuildArgs { image: self.image.clone(), cargo, ..BuildArgs::default() }
    }

    /// Returns the files with tests.
    pub fn files(&self) -> Vec<PathBuf> {
        self.cargo.config.iter().filter(|value| is_test_file(value)).map(PathBuf::from).collect()
    }
}

fn is_test_file(value: &str) -> bool {
    let extension = Path::new(value).extension().and_then(|extension| extension.to_str());
    !value.contains('=') && extension.is_some_and(|extension| TEST_FILES.contains(&extension))
}

impl CommandArgs for TestArgs {
    fn talk(&self) -> TalkArgs {
        self.cargo.talk.clone()
    }

    fn registries(&self) -> RegistryArgs {
        self.cargo.registries.clone()
    }
}
