//! The credentials files of Docker and Podman, as they are on disk.

use std::io;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use miette::{Report, miette};

use super::credential::Credential;
use super::error::JsonError;
use super::json::{JsonObject, JsonValue};
use super::key::Query;
use crate::environment::{DOCKER_AUTH_CONFIG, Environment};
use crate::error::Result;
use crate::registry::small_file;
use crate::secret::Secret;

/// Base64 as Docker writes it, and without padding too, as in files edited by hand.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// A file with `auths`, `credHelpers` and `credsStore`, all of them optional.
#[derive(Clone)]
pub(crate) struct ConfigFile {
    /// Its path.
    pub(crate) path: PathBuf,
    /// Its content.
    pub(crate) text: String,
}

/// The helper that a file configures for a registry.
pub(crate) struct HelperEntry {
    /// The program without `docker-credential-`, or `None` if the file disables helpers for this registry.
    pub(crate) name: Option<String>,
    /// The key that configures it: `credHelpers` or `credsStore`.
    pub(crate) key: &'static str,
}

/// Returns the file that the variable `DOCKER_AUTH_CONFIG` holds, as GitLab's runners and Docker have it, or `None` if it is not
/// set.
///
/// # Errors
/// Returns an error if its value is not a JSON object.
pub(crate) fn in_variable(environment: &Environment) -> Result<Option<ConfigFile>> {
    let Some(value) = environment.get(DOCKER_AUTH_CONFIG) else { return Ok(None) };
    let file = ConfigFile { path: DOCKER_AUTH_CONFIG.into(), text: value.to_string_lossy().into_owned() };
    file.parse(|_| Ok(()))?;
    Ok(Some(file))
}

/// Returns the files to look for credentials in, highest precedence first. A file may occur twice.
pub(crate) fn paths(environment: &Environment) -> Vec<PathBuf> {
    let variable = |key: &str| environment.get(key).map(|folder| Path::new(folder).join("containers/auth.json"));
    let in_home = environment.home().map(|home| home.join(".config/containers/auth.json"));
    let of_podman = [variable("XDG_RUNTIME_DIR"), variable("XDG_CONFIG_HOME"), in_home];
    named_or_dockers(environment).chain(of_podman.into_iter().flatten()).collect()
}

fn named_or_dockers(environment: &Environment) -> impl Iterator<Item = PathBuf> {
    let file = environment.get("REGISTRY_AUTH_FILE").map(PathBuf::from);
    let folder = environment.get("DOCKER_CONFIG").map(|folder| Path::new(folder).join("config.json"));
    let in_home = environment.home().map(|home| home.join(".docker/config.json"));
    [file, folder, in_home].into_iter().flatten()
}

/// Returns the file that `login` writes: the one that the environment names, or Docker's.
///
/// # Errors
/// Returns an error if the user has no home folder.
pub(crate) fn path_to_store(environment: &Environment) -> Result<PathBuf> {
    named_or_dockers(environment).next().ok_or_else(|| {
        miette!(help = "set DOCKER_CONFIG to a folder", "cannot find a folder for credentials: HOME is not set")
    })
}

impl ConfigFile {
    /// Reads a file. Returns `None` if there is none.
    ///
    /// # Errors
    /// Returns an error if the file exists and cannot be read, or is not a JSON object.
    pub(crate) fn read(path: &Path) -> Result<Option<ConfigFile>> {
        let text = small_file::read(path).map_err(|error| unreadable(path, &error))?;
        let Some(text) = text else { return Ok(None) };
        let file = ConfigFile { path: path.to_owned(), text };
        file.parse(|_| Ok(()))?;
        Ok(Some(file))
    }

    /// Parses the content, and has `read` read it.
    ///
    /// # Errors
    /// Returns an error that shows the line if the content is invalid.
    pub(crate) fn parse<T>(&self, read: impl FnOnce(&JsonObject) -> Result<T, JsonError>) -> Result<T> {
        let result = JsonObject::parse(&self.text).and_then(|whole| read(&whole));
        result.map_err(|error| error.within(&self.path, &self.text))
    }

    /// Returns the helper in `credHelpers` for the registry, or `None` if there is no entry.
    ///
    /// # Errors
    /// Returns an error if that part of the file is invalid.
    pub(crate) fn own_helper(&self, query: &Query) -> Result<Option<HelperEntry>> {
        let name = self.parse(|whole| {
            let helpers = whole.object("credHelpers")?;
            let Some((key, value)) = helpers.as_ref().and_then(|helpers| best(helpers, query)) else {
                return Ok(None);
            };
            let name = value.string(&format!("`credHelpers.\"{key}\"`"))?;
            Ok(Some(check_name(name.unwrap_or_default(), &value)?))
        })?;
        Ok(name.map(|name| HelperEntry { name, key: "credHelpers" }))
    }

    /// Returns the helper in `credsStore`, or `None` if there is none.
    ///
    /// # Errors
    /// Returns an error if that part of the file is invalid.
    pub(crate) fn common_helper(&self) -> Result<Option<HelperEntry>> {
        let name = self.parse(|whole| match whole.get("credsStore") {
            Some(value) => check_name(value.string("`credsStore`")?.unwrap_or_default(), &value),
            None => Ok(None),
        })?;
        Ok(name.map(|name| HelperEntry { name: Some(name), key: "credsStore" }))
    }

    /// Returns the credential in `auths` with the best matching key, or `None` if no key matches.
    ///
    /// # Errors
    /// Returns an error if that part of the file is invalid.
    pub(crate) fn auth(&self, query: &Query) -> Result<Option<Credential>> {
        self.parse(|whole| {
            let Some(auths) = whole.object("auths")? else { return Ok(None) };
            let mut found: Option<((usize, bool), Credential)> = None;
            for (key, value) in &auths.entries {
                let Some(fit) = query.fit(key) else { continue };
                // Docker writes empty entries for registries with a helper.
                if let Some(credential) = credential(key, value)?
                    && found.as_ref().is_none_or(|(best, _)| fit >= *best)
                {
                    found = Some((fit, credential));
                }
            }
            Ok(found.map(|(_, credential)| credential))
        })
    }
}

/// Returns the entry with the best matching key; of equal ones, the last.
fn best<'a>(object: &JsonObject<'a>, query: &Query) -> Option<(String, JsonValue<'a>)> {
    let fitting = object.entries.iter().filter_map(|(key, value)| Some((query.fit(key)?, key, value)));
    fitting.max_by_key(|(fit, ..)| *fit).map(|(_, key, value)| (key.clone(), *value))
}

/// Returns the helper's name, or `None` if it is empty.
///
/// # Errors
/// Returns an error if the name would make `docker-credential-NAME` anything but the name of a program on PATH.
fn check_name(name: String, value: &JsonValue) -> Result<Option<String>, JsonError> {
    if name.starts_with('.') || name.chars().any(|c| !c.is_ascii_alphanumeric() && !"._-".contains(c)) {
        let message = "invalid credential helper: its name must consist of letters, digits, `.`, `_` and `-`";
        return Err(JsonError::new(message.to_owned(), value.span(), "invalid name"));
    }
    Ok(Some(name).filter(|name| !name.is_empty()))
}

/// Returns the credential in an entry of `auths`, in any of its forms, or `None` if the entry is empty.
fn credential(key: &str, value: &JsonValue) -> Result<Option<Credential>, JsonError> {
    let path = |field: &str| format!("`auths.\"{key}\"{field}`");
    let Some(entry) = value.object(&path(""))? else { return Ok(None) };
    let string = |field: &str| entry.string(field, &path(&format!(".{field}")));
    if let Some(token) = string("registrytoken")? {
        return Ok(Some(Credential::RegistryToken(Secret::new(token))));
    }
    if let Some(token) = string("identitytoken")? {
        return Ok(Some(Credential::IdentityToken(Secret::new(token))));
    }
    if let (Some(auth), Some(value)) = (string("auth")?, entry.get("auth")) {
        let (user, password) = decoded(&auth).ok_or_else(|| {
            let message = format!("{} must be `user:password` in base64", path(".auth"));
            JsonError::new(message, value.span(), "expected base64 of `user:password`")
        })?;
        return Ok(basic(user, password));
    }
    Ok(basic(string("username")?.unwrap_or_default(), string("password")?.unwrap_or_default()))
}

fn basic(user: String, password: String) -> Option<Credential> {
    let is_empty = user.is_empty() && password.is_empty();
    (!is_empty).then(|| Credential::Basic { user, password: Secret::new(password) })
}

/// Returns the user and the password. Only the password may contain a colon.
fn decoded(auth: &str) -> Option<(String, String)> {
    // Some programs break lines of base64.
    let auth: String = auth.split_ascii_whitespace().collect();
    let text = String::from_utf8(BASE64.decode(auth).ok()?).ok()?;
    let (user, password) = text.split_once(':')?;
    // Docker removes trailing NULs too, which some programs write.
    Some((user.to_owned(), password.trim_end_matches('\0').to_owned()))
}

/// Returns the value of `auth` for a user and a password.
pub(crate) fn encoded(user: &str, password: &Secret) -> String {
    BASE64.encode(format!("{user}:{}", password.expose()))
}

fn unreadable(path: &Path, error: &io::Error) -> Report {
    let name = path.display();
    match error.kind() {
        io::ErrorKind::InvalidData => miette!(
            help = "check whether another program has overwritten it: it must be JSON in UTF-8",
            "cannot read {name}: not valid UTF-8"
        ),
        _ => miette!(
            help = "make the file readable, or set REGISTRY_AUTH_FILE to another file",
            "cannot read {name}: {error}"
        ),
    }
}
