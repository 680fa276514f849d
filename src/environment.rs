//! The environment variables of a run, read once, and what follows from them alone.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::process::Command;
use std::sync::{Arc, OnceLock};

use etcetera::BaseStrategy;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use miette::miette;

use crate::error::Result;

/// Variables that hold a credential for the registry that is pushed to.
pub const REGISTRY_VARIABLES: [&str; 3] =
    ["CARGO_OCI_REGISTRY_TOKEN", "CARGO_OCI_REGISTRY_USERNAME", "CARGO_OCI_REGISTRY_PASSWORD"];

/// The variable that holds credentials as Docker's config.json does.
pub const DOCKER_AUTH_CONFIG: &str = "DOCKER_AUTH_CONFIG";
/// The variable that holds the password of a signing key, as in cosign.
pub const KEY_PASSWORD: &str = "COSIGN_PASSWORD";
/// The variable that holds the token of an identity that signs without a key, as all of sigstore's programs have it.
pub const IDENTITY_TOKEN: &str = "SIGSTORE_ID_TOKEN";

/// The variable with the URL of a repository of The Update Framework that has a trusted root of sigstore, as in cosign.
pub const TUF_MIRROR: &str = "TUF_MIRROR";
/// The variable with the file of the first root of that repository, as in cosign.
pub const TUF_ROOT: &str = "TUF_ROOT_JSON";

/// Variables of CI services with credentials for registries of images, and with what a job proves its identity by. Cargo needs
/// none of them.
const CI_SECRETS: [&str; 4] = [
    "ACTIONS_ID_TOKEN_REQUEST_TOKEN",
    "BUILDKITE_AGENT_ACCESS_TOKEN",
    "CI_DEPENDENCY_PROXY_PASSWORD",
    "CI_REGISTRY_PASSWORD",
];

/// Keeps other processes of the same user, such as build scripts, from reading the memory and the environment variables of this
/// one, on Linux. Root can still read them where it may trace processes. Programs that are started are as they would be otherwise.
pub fn hide_this_process() {
    // A kernel that knows no such setting, or a sandbox that forbids it, leaves all as it was.
    #[cfg(target_os = "linux")]
    let _ = rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable);
}

/// Returns whether a variable holds a secret, by its name.
pub fn is_secret(variable: &str) -> bool {
    let words = ["TOKEN", "PASSWORD", "SECRET", "CREDENTIAL"];
    variable == DOCKER_AUTH_CONFIG || words.iter().any(|word| variable.to_ascii_uppercase().contains(word))
}

/// The environment variables of a run. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct Environment(Arc<Variables>);

#[derive(Debug, Default)]
struct Variables {
    values: HashMap<OsString, OsString>,
    /// The variable that holds the signing key, if `--key` names one.
    key: OnceLock<String>,
}

impl Environment {
    /// Returns the environment that this process was started with.
    pub fn of_this_process() -> Environment {
        std::env::vars_os().collect()
    }

    /// Keeps another variable from programs that are started from now on: the one that holds the signing key.
    pub fn hide_key(&self, variable: &str) {
        // A run has one key.
        let _ = self.0.key.set(variable.to_owned());
    }

    /// Returns a command for a program that does not see the variables with credentials: those for registries, the signing key,
    /// its password, and what proves an identity. Whatever it starts, such as cargo the build scripts of all dependencies, does not
    /// see them either. Every program is started by such a command.
    pub(crate) fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        self.without_credentials(&mut command);
        command
    }

    /// Removes the same variables from the environment of a program that is about to be started.
    pub(crate) fn without_credentials(&self, command: &mut Command) {
        let key = self.0.key.get().map(String::as_str);
        let own = [DOCKER_AUTH_CONFIG, KEY_PASSWORD, IDENTITY_TOKEN];
        for variable in REGISTRY_VARIABLES.into_iter().chain(own).chain(CI_SECRETS).chain(key) {
            command.env_remove(variable);
        }
    }

    /// Returns the folder of the cache: `CARGO_OCI_CACHE_DIR`, else `cargo-oci` in the user's cache folder.
    ///
    /// # Errors
    /// Returns an error if neither is known.
    pub fn cache_folder(&self) -> Result<PathBuf> {
        if let Some(folder) = self.get("CARGO_OCI_CACHE_DIR") {
            return Ok(folder.into());
        }
        let user = etcetera::base_strategy::choose_native_strategy().map_err(|error| {
            miette!(help = "set CARGO_OCI_CACHE_DIR to a folder", "cannot find the user's cache folder: {error}")
        })?;
        Ok(user.cache_dir().join("cargo-oci"))
    }

    /// Returns the day to compare dates of bases with: `CARGO_OCI_TODAY`, else that of the clock, in UTC.
    ///
    /// # Errors
    /// Returns an error if the variable is no date.
    pub fn today(&self) -> Result<Date> {
        let Some(text) = self.get("CARGO_OCI_TODAY") else {
            return Ok(Timestamp::now().to_zoned(TimeZone::UTC).date());
        };
        let text = text.to_string_lossy();
        text.parse().map_err(|_| {
            miette!(
                help = "set it to a date such as 2026-11-29, or unset it",
                "invalid CARGO_OCI_TODAY: expected a date, found `{text}`"
            )
        })
    }

    /// Returns the time to compare ages with: the beginning of the day in `CARGO_OCI_TODAY`, else that of the clock.
    ///
    /// # Errors
    /// Returns an error if the variable is no date.
    pub(crate) fn now(&self) -> Result<Timestamp> {
        let now = Timestamp::now();
        if self.get("CARGO_OCI_TODAY").is_none() {
            return Ok(now);
        }
        Ok(self.today()?.to_zoned(TimeZone::UTC).map_or(now, |begin| begin.timestamp()))
    }

    /// Returns the cargo that called this program, else the one on PATH.
    pub fn cargo(&self) -> &OsStr {
        self.get("CARGO").unwrap_or(OsStr::new("cargo"))
    }

    /// Returns the value of a variable, or `None` if it is not set or empty.
    pub fn get(&self, key: &str) -> Option<&OsStr> {
        self.value(key).filter(|value| !value.is_empty())
    }

    /// Returns the value of a variable, which may be empty, or `None` if it is not set.
    pub fn value(&self, key: &str) -> Option<&OsStr> {
        self.0.values.get(OsStr::new(key)).map(OsString::as_os_str)
    }

    /// Returns all variables, in no order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&OsStr, &OsStr)> {
        self.0.values.iter().map(|(name, value)| (name.as_os_str(), value.as_os_str()))
    }

    /// Returns whether a variable is set, also to an empty value.
    pub fn is_set(&self, key: &str) -> bool {
        self.value(key).is_some()
    }

    /// Returns the user's home folder: that of the variables, else the one the system knows.
    pub fn home(&self) -> Option<PathBuf> {
        let key = if cfg!(windows) { "USERPROFILE" } else { "HOME" };
        self.get(key).map(PathBuf::from).or_else(|| etcetera::home_dir().ok())
    }

    /// Returns cargo's home folder: `CARGO_HOME`, else `.cargo` in the user's home.
    pub fn cargo_home(&self) -> Option<PathBuf> {
        let set = self.get("CARGO_HOME").map(PathBuf::from);
        set.or_else(|| self.home().map(|home| home.join(".cargo")))
    }

    /// Returns the first file with one of these names in the folders of PATH.
    pub fn find_program(&self, names: &[&str]) -> Option<PathBuf> {
        let folders: Vec<_> = std::env::split_paths(self.get("PATH")?).collect();
        let mut paths = names.iter().flat_map(|name| {
            folders.iter().map(move |folder| folder.join(format!("{name}{}", std::env::consts::EXE_SUFFIX)))
        });
        paths.find(|path| path.is_file())
    }
}

impl<K: Into<OsString>, V: Into<OsString>> FromIterator<(K, V)> for Environment {
    fn from_iter<T: IntoIterator<Item = (K, V)>>(variables: T) -> Self {
        let values = variables.into_iter().map(|(key, value)| (key.into(), value.into())).collect();
        Environment(Arc::new(Variables { values, key: OnceLock::new() }))
    }
}
