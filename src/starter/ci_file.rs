//! Files for CI services, which build and push the image.

use std::path::{Path, PathBuf};

use super::hosting::github_repository;
use crate::cli::{CiService, InstallSource};

/// The text of the workflow for GitHub.
const GITHUB: &str = include_str!("github.yml");
/// The text of the pipeline for GitLab.
const GITLAB: &str = include_str!("gitlab.yml");

/// What a CI file is made from.
#[derive(Debug)]
pub(crate) struct CiFile<'a> {
    /// The package.
    pub package: &'a str,
    /// The folder of the workspace, from the root of the git repository; empty if it is the root.
    pub folder: &'a Path,
    /// Whether the package is chosen by its name: the workspace has others.
    pub is_named: bool,
    /// Whether Cargo.lock is in the git repository, or will be.
    pub has_lock: bool,
    /// The branch that images are pushed from.
    pub branch: &'a str,
    /// Whether Cargo.toml says where the image is pushed to.
    pub has_repository: bool,
    /// Where cargo-oci is installed from.
    pub source: &'a InstallSource,
}

/// Returns the path of a service's file in the git repository.
pub(crate) fn path(service: CiService) -> PathBuf {
    PathBuf::from(match service {
        CiService::Github => ".github/workflows/image.yml",
        CiService::Gitlab => ".gitlab-ci.yml",
    })
}

impl CiFile<'_> {
    /// Returns the text of a service's file.
    pub(crate) fn text(&self, service: CiService) -> String {
        let (template, install, env) = match service {
            CiService::Github => (GITHUB, self.github_install(), self.github_env()),
            CiService::Gitlab => (GITLAB, format!("    - {}\n", self.install()), self.gitlab_env()),
        };
        let target = self.folder.join("target").display().to_string();
        [
            ("@INSTALL@", &*install),
            ("@ENV@", env),
            ("@FLAGS@", &self.flags()),
            ("@TARGET@", &quoted(&target)),
            ("@PACKAGE@", self.package),
            ("@BRANCH@", &quoted(self.branch)),
        ]
        .iter()
        .fold(template.to_owned(), |text, (mark, value)| text.replace(mark, value))
    }

    /// Returns the flags that choose the package, each after a space.
    fn flags(&self) -> String {
        let manifest = self.folder.join("Cargo.toml").display().to_string();
        let is_below = !self.folder.as_os_str().is_empty();
        let flags = [
            is_below.then(|| format!(" --manifest-path {}", word(&manifest))),
            self.is_named.then(|| format!(" --package {}", self.package)),
            self.has_lock.then(|| " --locked".to_owned()),
        ];
        flags.into_iter().flatten().collect()
    }

    /// Returns the command that installs cargo-oci.
    fn install(&self) -> String {
        let rev = self.source.rev.as_ref().map(|rev| format!(" --rev {rev}")).unwrap_or_default();
        format!("cargo install --locked --git {}{rev} cargo-oci", self.source.url)
    }

    /// Returns the name of the action, or `None` if cargo-oci is not on GitHub, or it is not known which version it is.
    fn action(&self) -> Option<String> {
        Some(format!("{}@{}", github_repository(&self.source.url)?, self.source.rev.as_ref()?))
    }

    fn github_install(&self) -> String {
        match self.action() {
            Some(action) => format!("      - uses: {action} # cargo-oci {}\n", env!("CARGO_PKG_VERSION")),
            None => format!("      - name: Install cargo-oci\n        run: {}\n", self.install()),
        }
    }

    /// The action logs in, and names the repository.
    fn github_env(&self) -> &'static str {
        match (self.action(), self.has_repository) {
            (Some(_), _) => "",
            (None, true) => "        env:\n          GITHUB_TOKEN: ${{ github.token }}\n",
            (None, false) => {
                "        env:\n          GITHUB_TOKEN: ${{ github.token }}\n          \
                 CARGO_OCI_REPOSITORY: ghcr.io/{env.GITHUB_REPOSITORY|lower}\n"
            }
        }
    }

    fn gitlab_env(&self) -> &'static str {
        if self.has_repository { "" } else { "    CARGO_OCI_REPOSITORY: $CI_REGISTRY_IMAGE\n" }
    }
}

/// Returns a string of YAML: quoted, if it is more than a word.
fn quoted(text: &str) -> String {
    if is_plain(text) { text.to_owned() } else { format!("'{}'", text.replace('\'', "''")) }
}

/// Returns a word of a shell in a plain string of YAML.
fn word(text: &str) -> String {
    if is_plain(text) { text.to_owned() } else { format!("'{}'", text.replace('\'', r"'\''")) }
}

fn is_plain(text: &str) -> bool {
    let is_number = text.chars().all(|c| c.is_ascii_digit() || "._-".contains(c));
    let is_keyword =
        ["true", "false", "null", "yes", "no", "on", "off", "y", "n"].contains(&&*text.to_ascii_lowercase());
    !is_number
        && !is_keyword
        && !text.starts_with('-')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "._/-".contains(c))
}
