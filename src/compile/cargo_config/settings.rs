//! The settings of one target: compiler flags and linker.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Stdio;
use std::str::FromStr;

use cargo_platform::{Cfg, CfgExpr};
use miette::{Context, IntoDiagnostic, miette};

use super::CargoConfig;
use super::flags::{FlagsSource, RustFlags, TargetSettings};
use super::value::{ConfigData, ConfigValue};
use crate::error::Result;
use crate::interrupt::blocking;
use crate::platform::Target;

/// Flags that do not change which `cfg` are set. The names follow `-C`, in the same word or in the next one.
const WITHOUT_CFG: [&str; 7] =
    ["link-arg", "linker", "link-self-contained", "strip", "debuginfo", "codegen-units", "lto"];

impl CargoConfig {
    /// Returns the user's compiler flags for a target.
    ///
    /// # Errors
    /// Returns an error if the compiler cannot be asked for the `cfg` that tables depend on.
    pub(crate) fn rustflags(&self, triple: &str) -> Result<RustFlags> {
        Ok(self.settings(triple)?.flags)
    }

    /// Returns the linker that the user chose for a target.
    ///
    /// # Errors
    /// As [`Self::rustflags`].
    pub(crate) fn linker(&self, triple: &str) -> Result<Option<PathBuf>> {
        Ok(self.settings(triple)?.linker)
    }

    /// Returns whether programs for a target are linked statically: as the user's flags say, else by default.
    pub(crate) fn links_statically(&self, target: Target) -> bool {
        let flags = self.rustflags(target.triple);
        flags.ok().and_then(|flags| flags.links_statically()).unwrap_or(target.is_static())
    }

    fn settings(&self, triple: &str) -> Result<TargetSettings> {
        let mut known = self.targets.lock().map_err(|_| miette!("a thread panicked"))?;
        if let Some(settings) = known.get(triple) {
            return Ok(settings.clone());
        }
        let settings = self.find_settings(triple);
        let settings = settings.wrap_err_with(|| format!("cannot read cargo's configuration for {triple}"))?;
        known.insert(triple.to_owned(), settings.clone());
        Ok(settings)
    }

    fn find_settings(&self, triple: &str) -> Result<TargetSettings> {
        let tables = self.values.get(&["target"]).and_then(ConfigValue::table);
        // Ordered by key, as in cargo.
        let tables: Vec<_> = tables.into_iter().flatten().filter(|(key, _)| key.starts_with("cfg(")).collect();
        let mut matching = Vec::new();
        let mut flags = self.flags_with(triple, &matching);
        if !tables.is_empty() {
            // Flags may set a `cfg` that tables depend on, and cargo asks twice, too.
            for _ in 0..2 {
                let cfg = self.cfg(triple, &flags.list)?;
                let found = tables.iter().filter(|(key, _)| CfgExpr::matches_key(key, &cfg));
                matching = found.map(|(_, table)| *table).collect();
                let before = std::mem::replace(&mut flags, self.flags_with(triple, &matching));
                if flags == before || ![&flags, &before].iter().any(|flags| may_set_cfg(&flags.list)) {
                    break;
                }
            }
        }
        let linker = self.program(&["target", triple, "linker"]);
        let linker = linker.or_else(|| {
            let value = matching.iter().find_map(|table| table.get(&["linker"]))?;
            Some(self.resolved(value.text()?, &value.origin))
        });
        Ok(TargetSettings { flags, linker })
    }

    /// Returns the flags if the tables with these `cfg` match.
    fn flags_with(&self, triple: &str, matching: &[&ConfigValue]) -> RustFlags {
        if let Some(list) = self.flags_of_environment() {
            return RustFlags { list, source: FlagsSource::Environment };
        }
        let mut list = self.words(&["target", triple, "rustflags"]);
        let of_tables = matching.iter().filter_map(|table| table.get(&["rustflags"])).flat_map(ConfigValue::words);
        list.extend(of_tables.map(|(flag, _)| flag.to_owned()));
        if !list.is_empty() {
            return RustFlags { list, source: FlagsSource::Target };
        }
        RustFlags { list: self.words(&["build", "rustflags"]), source: FlagsSource::Build }
    }

    /// Returns the flags of the variables, also if they are set to nothing.
    fn flags_of_environment(&self) -> Option<Vec<String>> {
        let split = |name: &str, separator: char| {
            let flags = self.environment.get(name).map(|value| value.to_string_lossy().into_owned());
            let flags = flags.unwrap_or_default();
            let flags = flags.split(separator).map(str::to_owned);
            self.environment.is_set(name).then(|| flags.collect::<Vec<_>>())
        };
        if let Some(flags) = split("CARGO_ENCODED_RUSTFLAGS", '\u{1f}') {
            return Some(if flags == [""] { Vec::new() } else { flags });
        }
        let flags = split("RUSTFLAGS", ' ')?;
        Some(flags.iter().map(|flag| flag.trim().to_owned()).filter(|flag| !flag.is_empty()).collect())
    }

    /// Asks the compiler which `cfg` are set.
    fn cfg(&self, triple: &str, flags: &[String]) -> Result<Vec<Cfg>> {
        let mut command = self.environment.command(&self.compiler);
        command.args(["--print", "cfg", "--target", triple]).args(flags).stdin(Stdio::null()).stderr(Stdio::piped());
        command.envs(self.compiler_variables());
        let asked = || format!("cannot run {}", self.compiler.display());
        let answer = blocking::output(&mut command).into_diagnostic().wrap_err_with(asked)?;
        if !answer.status.success() {
            return Err(miette!("{}", String::from_utf8_lossy(&answer.stderr).trim()));
        }
        let text = String::from_utf8_lossy(&answer.stdout);
        // It depends on what is compiled.
        let known = text.lines().filter(|line| *line != "proc_macro");
        Ok(known.filter_map(|line| Cfg::from_str(line).ok()).collect())
    }
}

impl CargoConfig {
    /// Returns the variables that cargo sets for the compiler, by the table `env`. Those of the environment take precedence
    /// unless the table says otherwise.
    pub(crate) fn compiler_variables(&self) -> Vec<(&str, OsString)> {
        let table = self.values.get(&["env"]).and_then(ConfigValue::table);
        let entries = table.into_iter().flatten().filter_map(|(key, entry)| {
            let value = entry.get(&["value"]).unwrap_or(entry);
            let is_set =
                |option: &str| entry.get(&[option]).is_some_and(|option| option.data == ConfigData::Bool(true));
            if self.environment.is_set(key) && !is_set("force") {
                return None;
            }
            let text = value.text()?;
            let path = || value.origin.root(&self.current).join(text).into();
            Some((key.as_str(), if is_set("relative") { path() } else { text.into() }))
        });
        entries.collect()
    }
}

fn may_set_cfg(flags: &[String]) -> bool {
    let mut words = flags.iter().map(String::as_str);
    while let Some(word) = words.next() {
        let option = if word == "-C" { words.next().unwrap_or_default() } else { word.trim_start_matches("-C") };
        if !WITHOUT_CFG.iter().any(|known| option.starts_with(known)) {
            return true;
        }
    }
    false
}
