//! The arguments of `cargo oci init`.

use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, ValueEnum, ValueHint};

use super::talk::{CommandArgs, TalkArgs};
use crate::config::RepositoryTemplate;

/// The arguments of `cargo oci init`.
#[derive(Args, Clone, Debug)]
pub struct InitArgs {
    /// Add the table to this package, instead of that of the current folder
    #[arg(short, long, value_name = "SPEC")]
    pub package: Option<String>,
    /// Path to Cargo.toml
    #[arg(long, value_name = "PATH", value_hint = ValueHint::FilePath)]
    pub manifest_path: Option<PathBuf>,
    /// Push to this repository [default: by the remote `origin` of git, or by `repository` in Cargo.toml]
    #[arg(long, value_name = "REPO", value_parser = repository)]
    pub repository: Option<String>,
    /// Also write a file for this CI service, which builds and pushes the image
    #[arg(long, value_name = "SERVICE")]
    pub ci: Option<CiService>,
    /// The git repository, and its commit or tag, that CI installs cargo-oci from [default: what this cargo-oci was installed
    /// from]
    #[arg(long, value_name = "URL[#REV]", requires = "ci", value_hint = ValueHint::Url)]
    pub install_from: Option<InstallSource>,
    /// Output.
    #[command(flatten)]
    pub talk: TalkArgs,
}

/// A CI service that a file is written for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum CiService {
    /// .github/workflows/image.yml
    Github,
    /// .gitlab-ci.yml
    Gitlab,
}

/// `URL[#REV]`: a git repository, and a commit or tag of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InstallSource {
    /// The URL.
    pub url: String,
    /// The commit or tag; `None` for the default branch.
    pub rev: Option<String>,
}

impl FromStr for InstallSource {
    type Err = String;

    fn from_str(text: &str) -> Result<InstallSource, String> {
        let (url, rev) = text.split_once('#').map_or((text, None), |(url, rev)| (url, Some(rev)));
        // Both are written into scripts.
        let is_plain = |text: &str| {
            !text.is_empty()
                && !text.starts_with('-')
                && text.chars().all(|c| c.is_ascii_alphanumeric() || "-._~:/@+%".contains(c))
        };
        if !url.contains("://") {
            return Err("expected the URL of a git repository, such as https://github.com/acme/cargo-oci".to_owned());
        }
        if !is_plain(url) || !rev.is_none_or(is_plain) {
            return Err("expected only letters, digits and -._~:/@+% in the URL and behind the `#`".to_owned());
        }
        Ok(InstallSource { url: url.to_owned(), rev: rev.map(str::to_owned) })
    }
}

/// Checks that it is what the key `repository` takes.
fn repository(text: &str) -> Result<String, String> {
    text.parse::<RepositoryTemplate>().map(|_| text.to_owned())
}

impl CommandArgs for InitArgs {
    fn talk(&self) -> TalkArgs {
        self.talk.clone()
    }
}
