//! The files of registries.conf, and what they are together.

use std::io;
use std::path::{Path, PathBuf};

use miette::{Context, miette};

use super::registries_conf::{self, RegistryTable};
use crate::environment::Environment;
use crate::error::{Result, or_help};
use crate::registry::small_file;

/// The variable that names the only registries.conf to read, as Podman has it.
const VARIABLE: &str = "CONTAINERS_REGISTRIES_CONF";

/// Returns the tables of all files. A table replaces those of earlier files with the same prefix.
///
/// # Errors
/// Returns an error that shows the line if a file is invalid, or one if it cannot be read.
pub(crate) fn read_all(environment: &Environment, system: &Path) -> Result<Vec<RegistryTable>> {
    let mut tables: Vec<RegistryTable> = Vec::new();
    for path in paths(environment, system)? {
        let text = small_file::read(&path).map_err(|error| unreadable(&path, &error))?;
        let Some(text) = text else { continue };
        let own = registries_conf::parse(&path, &text);
        let own = own.wrap_err_with(|| format!("cannot use {}", path.display()));
        let own = own.map_err(|error| or_help(error, || format!("fix it there, or set {VARIABLE} to another file")))?;
        tables.retain(|table| own.iter().all(|own| own.prefix != table.prefix));
        tables.extend(own);
    }
    Ok(tables)
}

/// Returns the files, lowest precedence first: one main file, that of the user before that of the system, and the drop-ins
/// of both.
fn paths(environment: &Environment, system: &Path) -> Result<Vec<PathBuf>> {
    let system = system.join("containers");
    let user = environment.home().map(|home| home.join(".config/containers"));
    let main = match (environment.get(VARIABLE), &user) {
        (Some(named), _) => PathBuf::from(named),
        (None, Some(user)) if user.join("registries.conf").exists() => user.join("registries.conf"),
        _ => system.join("registries.conf"),
    };
    let mut paths = vec![main];
    for folder in [Some(system), user].into_iter().flatten() {
        paths.extend(drop_ins(&folder.join("registries.conf.d"))?);
    }
    Ok(paths)
}

fn drop_ins(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries.map(|entry| entry.map(|entry| entry.path())).collect::<Result<Vec<_>, _>>(),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(Vec::new()),
        Err(error) => Err(error),
    };
    let mut files = entries.map_err(|error| unreadable(folder, &error))?;
    files.retain(|file| file.extension().is_some_and(|suffix| suffix == "conf") && file.is_file());
    files.sort();
    Ok(files)
}

fn unreadable(path: &Path, error: &io::Error) -> miette::Report {
    miette!(
        help = format!("make it readable, or set {VARIABLE} to another file"),
        "cannot read {}: {error}",
        path.display()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn registry(prefix: &str, rest: &str) -> String {
        format!("[[registry]]\nprefix = \"{prefix}\"\nlocation = \"{prefix}\"\n{rest}\n")
    }

    fn read_with(files: &[(&str, String)], variables: &[(&str, &str)]) -> Result<Vec<(String, String, bool)>> {
        let root = tempfile::tempdir().expect("a folder");
        for (path, text) in files {
            let path = root.path().join(path);
            std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
            std::fs::write(path, text).expect("a file");
        }
        let home = root.path().join("home").display().to_string();
        let named = |value: &str| root.path().join(value).display().to_string();
        let variables = variables.iter().map(|(key, value)| ((*key).to_owned(), named(value)));
        let home_key = if cfg!(windows) { "USERPROFILE" } else { "HOME" };
        let environment = variables.chain([(home_key.to_owned(), home)]).collect();
        let tables = read_all(&environment, &root.path().join("etc"))?;
        let shown = tables.into_iter().map(|table| {
            let path = table.line.path.strip_prefix(root.path()).expect("a path").display().to_string();
            (table.prefix.text(), path, table.insecure)
        });
        Ok(shown.collect())
    }

    #[test]
    fn user_file_replaces_system_file() {
        let system = ("etc/containers/registries.conf", registry("a.io", ""));
        let user = ("home/.config/containers/registries.conf", registry("b.io", ""));
        let found = read_with(std::slice::from_ref(&system), &[]).expect("tables");
        assert_eq!(found, [("a.io".to_owned(), "etc/containers/registries.conf".to_owned(), false)]);
        let found = read_with(&[system.clone(), user.clone()], &[]).expect("tables");
        assert_eq!(found, [("b.io".to_owned(), "home/.config/containers/registries.conf".to_owned(), false)]);
        let named = ("x.conf", registry("c.io", ""));
        let found = read_with(&[system, user, named], &[(VARIABLE, "x.conf")]).expect("tables");
        assert_eq!(found, [("c.io".to_owned(), "x.conf".to_owned(), false)]);
    }

    #[test]
    fn drop_ins_replace_tables_with_their_prefix() {
        let files = [
            ("etc/containers/registries.conf", registry("a.io", "") + &registry("b.io", "")),
            ("etc/containers/registries.conf.d/1.conf", registry("a.io", "insecure = true")),
            ("etc/containers/registries.conf.d/2.txt", registry("c.io", "")),
            ("home/.config/containers/registries.conf.d/0.conf", registry("b.io", "insecure = true")),
        ];
        let found = read_with(&files, &[]).expect("tables");
        let insecure: Vec<_> = found.iter().map(|(prefix, _, insecure)| (prefix.as_str(), *insecure)).collect();
        assert_eq!(insecure, [("a.io", true), ("b.io", true)]);
    }

    #[test]
    fn broken_file_is_named() {
        let error = read_with(&[("etc/containers/registries.conf.d/x.conf", "[[registry]]\n".to_owned())], &[]);
        let error = error.expect_err("no prefix");
        assert!(error.to_string().ends_with("etc/containers/registries.conf.d/x.conf"), "{error}");
        assert!(error.root_cause().to_string().contains("must have a `prefix`"), "{error:?}");
        assert!(error.labels().is_some_and(|mut labels| labels.next().is_some()), "the line is shown");
    }
}
