//! The files of cargo's configuration: those above the current folder, that of cargo's home, what they include, and
//! `--config`.

use std::cell::OnceCell;
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use miette::{WrapErr, miette};

use super::value::{ConfigData, ConfigValue, Origin, Precedence};
use crate::environment::Environment;
use crate::error::{Result, cannot_read};
use crate::interrupt::blocking;

/// The first release of cargo that includes files without an unstable flag.
const INCLUDES_SINCE: [u64; 2] = [1, 94];

/// What the files are found and read by.
pub(super) struct ConfigFiles<'a> {
    /// The current folder: cargo does not look at that of Cargo.toml.
    pub current: &'a Path,
    /// The environment.
    pub environment: &'a Environment,
    /// Whether cargo follows `include`, once it is known.
    pub includes: OnceCell<bool>,
}

impl ConfigFiles<'_> {
    /// Reads all files, and the values of `--config`.
    ///
    /// # Errors
    /// Returns an error if one cannot be read, or if two have different types for a key.
    pub(super) fn merged(&self, args: &[String]) -> Result<ConfigValue> {
        let mut all = ConfigValue::empty(Origin::Variable);
        for file in self.found() {
            let file = self.read(&file, &mut HashSet::new(), Origin::File)?;
            all.merge(file, Precedence::Former)?;
        }
        for arg in args {
            all.merge(self.argument(arg)?, Precedence::Latter)?;
        }
        Ok(all)
    }

    /// Returns the files that cargo finds, those that take precedence first.
    fn found(&self) -> Vec<PathBuf> {
        let mut folders: Vec<_> = self.current.ancestors().map(|folder| folder.join(".cargo")).collect();
        folders.extend(self.environment.cargo_home().map(|home| self.current.join(home)));
        let mut seen = HashSet::new();
        folders.retain(|folder| seen.insert(folder.canonicalize().unwrap_or_else(|_| folder.clone())));
        let names = |folder: &PathBuf| ["config", "config.toml"].map(|name| folder.join(name));
        folders.iter().filter_map(|folder| names(folder).into_iter().find(|file| file.exists())).collect()
    }

    /// Reads the value of one `--config`: a file, or a line of TOML.
    fn argument(&self, arg: &str) -> Result<ConfigValue> {
        let file = self.current.join(arg);
        if !arg.is_empty() && file.exists() {
            return self.read(&file, &mut HashSet::new(), |file| Origin::Argument(Some(file)));
        }
        let value = ConfigValue::parse(arg, &Origin::Argument(None))?;
        self.with_included(value, &mut HashSet::new(), |file| Origin::Argument(Some(file)))
    }

    fn read(&self, file: &Path, open: &mut HashSet<PathBuf>, origin: fn(PathBuf) -> Origin) -> Result<ConfigValue> {
        if !open.insert(file.canonicalize().unwrap_or_else(|_| file.to_owned())) {
            return Err(miette!("{} includes itself", file.display()));
        }
        let text = std::fs::read_to_string(file).map_err(|error| cannot_read(file, error))?;
        let value = ConfigValue::parse(&text, &origin(file.to_owned()))?;
        self.with_included(value, open, origin)
    }

    /// Merges a value over the files that it includes, of which the last takes precedence.
    fn with_included(
        &self,
        mut value: ConfigValue,
        open: &mut HashSet<PathBuf>,
        origin: fn(PathBuf) -> Origin,
    ) -> Result<ConfigValue> {
        let ConfigData::Table(table) = &mut value.data else { return Ok(value) };
        let Some(include) = table.remove("include") else { return Ok(value) };
        let ConfigData::List(entries) = include.data else { return Ok(value) };
        if !*self.includes.get_or_init(|| follows_includes(self.environment)) {
            return Ok(value);
        }
        let mut all = ConfigValue::empty(value.origin.clone());
        for entry in &entries {
            let path = entry.text().or_else(|| entry.get(&["path"])?.text());
            let Some(path) = path else { continue };
            let file = entry.origin.folder(self.current).join(path);
            let is_optional = entry.get(&["optional"]).is_some_and(|optional| optional.data == ConfigData::Bool(true));
            if is_optional && !file.exists() {
                continue;
            }
            let included = self.read(&file, open, origin).wrap_err_with(|| format!("{} includes {path}", entry.origin));
            all.merge(included?, Precedence::Latter)?;
        }
        all.merge(value, Precedence::Latter)?;
        Ok(all)
    }
}

impl Origin {
    /// Returns the folder that included files are relative to.
    fn folder<'a>(&'a self, current: &'a Path) -> &'a Path {
        match self {
            Origin::File(file) | Origin::Argument(Some(file)) => file.parent().unwrap_or(current),
            Origin::Variable | Origin::Argument(None) => current,
        }
    }
}

/// Asks cargo for its release. Older ones ignore `include`.
fn follows_includes(environment: &Environment) -> bool {
    let release = release_of_cargo(environment);
    release.and_then(|release| first_numbers(&release)).is_none_or(|release| release >= INCLUDES_SINCE)
}

/// Asks cargo for its release: `1.96.0-nightly`.
pub(super) fn release_of_cargo(environment: &Environment) -> Option<String> {
    let answer = blocking::output(
        environment.command(environment.cargo()).arg("--version").stdin(Stdio::null()).stderr(Stdio::null()),
    );
    let answer = answer.ok()?;
    let text = String::from_utf8_lossy(&answer.stdout);
    text.split_whitespace().nth(1).map(str::to_owned)
}

fn first_numbers(release: &str) -> Option<[u64; 2]> {
    let mut numbers = release.split('.').map(str::parse);
    Some([numbers.next()?.ok()?, numbers.next()?.ok()?])
}
