//! The variables that the user sets for build scripts: in the environment, in cargo's table `env`, and with `--config`.

use super::cargo_config::CargoConfig;
use crate::environment::Environment;
use crate::platform::Target;

/// The sources of variables.
#[derive(Clone, Copy, Debug)]
pub(super) struct UserConfig<'a> {
    pub environment: &'a Environment,
    config: &'a CargoConfig,
}

impl<'a> UserConfig<'a> {
    pub(super) fn new(environment: &'a Environment, config: &'a CargoConfig) -> UserConfig<'a> {
        UserConfig { environment, config }
    }

    /// Returns whether a variable is set.
    pub(super) fn sets(self, key: &str) -> bool {
        self.environment.get(key).is_some() || self.config.sets_variable(key)
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
        let config = CargoConfig::load_in(folder.path(), &environment, &[]).expect("a configuration");
        let user = UserConfig::new(&environment, &config);
        assert!(user.sets_for("CC", arm64) && !user.sets_for("CC", amd64) && !user.sets_for("CXX", arm64));
    }

    #[test]
    fn c_compiler_of_cargo_config_counts() {
        let [amd64, arm64, ..] = TARGETS;
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::create_dir(folder.path().join(".cargo")).expect("a folder");
        let table = "[env]\nCC_x86_64-unknown-linux-musl = \"my-cc\"\n";
        std::fs::write(folder.path().join(".cargo/config.toml"), table).expect("writes");
        let environment = Environment::default();
        let config = CargoConfig::load_in(folder.path(), &environment, &[]).expect("a configuration");
        assert!(UserConfig::new(&environment, &config).sets_for("CC", amd64));
        let file = folder.path().join("more.toml");
        std::fs::write(&file, "env = { TARGET_CXX = \"my-c++\" }\n").expect("writes");
        let args = ["env.CC_aarch64_unknown_linux_musl='my-cc'".to_owned(), file.display().to_string()];
        let config = CargoConfig::load_in(folder.path(), &environment, &args).expect("a configuration");
        let user = UserConfig::new(&environment, &config);
        assert!(user.sets_for("CC", arm64) && user.sets_for("CXX", arm64) && !user.sets_for("AR", arm64));
    }
}
