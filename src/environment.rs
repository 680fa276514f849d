//! The environment variables of this process, read once.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

/// The variables that hold a credential for the registry that is pushed to. They are ours: programs that are started,
/// such as cargo with the build scripts of all dependencies, do not see them.
pub const REGISTRY_VARIABLES: [&str; 3] =
    ["CARGO_OCI_REGISTRY_TOKEN", "CARGO_OCI_REGISTRY_USERNAME", "CARGO_OCI_REGISTRY_PASSWORD"];

/// The variable that holds the password of a signing key, as cosign has it.
pub const KEY_PASSWORD: &str = "COSIGN_PASSWORD";
/// The variable that holds a token which says who signs without a key, as all of sigstore's programs have it.
pub const IDENTITY_TOKEN: &str = "SIGSTORE_ID_TOKEN";
/// A variable that holds a signing key: the one that `--key` names, of which there is one a run.
static KEY: OnceLock<String> = OnceLock::new();

/// Keeps this variable too from programs that are started from now on: it holds the key that is signed with.
pub fn hide_key(variable: &str) {
    let _ = KEY.set(variable.to_owned());
}

/// Keeps [`REGISTRY_VARIABLES`], the signing key, its password and [`IDENTITY_TOKEN`] from a program that is to be started.
pub fn without_credentials(command: &mut Command) {
    let key = KEY.get().map(String::as_str);
    for variable in REGISTRY_VARIABLES.into_iter().chain([KEY_PASSWORD, IDENTITY_TOKEN]).chain(key) {
        command.env_remove(variable);
    }
}

/// The variables this process was started with.
#[derive(Clone, Debug, Default)]
pub struct Environment(HashMap<OsString, OsString>);

impl Environment {
    /// That of this process.
    pub fn of_this_process() -> Environment {
        std::env::vars_os().collect()
    }

    /// The cargo that called this program, else the one on PATH.
    pub fn cargo(&self) -> &OsStr {
        self.get("CARGO").unwrap_or(OsStr::new("cargo"))
    }

    /// A variable that is set, and not to nothing.
    pub fn get(&self, key: &str) -> Option<&OsStr> {
        let value = self.0.get(OsStr::new(key)).map(OsString::as_os_str);
        value.filter(|value| !value.is_empty())
    }

    /// Whether a variable is set, be it to nothing.
    pub fn is_set(&self, key: &str) -> bool {
        self.0.contains_key(OsStr::new(key))
    }

    /// The user's home folder: that of the variables, else the one the system knows.
    pub fn home(&self) -> Option<PathBuf> {
        let key = if cfg!(windows) { "USERPROFILE" } else { "HOME" };
        self.get(key).map(PathBuf::from).or_else(|| etcetera::home_dir().ok())
    }

    /// The first file with one of these names in the folders of PATH.
    pub fn find_program(&self, names: &[&str]) -> Option<PathBuf> {
        let folders: Vec<_> = std::env::split_paths(self.get("PATH")?).collect();
        let file = |name: &str| format!("{name}{}", std::env::consts::EXE_SUFFIX);
        let mut paths = names.iter().flat_map(|name| folders.iter().map(move |folder| folder.join(file(name))));
        paths.find(|path| path.is_file())
    }
}

impl<K: Into<OsString>, V: Into<OsString>> FromIterator<(K, V)> for Environment {
    fn from_iter<T: IntoIterator<Item = (K, V)>>(variables: T) -> Self {
        Environment(variables.into_iter().map(|(key, value)| (key.into(), value.into())).collect())
    }
}
