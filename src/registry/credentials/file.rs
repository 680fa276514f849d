//! The files that Docker and Podman keep credentials in, as they are on disk.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use miette::{Report, miette};

use super::json::{Object, Value};
use super::key::Wanted;
use super::mistake::Mistake;
use super::{Credential, Secret};
use crate::environment::Environment;
use crate::error::Result;

/// No file of credentials is larger.
const MOST_BYTES: u64 = 1 << 20;

/// Base64 as Docker writes it, and as hands write it who forget the padding.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// A file with `auths`, `credHelpers` and `credsStore`, any of which may be missing.
#[derive(Clone)]
pub struct ConfigFile {
    /// Where it is.
    pub path: PathBuf,
    /// What is in it.
    pub text: String,
}

/// What a file says of the helper for a registry.
pub struct HelperEntry {
    /// What comes behind `docker-credential-`; nothing where the file says that this registry has none.
    pub name: Option<String>,
    /// The key that says so: `credHelpers` or `credsStore`.
    pub key: &'static str,
}

/// The files in which credentials may be, the one that counts most first. A file may be named twice.
pub fn places(environment: &Environment) -> Vec<PathBuf> {
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

/// The file that `login` writes: the one that is named, else Docker's own.
///
/// # Errors
/// When the user has no home.
pub fn place_to_store(environment: &Environment) -> Result<PathBuf> {
    let home_less = || {
        miette!(help = "set DOCKER_CONFIG to a folder of yours", "there is no place for credentials: HOME is not set")
    };
    named_or_dockers(environment).next().ok_or_else(home_less)
}

impl ConfigFile {
    /// Reads a file; nothing where there is none.
    ///
    /// # Errors
    /// When it is there and cannot be read, or is not an object in JSON.
    pub fn read(path: &Path) -> Result<Option<ConfigFile>> {
        let text = match read(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(unreadable(path, &error)),
        };
        let file = ConfigFile { path: path.to_owned(), text };
        file.look(|_| Ok(()))?;
        Ok(Some(file))
    }

    /// Looks at the content; a mistake in it becomes an error that shows the place.
    pub fn look<T>(&self, look: impl FnOnce(&Object) -> Result<T, Mistake>) -> Result<T> {
        let looked = Object::parse(&self.text).and_then(|whole| look(&whole));
        looked.map_err(|mistake| mistake.within(&self.path, &self.text))
    }

    /// The helper that `credHelpers` names for what is wanted.
    ///
    /// # Errors
    /// A mistake in that part of the file.
    pub fn own_helper(&self, wanted: &Wanted) -> Result<Option<HelperEntry>> {
        let name = self.look(|whole| {
            let helpers = whole.object("credHelpers")?;
            let Some((key, value)) = helpers.as_ref().and_then(|helpers| best(helpers, wanted)) else {
                return Ok(None);
            };
            let name = value.string(&format!("`credHelpers.\"{key}\"`"))?;
            Ok(Some(check_name(name.unwrap_or_default(), &value)?))
        })?;
        Ok(name.map(|name| HelperEntry { name, key: "credHelpers" }))
    }

    /// The helper that `credsStore` names for all that has none of its own.
    ///
    /// # Errors
    /// A mistake in that part of the file.
    pub fn common_helper(&self) -> Result<Option<HelperEntry>> {
        let name = self.look(|whole| match whole.get("credsStore") {
            Some(value) => check_name(value.string("`credsStore`")?.unwrap_or_default(), &value),
            None => Ok(None),
        })?;
        Ok(name.map(|name| HelperEntry { name: Some(name), key: "credsStore" }))
    }

    /// The credential in `auths` whose key fits best.
    ///
    /// # Errors
    /// A mistake in that part of the file.
    pub fn auth(&self, wanted: &Wanted) -> Result<Option<Credential>> {
        self.look(|whole| {
            let Some(auths) = whole.object("auths")? else { return Ok(None) };
            let mut found: Option<((usize, bool), Credential)> = None;
            for (key, value) in &auths.entries {
                let Some(fit) = wanted.fit(key) else { continue };
                // An entry that holds nothing only says that a helper knows more.
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

/// The entry whose key fits best; the last one of those that fit alike.
fn best<'a>(object: &Object<'a>, wanted: &Wanted) -> Option<(String, Value<'a>)> {
    let fitting = object.entries.iter().filter_map(|(key, value)| Some((wanted.fit(key)?, key, value)));
    fitting.max_by_key(|(fit, ..)| *fit).map(|(_, key, value)| (key.clone(), *value))
}

/// A helper's name as it may be put behind `docker-credential-`: it names a program on PATH, and no other place.
fn check_name(name: String, value: &Value) -> Result<Option<String>, Mistake> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    match name.chars().all(plain) && !name.starts_with('.') {
        true => Ok(Some(name).filter(|name| !name.is_empty())),
        false => Err(Mistake::new(
            "the name of a credential helper is letters, digits, `.`, `_` and `-`, and no path".to_owned(),
            value.at(),
            "this is not the name of one",
        )),
    }
}

/// What an entry of `auths` holds, in any of its forms; nothing when it is empty.
fn credential(key: &str, value: &Value) -> Result<Option<Credential>, Mistake> {
    let place = |field: &str| format!("`auths.\"{key}\"{field}`");
    let Some(entry) = value.object(&place(""))? else { return Ok(None) };
    let string = |field: &str| entry.string(field, &place(&format!(".{field}")));
    if let Some(token) = string("registrytoken")? {
        return Ok(Some(Credential::RegistryToken(Secret::new(token))));
    }
    if let Some(token) = string("identitytoken")? {
        return Ok(Some(Credential::IdentityToken(Secret::new(token))));
    }
    if let (Some(auth), Some(value)) = (string("auth")?, entry.get("auth")) {
        let (user, password) = decoded(&auth).ok_or_else(|| {
            let message = format!("{} should be `user:password` in base64", place(".auth"));
            Mistake::new(message, value.at(), "this is something else")
        })?;
        return Ok(basic(user, password));
    }
    Ok(basic(string("username")?.unwrap_or_default(), string("password")?.unwrap_or_default()))
}

fn basic(user: String, password: String) -> Option<Credential> {
    let is_empty = user.is_empty() && password.is_empty();
    (!is_empty).then(|| Credential::Basic { user, password: Secret::new(password) })
}

/// The user, which holds no colon, and the password, which may.
fn decoded(auth: &str) -> Option<(String, String)> {
    let text = String::from_utf8(BASE64.decode(auth.trim()).ok()?).ok()?;
    let (user, password) = text.split_once(':')?;
    // Some write the zeros of a C string with it, and Docker takes them off.
    Some((user.to_owned(), password.trim_end_matches('\0').to_owned()))
}

/// The `auth` of a user and a password.
pub fn encoded(user: &str, password: &Secret) -> String {
    BASE64.encode(format!("{user}:{}", password.expose()))
}

fn read(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    File::open(path)?.take(MOST_BYTES + 1).read_to_string(&mut text)?;
    match text.len() as u64 > MOST_BYTES {
        true => Err(io::Error::other("it is larger than 1 MiB, which no file of credentials is")),
        false => Ok(text),
    }
}

fn unreadable(path: &Path, error: &io::Error) -> Report {
    let name = path.display();
    match error.kind() {
        io::ErrorKind::InvalidData => miette!(
            help = "look whether another program has written it; credentials are in JSON, in UTF-8",
            "cannot read {name}: it is not text"
        ),
        _ => miette!(
            help = "credentials may be in it: make it a file that you can read, or name another in REGISTRY_AUTH_FILE",
            "cannot read {name}: {error}"
        ),
    }
}
