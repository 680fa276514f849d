//! Credentials: where to find them, in which order, and where to store them.
//!
//! | file | what it does |
//! | --- | --- |
//! | `lookup` | the precedence: variables → files, in each `credHelpers` → `auths` → `credsStore` → anonymous |
//! | `credential` | the kinds of credentials
//! | `store` | where `login` stores a credential, and `logout` erases it |
//! | `key` | matches the keys of a file with a registry and a repository |
//! | `file` | the paths of the files, and the forms of a credential in them |
//! | `helper` | runs credential helpers |
//! | `edit` | adds and removes one entry of a file |
//! | `json`, `error` | positions in a file, and errors that show the line but no secret |

mod credential;
mod edit;
mod error;
pub(crate) mod file;
mod helper;
mod json;
pub(crate) mod key;
mod lookup;
mod store;

use std::fmt;
use std::path::{Path, PathBuf};

use crate::environment::Environment;
pub use crate::secret::Secret;

pub use credential::Credential;
use file::{ConfigFile, HelperEntry};
use helper::Helper;
pub use lookup::{CredentialCache, find};
pub use store::{erase, store};

/// A credential and its source.
#[derive(Clone, Debug)]
pub struct FoundCredential {
    /// The credential.
    pub credential: Credential,
    /// Where it was found, such as `credHelpers of ~/.docker/config.json (docker-credential-ecr-login)`; for
    /// [`Credential::Anonymous`], where it was not found.
    pub source: String,
    /// Why helpers that were asked before have failed.
    pub failed: Vec<String>,
}

impl FoundCredential {
    fn new(credential: Credential, source: String) -> FoundCredential {
        FoundCredential { credential, source, failed: Vec::new() }
    }
}

/// Where a credential is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CredentialStore {
    /// In a file that only its owner can read, without encryption.
    File(String),
    /// With this helper.
    Helper(String),
}

impl fmt::Display for CredentialStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CredentialStore::File(name) | CredentialStore::Helper(name) => f.write_str(name),
        }
    }
}

fn helper<'a>(environment: &'a Environment, file: &ConfigFile, entry: &HelperEntry) -> Option<Helper<'a>> {
    let name = entry.name.as_ref()?;
    Some(Helper::new(environment, name, entry.key, &file.path))
}

/// Returns a path with `~` for the home folder.
fn short(environment: &Environment, path: &Path) -> String {
    let home = environment.home().unwrap_or_default();
    match path.strip_prefix(&home) {
        Ok(rest) if home != PathBuf::new() => Path::new("~").join(rest).display().to_string(),
        _ => path.display().to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A user's home folder, temporary.
    pub(crate) struct Home {
        folder: tempfile::TempDir,
        variables: Vec<(String, String)>,
    }

    impl Default for Home {
        fn default() -> Home {
            let folder = tempfile::tempdir().expect("a temporary folder");
            let name = folder.path().display().to_string();
            let key = if cfg!(windows) { "USERPROFILE" } else { "HOME" };
            Home { folder, variables: vec![(key.to_owned(), name)] }
        }
    }

    impl Home {
        /// Creates one with this file.
        pub(crate) fn with(path: &str, content: &str) -> Home {
            let home = Home::default();
            home.write(path, content);
            home
        }

        pub(crate) fn write(&self, path: &str, content: &str) {
            let path = self.path(path);
            std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
            std::fs::write(path, content).expect("a file");
        }

        pub(crate) fn path(&self, path: &str) -> PathBuf {
            self.folder.path().join(path)
        }

        pub(crate) fn set(&mut self, key: &str, value: &str) {
            self.variables.push((key.to_owned(), value.to_owned()));
        }

        pub(crate) fn environment(&self) -> Environment {
            self.variables.iter().map(|(key, value)| (key, value)).collect()
        }

        pub(crate) fn found(&self, registry: &str, repository: &str) -> FoundCredential {
            find(&self.environment(), registry, repository, false, &CredentialCache::default()).expect("no error")
        }

        /// Adds a helper to PATH, with the lines of a shell script.
        #[cfg(unix)]
        pub(crate) fn helper(&mut self, name: &str, script: &str) {
            let path = self.path("bin").join(format!("docker-credential-{name}"));
            std::fs::create_dir_all(self.path("bin")).expect("a folder");
            // Another process writes it: a concurrent fork of this one would keep it open for writing, and such a file
            // cannot be executed.
            let write = format!("cat > '{0}' <<'END'\n#!/bin/sh\n{script}\nEND\nchmod +x '{0}'", path.display());
            let written = std::process::Command::new("sh").args(["-c", &write]).status();
            assert!(written.is_ok_and(|status| status.success()), "{}", path.display());
            self.set("PATH", &self.path("bin").display().to_string());
        }
    }
}
