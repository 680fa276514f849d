//! What the user has chosen for the compilation besides the flags of this program: compiler flags, cargo's configuration and
//! variables. Provenance records it.
//!
//! It is the same on all machines where the same is chosen: folders of the machine are replaced as in binaries. What may be a
//! secret is not shown.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::cargo_config::CargoConfig;
use crate::environment::{Environment, is_secret};
use crate::image::digest::sha256;
use crate::plan::{CompilePlan, replace_folders};
use crate::platform::Target;
use crate::secret::without_user_info;

/// The names of the choices in provenance: compiler flags of each target, cargo's configuration, environment variables.
pub(crate) const COMPILE_CHOICES: [&str; 3] = ["rustflags", "cargoConfig", "variables"];

/// Tables of cargo's configuration that change programs, besides those of profiles and targets.
const TABLES: [&str; 5] = ["env", "host", "patch", "paths", "unstable"];
/// Keys of the table `build` that change programs. Its flags are those of targets.
const OF_BUILD: [&str; 3] = ["incremental", "rustc-wrapper", "rustc-workspace-wrapper"];
/// Keys of the table of a target that do not change programs, or whose value is among the flags.
const NOT_OF_TARGET: [&str; 3] = ["runner", "rustdocflags", "rustflags"];
/// Cargo's own profiles that are for other commands, unless they are chosen.
const OTHER_PROFILES: [&str; 4] = ["bench", "dev", "doc", "test"];
/// Variables that change programs.
const VARIABLES: [&str; 7] = [
    "CARGO_BUILD_INCREMENTAL",
    "CARGO_BUILD_RUSTC_WORKSPACE_WRAPPER",
    "CARGO_BUILD_RUSTC_WRAPPER",
    "CARGO_INCREMENTAL",
    "RUSTC_BOOTSTRAP",
    "RUSTC_WORKSPACE_WRAPPER",
    "RUSTC_WRAPPER",
];
/// Variables with which the `cc` crate compiles, behind or before the name of a target.
const OF_CC: [&str; 8] = ["AR", "ARFLAGS", "CC", "CFLAGS", "CXX", "CXXFLAGS", "RANLIB", "RANLIBFLAGS"];
/// Wrappers that only keep what the compiler makes.
const CACHES: [&str; 3] = ["cachepot", "ccache", "sccache"];
/// In place of a secret.
const HIDDEN: &str = "(not shown)";

/// Reads the choices.
struct Choices<'a> {
    config: &'a CargoConfig,
    plan: &'a CompilePlan,
    targets: &'a [Target],
    profile: &'a str,
}

/// Returns what was chosen for targets that are compiled with a profile; what was not chosen is left out.
pub(crate) fn compile_choices(
    config: &CargoConfig,
    plan: &CompilePlan,
    targets: &[Target],
    profile: &str,
) -> Map<String, Value> {
    let choices = Choices { config, plan, targets, profile };
    let [flags, configured, variables] = COMPILE_CHOICES;
    let found = [(flags, choices.flags()), (configured, choices.configured()), (variables, choices.variables())];
    let chosen = found.into_iter().filter(|(_, values)| !values.is_empty() && !targets.is_empty());
    chosen.map(|(name, values)| (name.to_owned(), json!(values))).collect()
}

impl Choices<'_> {
    /// Returns the user's flags for each target, from whatever source.
    fn flags(&self) -> BTreeMap<String, Value> {
        let of_targets = self.targets.iter().filter_map(|target| {
            let flags = self.config.rustflags(target.triple).ok()?.list;
            let shown: Vec<_> = flags.iter().map(|flag| self.shown(flag)).collect();
            (!shown.is_empty()).then(|| (target.triple.to_owned(), json!(shown)))
        });
        of_targets.collect()
    }

    /// Returns values of cargo's configuration, of files and of `--config`, by their keys.
    fn configured(&self) -> BTreeMap<String, Value> {
        let mut found = BTreeMap::new();
        for (keys, value) in self.config.leaves() {
            let names: Vec<_> = keys.iter().map(String::as_str).collect();
            let value = match &names[..] {
                ["build", key] if OF_BUILD.contains(key) => self.value_of(key, &value),
                ["profile", profile, ..] if self.has_profile(profile) => Some(self.value(&names, &value)),
                ["target", target, key, ..] if self.has_target(target) && !NOT_OF_TARGET.contains(key) => {
                    Some(self.value(&names, &value))
                }
                // What build scripts and programs read may be anything.
                ["env", name, ..] => Some(json!(self.digest(name, &value))),
                [table, ..] if TABLES.contains(table) => Some(self.value(&names, &value)),
                _ => None,
            };
            found.extend(value.map(|value| (names.join("."), value)));
        }
        found
    }

    /// Returns environment variables that cargo, or the compilation of C code for a target, reads.
    fn variables(&self) -> BTreeMap<String, Value> {
        let environment: &Environment = &self.plan.environment;
        let set = environment.iter().filter_map(|(name, value)| Some((name.to_str()?, value.to_string_lossy())));
        let chosen = set.filter(|(name, value)| self.is_read(name) && !value.is_empty());
        chosen.filter_map(|(name, value)| Some((name.to_owned(), self.value_of(name, &json!(value))?))).collect()
    }

    fn is_read(&self, name: &str) -> bool {
        let of_profile = || name.strip_prefix("CARGO_PROFILE_").is_some_and(|rest| self.is_of_profile(rest));
        let of_target = || self.targets.iter().any(|target| is_of_target(name, *target));
        VARIABLES.contains(&name) || name.starts_with("CARGO_UNSTABLE_") || of_profile() || of_target()
    }

    fn has_profile(&self, profile: &str) -> bool {
        // A profile of the user's own inherits from another.
        profile == self.profile || self.profile != "release" && !OTHER_PROFILES.contains(&profile)
    }

    /// Returns whether a variable without its prefix is about a profile.
    fn is_of_profile(&self, rest: &str) -> bool {
        let is_of = |profile: &str| rest.starts_with(&format!("{}_", profile.to_uppercase().replace('-', "_")));
        is_of(self.profile) || self.profile != "release" && !OTHER_PROFILES.into_iter().any(is_of)
    }

    fn has_target(&self, name: &str) -> bool {
        name.starts_with("cfg(") || self.targets.iter().any(|target| target.triple == name)
    }

    /// Returns the value of a key or a variable, or `None` if it changes nothing.
    fn value_of(&self, name: &str, value: &Value) -> Option<Value> {
        if name.to_ascii_lowercase().ends_with("wrapper") {
            let program = value.as_str().unwrap_or_default().rsplit(['/', '\\']).next().unwrap_or_default();
            let program = program.strip_suffix(".exe").unwrap_or(program);
            return Some(json!(program)).filter(|_| !program.is_empty() && !CACHES.contains(&program));
        }
        Some(self.value(&[name], value))
    }

    /// Returns a value to be shown, unless its key is called as a secret.
    fn value(&self, keys: &[&str], value: &Value) -> Value {
        match value {
            _ if keys.iter().any(|key| is_secret(key)) => json!(HIDDEN),
            Value::String(text) => json!(self.shown(text)),
            Value::Array(items) => items.iter().map(|item| self.value(keys, item)).collect(),
            other => other.clone(),
        }
    }

    /// Returns the digest of a value, by which it can be compared.
    fn digest(&self, name: &str, value: &Value) -> String {
        if is_secret(name) {
            return HIDDEN.to_owned();
        }
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        sha256(self.shown(&text).as_bytes()).to_string()
    }

    fn shown(&self, text: &str) -> String {
        without_user_info(&replace_folders(text, &self.plan.folders))
    }
}

/// Returns whether a variable is about a target: its linker, or the compiler of C code for it. Its flags are told by target.
fn is_of_target(name: &str, target: Target) -> bool {
    let in_cargo = target.env_key().to_uppercase();
    name.strip_prefix("CARGO_TARGET_").and_then(|rest| rest.strip_suffix("_LINKER")) == Some(&in_cargo)
        || OF_CC.iter().any(|variable| {
            let of_all = name.strip_prefix("TARGET_") == Some(*variable);
            let behind = name.strip_prefix(*variable).and_then(|rest| rest.strip_prefix('_'));
            of_all || behind.is_some_and(|behind| behind == target.triple || behind == target.env_key())
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Remap;
    use crate::platform::TARGETS;

    /// The choices for amd64, with this configuration and these variables, on a machine whose home is `/home/me`.
    fn chosen(config: &str, args: &[&str], variables: &[(&str, &str)], profile: &str) -> Value {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::create_dir(folder.path().join(".cargo")).expect("a folder");
        std::fs::write(folder.path().join(".cargo/config.toml"), config).expect("a file");
        // Not the configuration of whoever runs the tests.
        let home = [("HOME", "/home/me"), ("CARGO_HOME", "/home/me/.cargo")];
        let environment: Environment = home.iter().chain(variables).copied().collect();
        let args: Vec<_> = args.iter().map(|&arg| arg.to_owned()).collect();
        let config = CargoConfig::load_in(folder.path(), &environment, &args).expect("a configuration");
        let plan = CompilePlan {
            runs: Vec::new(),
            remaps: Vec::new(),
            folders: vec![Remap { from: "/home/me".into(), to: "/home".to_owned() }],
            lock: "Cargo.lock".into(),
            config: Vec::new(),
            is_offline: false,
            target_dir: "target".into(),
            install: false,
            environment,
        };
        Value::Object(compile_choices(&config, &plan, &TARGETS[..1], profile))
    }

    #[test]
    fn choices_are_those_that_change_programs() {
        let triple = TARGETS[0].triple;
        assert_eq!(chosen("", &[], &[("HOME", "/home/me"), ("RUSTC_WRAPPER", "/bin/sccache")], "release"), json!({}));
        let config = "[build]\njobs = 2\nrustc-wrapper = \"/opt/wrap\"\n[profile.release]\nlto = true\n[profile.dev]\ndebug = 0\n\
                      [net]\noffline = false\n[unstable]\nbuild-std = [\"std\"]\n[target.x]\nlinker = \"x\"\n";
        let args = ["profile.release.panic=\"abort\"", "build.rustflags=[\"-L\", \"/home/me/lib\"]"];
        let variables = [
            ("CARGO_PROFILE_RELEASE_OPT_LEVEL", "s"),
            ("CARGO_PROFILE_DEV_DEBUG", "0"),
            ("CARGO_TARGET_X86_64_UNKNOWN_LINUX_MUSL_LINKER", "/home/me/ld"),
            ("CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_LINKER", "ld"),
            ("CFLAGS_x86_64-unknown-linux-musl", "-O3"),
            ("CFLAGS", "-O1"),
            ("RUSTC_BOOTSTRAP", "1"),
            ("CARGO_BUILD_JOBS", "3"),
        ];
        let expected = json!({
            "rustflags": { triple: ["-L", "/home/lib"] },
            "cargoConfig": {
                "build.rustc-wrapper": "wrap", "profile.release.lto": true, "profile.release.panic": "abort",
                "unstable.build-std": ["std"],
            },
            "variables": {
                "CARGO_PROFILE_RELEASE_OPT_LEVEL": "s", "CARGO_TARGET_X86_64_UNKNOWN_LINUX_MUSL_LINKER": "/home/ld",
                "CFLAGS_x86_64-unknown-linux-musl": "-O3", "RUSTC_BOOTSTRAP": "1",
            },
        });
        assert_eq!(chosen(config, &args, &variables, "release"), expected);
        let own = chosen("[profile.small]\ninherits = \"tiny\"\n[profile.tiny]\nlto = true\n", &[], &[], "small");
        assert_eq!(own["cargoConfig"], json!({ "profile.small.inherits": "tiny", "profile.tiny.lto": true }));
    }

    #[test]
    fn choices_show_no_secrets() {
        let config = "[registries.x]\ntoken = \"sesame\"\n[env]\nAPI = \"sesame\"\nMY_TOKEN = { value = \"sesame\" }\n\
                      [patch.crates-io]\nx = { git = \"https://me:sesame@example.org/x\" }\n\
                      [unstable]\nmy-secret = \"sesame\"\n";
        let args = ["registry.token=\"sesame\"", "http.proxy=\"sesame\"", "source.x.registry=\"https://sesame@x/\""];
        let flags = "-L https://me:sesame@example.org/";
        let shown = chosen(config, &args, &[("RUSTFLAGS", flags), ("CARGO_REGISTRY_TOKEN", "sesame")], "release");
        assert!(!shown.to_string().contains("sesame"), "{shown}");
        assert_eq!(shown["cargoConfig"]["env.API"], json!(sha256(b"sesame").to_string()));
        assert_eq!(shown["cargoConfig"]["env.MY_TOKEN.value"], json!(HIDDEN));
        assert_eq!(shown["cargoConfig"]["patch.crates-io.x.git"], json!("https://example.org/x"));
        assert_eq!(shown["rustflags"][TARGETS[0].triple], json!(["-L", "https://example.org/"]));
    }
}
