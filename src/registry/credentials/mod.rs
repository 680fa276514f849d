//! Credentials: where they are found, in which order, and where they are kept.
//!
//! | file | what it knows |
//! | --- | --- |
//! | `lookup` | the order: variables → files, in each `credHelpers` → `auths` → `credsStore` → anonymous |
//! | `keep` | where `login` puts a credential, and `logout` looks for it |
//! | `key` | for which registry, and for what in it, a key stands |
//! | `file` | where the files are, and the forms of a credential in them |
//! | `helper` | the programs that keep secrets elsewhere |
//! | `edit` | a file with one entry more or less |
//! | `json`, `mistake` | positions in a file, and errors that show them but no secret |

mod edit;
mod file;
mod helper;
mod json;
mod keep;
mod key;
mod lookup;
mod mistake;

use std::fmt;
use std::path::{Path, PathBuf};

use crate::environment::Environment;
pub use crate::secret::Secret;

use file::{ConfigFile, HelperEntry};
use helper::Helper;
pub use keep::{erase, store};
pub use lookup::{Asked, find};

/// What one shows to a registry.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Credential {
    /// Nothing.
    #[default]
    Anonymous,
    /// A user and a password, or what stands for one.
    Basic {
        /// Without a colon.
        user: String,
        /// With any.
        password: Secret,
    },
    /// What a token service takes for a token (OAuth 2's refresh token).
    IdentityToken(Secret),
    /// What the registry takes as it is, as a bearer token.
    RegistryToken(Secret),
}

/// A credential, and who knew it.
#[derive(Clone, Debug)]
pub struct Found {
    /// What to show to the registry.
    pub credential: Credential,
    /// Where it is from, such as ``credHelpers of ~/.docker/config.json (docker-credential-ecr-login)``; for
    /// [`Credential::Anonymous`], where none was.
    pub source: String,
}

/// Where a credential is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// As it is, in a file that only its owner may read.
    File(String),
    /// By this helper.
    Helper(String),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::File(name) | Place::Helper(name) => f.write_str(name),
        }
    }
}

fn helper<'a>(environment: &'a Environment, file: &ConfigFile, entry: &HelperEntry) -> Option<Helper<'a>> {
    let name = entry.name.as_ref()?;
    Some(Helper::new(environment, name, entry.key, &file.path))
}

/// A path as a user reads it.
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

    /// A user's home, in a temporary folder.
    pub struct Home {
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
        /// One with this file.
        pub fn with(path: &str, content: &str) -> Home {
            let home = Home::default();
            home.write(path, content);
            home
        }

        pub fn write(&self, path: &str, content: &str) {
            let path = self.path(path);
            std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
            std::fs::write(path, content).expect("a file");
        }

        pub fn path(&self, path: &str) -> PathBuf {
            self.folder.path().join(path)
        }

        pub fn set(&mut self, key: &str, value: &str) {
            self.variables.push((key.to_owned(), value.to_owned()));
        }

        pub fn environment(&self) -> Environment {
            self.variables.iter().map(|(key, value)| (key, value)).collect()
        }

        pub fn found(&self, registry: &str, repository: &str) -> Found {
            find(&self.environment(), registry, repository, false, &Asked::default()).expect("is right")
        }

        /// A helper on PATH, as the lines of a shell script.
        #[cfg(unix)]
        pub fn helper(&mut self, name: &str, script: &str) {
            let path = self.path("bin").join(format!("docker-credential-{name}"));
            std::fs::create_dir_all(self.path("bin")).expect("a folder");
            // Another process writes it: a fork of this one, made by another test meanwhile, would hold it open for
            // writing, and such a file cannot be started.
            let write = format!("cat > '{0}' <<'END'\n#!/bin/sh\n{script}\nEND\nchmod +x '{0}'", path.display());
            let written = std::process::Command::new("sh").args(["-c", &write]).status();
            assert!(written.is_ok_and(|status| status.success()), "{}", path.display());
            self.set("PATH", &self.path("bin").display().to_string());
        }
    }
}
