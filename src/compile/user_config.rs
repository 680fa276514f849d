//! The variables that the user sets for build scripts: in the environment, in cargo's table `env`, and with `--config`.

use std::ffi::{OsStr, OsString};

use crate::environment::Environment;
use crate::platform::Target;

/// The sources of variables.
#[derive(Clone, Copy, Debug)]
pub(super) struct UserConfig<'a> {
    pub environment: &'a Environment,
    config: &'a cargo_config2::Config,
    cargo_args: &'a [OsString],
}

impl<'a> UserConfig<'a> {
    pub(super) fn new(
        environment: &'a Environment,
        config: &'a cargo_config2::Config,
        cargo_args: &'a [OsString],
    ) -> UserConfig<'a> {
        UserConfig { environment, config, cargo_args }
    }

    /// Returns whether a variable is set.
    pub(super) fn sets(self, key: &str) -> bool {
        self.environment.get(key).is_some() || self.config.env.contains_key(key) || self.has_config_arg(key)
    }

    /// Returns whether a variable is set for a target, in one of the forms that the `cc` crate reads.
    pub(super) fn sets_for(self, variable: &str, target: Target) -> bool {
        let keys = [
            format!("{variable}_{}", target.triple),
            format!("{variable}_{}", target.env_key()),
            format!("TARGET_{variable}"),
        ];
        keys.iter().any(|key| self.sets(key))
    }

    /// Returns whether a `--config` has this key in its table `env`.
    fn has_config_arg(self, key: &str) -> bool {
        let pairs = self.cargo_args.iter().zip(self.cargo_args.iter().skip(1));
        pairs.filter(|(flag, _)| *flag == "--config").any(|(_, value)| has_env(value, key))
    }
}

/// Returns whether a value of `--config`, a path or a line of TOML, has this key in its table `env`.
fn has_env(value: &OsStr, key: &str) -> bool {
    let text = std::fs::read_to_string(value).ok();
    let Some(text) = text.as_deref().or_else(|| value.to_str()) else { return false };
    // Cargo itself reports what it cannot read.
    let Ok(table) = toml::de::DeTable::parse(text) else { return false };
    let env = table.get_ref().get("env").and_then(|env| env.get_ref().as_table());
    env.is_some_and(|env| env.contains_key(key))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::TARGETS;

    #[test]
    fn c_compiler_variable_applies_to_its_target() {
        let [amd64, arm64, ..] = TARGETS;
        let environment = [("CC_aarch64_unknown_linux_musl", "my-cc")].into_iter().collect();
        let folder = tempfile::tempdir().expect("a folder");
        let config = cargo_config2::Config::load_with_cwd(folder.path()).expect("a configuration");
        let user = UserConfig::new(&environment, &config, &[]);
        assert!(user.sets_for("CC", arm64) && !user.sets_for("CC", amd64) && !user.sets_for("CXX", arm64));
    }

    #[test]
    fn c_compiler_of_cargo_config_counts() {
        let [amd64, arm64, ..] = TARGETS;
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::create_dir(folder.path().join(".cargo")).expect("a folder");
        let table = "[env]\nCC_x86_64-unknown-linux-musl = \"my-cc\"\n";
        std::fs::write(folder.path().join(".cargo/config.toml"), table).expect("writes");
        let config = cargo_config2::Config::load_with_cwd(folder.path()).expect("a configuration");
        let environment = Environment::default();
        assert!(UserConfig::new(&environment, &config, &[]).sets_for("CC", amd64));
        let file = folder.path().join("more.toml");
        std::fs::write(&file, "env = { TARGET_CXX = \"my-c++\" }\n").expect("writes");
        let args = ["build", "--config", "env.CC_aarch64_unknown_linux_musl='my-cc'", "--config"].map(OsString::from);
        let args = [&args[..], &[file.into()]].concat();
        let user = UserConfig::new(&environment, &config, &args);
        assert!(user.sets_for("CC", arm64) && user.sets_for("CXX", arm64) && !user.sets_for("AR", arm64));
    }
}
