//! The user's own file of cargo-oci: what Docker and Podman have no file for, `cargo-oci/registries.toml` in the user's
//! folder of settings.
//!
//! ```toml
//! insecure = ["nas.local:5000"]
//!
//! [[token-service]]
//! registry = "registry.example.com"
//! trust = "auth.example.org"
//! ```

use std::path::{Path, PathBuf};

use miette::{Report, miette};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::insecure::InsecureRegistry;
use super::registries_conf::{FileLine, line_of, parse_document};
use super::trusted_service::TrustedService;
use crate::config::ValueError;
use crate::config::document::{array, in_order, parsed, table, wrong_value};
use crate::environment::Environment;
use crate::error::{Result, or_help};
use crate::reference::RegistryName;
use crate::registry::small_file;
use crate::store::atomic::{self, Audience};
use crate::suggest::nearest;

/// What the file holds.
#[derive(Debug, Default)]
pub(super) struct UserFile {
    pub(super) insecure: Vec<InsecureRegistry>,
    pub(super) services: Vec<TrustedService>,
}

/// Returns the path of the file, or `None` if no folder for settings is known.
pub(super) fn path(environment: &Environment) -> Option<PathBuf> {
    let named = environment.get(if cfg!(windows) { "APPDATA" } else { "XDG_CONFIG_HOME" }).map(PathBuf::from);
    let folder = named.filter(|folder| folder.is_absolute());
    let folder = folder.or_else(|| environment.home().map(|home| home.join(".config")))?;
    Some(folder.join("cargo-oci/registries.toml"))
}

/// Reads the file, if there is one.
///
/// # Errors
/// Returns an error that shows the line if the file is invalid, or one if it cannot be read.
pub(super) fn read(environment: &Environment) -> Result<UserFile> {
    let Some(path) = path(environment) else { return Ok(UserFile::default()) };
    match text(&path)? {
        Some(text) => parse(&path, &text).map_err(|error| unusable(&path, error)),
        None => Ok(UserFile::default()),
    }
}

/// Adds that a registry's credentials may be sent to a token service. Returns the path of the file, or `None` if it says so
/// already.
///
/// # Errors
/// Returns an error if the file is invalid or cannot be written; it is unchanged then.
pub(super) fn add_service(environment: &Environment, registry: &str, service: &str) -> Result<Option<PathBuf>> {
    let path = path(environment)
        .ok_or_else(|| miette!(help = "set HOME", "cannot find a folder for settings: HOME is not set"))?;
    let mut text = text(&path)?.unwrap_or_default();
    let known = parse(&path, &text).map_err(|error| unusable(&path, error))?;
    if known.services.iter().any(|known| known.registry == registry && known.service == service) {
        return Ok(None);
    }
    if !text.is_empty() {
        text.push_str(if text.ends_with('\n') { "\n" } else { "\n\n" });
    }
    // Names of hosts need no escapes.
    let added = format!("[[token-service]]\nregistry = \"{registry}\"\ntrust = \"{service}\"\n");
    text.push_str(&added);
    // Never write what cannot be read again.
    parse(&path, &text).map_err(|error| unusable(&path, error))?;
    let folder = path.parent().unwrap_or(Path::new("."));
    let written = std::fs::create_dir_all(folder)
        .and_then(|()| atomic::replace_for(Audience::Owner, &path, |file| file.write_all(text.as_bytes())));
    written.map_err(|error| {
        miette!(
            help = "nothing was changed. Check the permissions of the file and its folder",
            "cannot write {}: {error}",
            path.display()
        )
    })?;
    Ok(Some(path))
}

fn unusable(path: &Path, error: Report) -> Report {
    or_help(error.wrap_err(format!("cannot use {}", path.display())), || "fix it there, or remove it".to_owned())
}

fn text(path: &Path) -> Result<Option<String>> {
    small_file::read(path)
        .map_err(|error| miette!(help = "make the file readable", "cannot read {}: {error}", path.display()))
}

fn parse(path: &Path, text: &str) -> Result<UserFile> {
    let document = parse_document(path, text)?;
    let read = tables(document.get_ref(), path, text);
    read.map_err(|error| Report::from(error.within(path, text)))
}

fn tables(document: &DeTable, path: &Path, text: &str) -> Result<UserFile, ValueError> {
    let mut file = UserFile::default();
    for (key, value) in in_order(document) {
        match key.get_ref().as_ref() {
            "insecure" => {
                for item in array(value, "an array of registries, such as [\"nas.local:5000\"]")? {
                    let name: RegistryName = parsed(item)?;
                    let named_by = line_of(path, text, item).to_string();
                    file.insecure.push(InsecureRegistry { host: name.as_str().to_owned(), named_by });
                }
            }
            "token-service" => {
                for item in array(value, "an array of tables, `[[token-service]]`")? {
                    file.services.push(service(item, line_of(path, text, item))?);
                }
            }
            other => return Err(unknown(other, key.span(), ["insecure", "token-service"])),
        }
    }
    Ok(file)
}

fn service(value: &Spanned<DeValue>, line: FileLine) -> Result<TrustedService, ValueError> {
    let fields = table(value, "a table")?;
    for (key, _) in in_order(fields) {
        let name = key.get_ref().as_ref();
        if !["registry", "trust"].contains(&name) {
            return Err(unknown(name, key.span(), ["registry", "trust"]));
        }
    }
    let field = |name: &str| {
        let missing = || wrong_value(value, format!("a `[[token-service]]` table must have the key `{name}`"));
        parsed::<RegistryName>(fields.get(name).ok_or_else(missing)?)
    };
    let (registry, service) = (field("registry")?, field("trust")?);
    Ok(TrustedService {
        registry: registry.as_str().to_owned(),
        service: service.as_str().to_owned(),
        source: line.to_string(),
    })
}

fn unknown(key: &str, at: std::ops::Range<usize>, known: [&'static str; 2]) -> ValueError {
    let help = match nearest(key, known) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("the keys are `{}` and `{}`", known[0], known[1]),
    };
    ValueError { message: format!("unknown key `{key}`"), at, label: "unknown key".to_owned(), help: Some(help) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(folder: &Path) -> Environment {
        let key = if cfg!(windows) { "APPDATA" } else { "XDG_CONFIG_HOME" };
        [(key, folder.display().to_string())].into_iter().collect()
    }

    #[test]
    fn added_service_is_read_again() {
        let folder = tempfile::tempdir().expect("a folder");
        let environment = environment(folder.path());
        let written = add_service(&environment, "a.io", "auth.b.io").expect("writes").expect("a path");
        assert_eq!(add_service(&environment, "a.io", "auth.b.io").expect("reads"), None);
        std::fs::write(&written, "# mine\ninsecure = [\n  \"nas.local:5000\"]").expect("a file");
        add_service(&environment, "a.io", "auth.b.io:8443").expect("writes");
        let text = std::fs::read_to_string(&written).expect("a file");
        let added = "[[token-service]]\nregistry = \"a.io\"\ntrust = \"auth.b.io:8443\"\n";
        assert_eq!(text, format!("# mine\ninsecure = [\n  \"nas.local:5000\"]\n\n{added}"));
        let found = read(&environment).expect("a file");
        assert_eq!(found.insecure[0].named_by, format!("{}:3", written.display()));
        assert_eq!(found.services[0].source, format!("{}:5", written.display()));
        assert_eq!((&*found.services[0].registry, &*found.services[0].service), ("a.io", "auth.b.io:8443"));
    }

    #[test]
    fn invalid_file_is_not_written_over() {
        let folder = tempfile::tempdir().expect("a folder");
        let environment = environment(folder.path());
        std::fs::create_dir(folder.path().join("cargo-oci")).expect("a folder");
        let file = folder.path().join("cargo-oci/registries.toml");
        for (text, says) in [
            ("insecur = []", "unknown key `insecur`"),
            ("insecure = \"nas\"", "expected an array of registries"),
            ("insecure = [\"http://nas.local\"]", "remove the scheme"),
            ("[[token-service]]\nregistry = \"a.io\"", "must have the key `trust`"),
            ("[[token-service]]\nregistry = \"a.io\"\ntrust = \"b.io\"\nmore = 1", "unknown key `more`"),
            ("[token-service]\n", "expected an array of tables"),
            ("[[token-service]\n", "unclosed"),
        ] {
            std::fs::write(&file, text).expect("a file");
            let error = add_service(&environment, "a.io", "b.io").expect_err(text);
            assert!(error.root_cause().to_string().contains(says), "{text}: {error:?}");
            assert_eq!(std::fs::read_to_string(&file).expect("a file"), text);
        }
    }
}
