//! Cargo's configuration, read as cargo reads it: the files that it finds and those that they include, `--config`, and
//! environment variables.
//!
//! Cargo reads compiler flags from one source only, so those of ours must be added to the source that the user chose. This
//! needs all of it, and no stable command of cargo prints it. Cargo itself reports what is wrong with it.

mod files;
mod flags;
mod settings;
#[cfg(test)]
mod tests;
mod value;

use std::cell::OnceCell;
use std::collections::HashMap;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use miette::{Context, IntoDiagnostic, miette};
use serde_json::Value;

use crate::environment::Environment;
use crate::error::Result;
use files::ConfigFiles;
use flags::TargetSettings;
pub(crate) use flags::{FlagsSource, RustFlags};
use value::{ConfigValue, Origin};

/// Cargo's configuration.
#[derive(Debug)]
pub struct CargoConfig {
    /// The values of files and of `--config`.
    values: ConfigValue,
    /// The variables.
    environment: Environment,
    /// The folder that relative paths of variables and of `--config` start from.
    current: PathBuf,
    /// The compiler, without wrappers.
    compiler: PathBuf,
    /// What is known of targets.
    targets: Mutex<HashMap<String, TargetSettings>>,
}

impl CargoConfig {
    /// Reads the configuration for the current folder. `args` are the values of `--config`.
    ///
    /// # Errors
    /// Returns an error if it cannot be read.
    pub(crate) fn load(environment: &Environment, args: &[String]) -> Result<CargoConfig> {
        let current = std::env::current_dir().into_diagnostic().wrap_err("cannot find the current folder")?;
        CargoConfig::load_in(&current, environment, args)
    }

    /// Reads the configuration for a folder.
    ///
    /// # Errors
    /// Returns an error if it cannot be read.
    pub(crate) fn load_in(current: &Path, environment: &Environment, args: &[String]) -> Result<CargoConfig> {
        let files = ConfigFiles { current, environment, includes: OnceCell::new() };
        let mut config = CargoConfig {
            values: files.merged(args)?,
            environment: environment.clone(),
            current: current.to_owned(),
            compiler: PathBuf::new(),
            targets: Mutex::default(),
        };
        config.compiler = config.find_compiler();
        config.check_variables()?;
        Ok(config)
    }

    /// Cargo reports a wrong one only when it compiles.
    fn check_variables(&self) -> Result<()> {
        for keys in [["term", "verbose"], ["net", "offline"], ["build", "incremental"]] {
            if let Some(value) = self.variable(&keys).filter(|value| !["true", "false"].contains(value)) {
                return Err(miette!("{} must be `true` or `false`, not `{value}`", variable_name(&keys)));
            }
        }
        Ok(())
    }

    /// Returns the compiler that cargo will use, without the wrappers around it: what is asked of it is asked directly.
    pub(crate) fn compiler(&self) -> &Path {
        &self.compiler
    }

    /// If rustup started cargo, its compiler is the one beside cargo: the one on PATH would have to find that first.
    fn find_compiler(&self) -> PathBuf {
        let set = self.environment.get("RUSTC").map(PathBuf::from).map(|path| match path.components().count() {
            1 => path,
            _ => self.current.join(path),
        });
        if let Some(compiler) = set.or_else(|| self.program(&["build", "rustc"])) {
            return compiler;
        }
        let name = format!("rustc{}", std::env::consts::EXE_SUFFIX);
        let beside = Path::new(self.environment.cargo()).with_file_name(name);
        let by_rustup = self.environment.get("RUSTUP_TOOLCHAIN").is_some();
        if by_rustup && beside.is_absolute() && beside.is_file() { beside } else { "rustc".into() }
    }

    /// Returns the program by which the user has cargo run the compiler for the packages of the workspace.
    pub(crate) fn workspace_wrapper(&self) -> Option<PathBuf> {
        let set = self.environment.get("RUSTC_WORKSPACE_WRAPPER").map(PathBuf::from);
        let set = set.map(|path| if path.components().count() == 1 { path } else { self.current.join(path) });
        let wrapper = set.or_else(|| self.program(&["build", "rustc-workspace-wrapper"]));
        wrapper.filter(|path| !path.as_os_str().is_empty())
    }

    /// Returns whether cargo sets a variable for compilers and build scripts, by the table `env`.
    pub(crate) fn sets_variable(&self, name: &str) -> bool {
        self.values.get(&["env", name]).is_some()
    }

    /// Returns all values of files and of `--config` that are no tables, each with its keys.
    pub(crate) fn leaves(&self) -> Vec<(Vec<String>, Value)> {
        self.values.leaves()
    }

    /// Returns whether cargo builds the standard library: an unstable option says so, and cargo takes unstable options.
    pub(crate) fn builds_std(&self) -> bool {
        let variable = self.environment.get("CARGO_UNSTABLE_BUILD_STD").is_some();
        let is_set = variable || self.values.get(&["unstable", "build-std"]).is_some();
        let is_stable = || {
            let is_unlocked = self.environment.get("RUSTC_BOOTSTRAP").is_some_and(|value| value == "1");
            let release = files::release_of_cargo(&self.environment).unwrap_or_default();
            !is_unlocked && !release.contains("-nightly") && !release.contains("-dev")
        };
        is_set && !is_stable()
    }

    /// Returns a program: a name on PATH, or an absolute path.
    fn program(&self, keys: &[&str]) -> Option<PathBuf> {
        let (text, origin) = self.text(keys)?;
        Some(self.resolved(&text, &origin))
    }

    fn resolved(&self, program: &str, origin: &Origin) -> PathBuf {
        let is_path = program.contains(['/', '\\']);
        if is_path { origin.root(&self.current).join(program) } else { program.into() }
    }

    /// Returns the string that a key is set to, by its variable if that takes precedence.
    fn text(&self, keys: &[&str]) -> Option<(String, Origin)> {
        let value = self.values.get(keys);
        let set = value.and_then(|value| Some((value.text()?.to_owned(), value.origin.clone())));
        match (set, self.variable(keys)) {
            (set, None) => set,
            (Some((text, origin)), Some(_)) if !origin.is_below_variables() => Some((text, origin)),
            (_, Some(text)) => Some((text.to_owned(), Origin::Variable)),
        }
    }

    /// Returns the words of a list that a key is set to: those of files, of its variable, and of `--config`, in this order.
    fn words(&self, keys: &[&str]) -> Vec<String> {
        let set = self.values.get(keys).map(ConfigValue::words).unwrap_or_default();
        let (files, args): (Vec<_>, Vec<_>) = set.into_iter().partition(|(_, origin)| origin.is_below_variables());
        let variable = self.variable(keys).unwrap_or_default().split_whitespace();
        let words = |set: Vec<(&str, &Origin)>| set.into_iter().map(|(word, _)| word.to_owned()).collect::<Vec<_>>();
        [words(files), variable.map(str::to_owned).collect(), words(args)].concat()
    }

    /// Returns the variable of a key: `CARGO_BUILD_RUSTFLAGS` for `build.rustflags`.
    fn variable(&self, keys: &[&str]) -> Option<&str> {
        self.environment.get(&variable_name(keys)).and_then(OsStr::to_str)
    }
}

fn variable_name(keys: &[&str]) -> String {
    format!("CARGO_{}", keys.join("_")).to_uppercase().replace(['-', '.'], "_")
}
