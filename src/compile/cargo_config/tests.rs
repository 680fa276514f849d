//! Cargo's own `cargo config get`, which is unstable, says what the configuration is.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::{Map, Value as Json};
use tempfile::TempDir;

use super::value::ConfigData;
use super::*;

/// Files below a folder whose subfolder `a/b` is the current one and whose subfolder `home` is cargo's home.
struct Folders(TempDir);

impl Folders {
    fn with(files: &[(&str, &str)]) -> Folders {
        let folders = Folders(tempfile::tempdir().expect("a folder"));
        fs::create_dir_all(folders.current()).expect("a folder");
        for (path, text) in files {
            let path = folders.0.path().join(path);
            fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
            fs::write(path, text).expect("a file");
        }
        folders
    }

    fn current(&self) -> PathBuf {
        self.0.path().join("a/b")
    }

    /// Returns the environment of this process with `variables`, and without those that are about flags.
    fn environment(&self, variables: &[(&str, &str)]) -> Environment {
        let ours = std::env::vars_os().filter(|(key, _)| {
            let key = key.to_string_lossy();
            !key.contains("RUSTFLAGS") && !key.starts_with("CARGO_BUILD") && !key.starts_with("CARGO_TARGET")
        });
        let home = ("CARGO_HOME".into(), self.0.path().join("home").into());
        let variables = variables.iter().map(|(key, value)| (key.into(), value.into()));
        ours.chain([home]).chain(variables).collect()
    }

    fn load(&self, variables: &[(&str, &str)], args: &[&str]) -> Result<CargoConfig> {
        let args: Vec<_> = args.iter().map(|arg| (*arg).to_owned()).collect();
        CargoConfig::load_in(&self.current(), &self.environment(variables), &args)
    }

    /// Returns what cargo says.
    fn by_cargo(&self, args: &[&str]) -> Option<Json> {
        let args = args.iter().flat_map(|arg| ["--config", arg]);
        let output = Command::new(env!("CARGO"))
            .args(["config", "get", "--format=json", "-Zunstable-options"])
            .args(args)
            .current_dir(self.current())
            .env("CARGO_HOME", self.0.path().join("home"))
            .env("RUSTC_BOOTSTRAP", "1")
            .output()
            .expect("cargo runs");
        output.status.success().then(|| serde_json::from_slice(&output.stdout).expect("JSON"))
    }
}

fn json(value: &ConfigValue) -> Json {
    match &value.data {
        ConfigData::Table(table) => {
            table.iter().map(|(key, value)| (key.clone(), json(value))).collect::<Map<_, _>>().into()
        }
        ConfigData::List(list) => list.iter().map(json).collect(),
        ConfigData::Text(text) => text.as_str().into(),
        ConfigData::Bool(value) => (*value).into(),
        ConfigData::Other(text) => text.parse::<i64>().map_or(Json::Null, Json::from),
    }
}

/// Files and arguments.
type Case<'a> = (&'a [(&'a str, &'a str)], &'a [&'a str]);

const CURRENT: &str = "a/b/.cargo/config.toml";
const PARENT: &str = "a/.cargo/config.toml";
const HOME: &str = "home/config.toml";

#[test]
fn configuration_merges_as_in_cargo() {
    let flags = |flag: &str| {
        format!("build.rustflags = [\"{flag}\"]\nbuild.jobs = 1\n[env]\nONE = \"{flag}\"\n{flag} = \"1\"\n")
    };
    let [a, b, c] = ["a", "b", "c"].map(flags);
    let including = |paths: &str, rest: &str| format!("include = [{paths}]\n{rest}");
    let (two, tables, deep, missing, own) = (
        including("\"x.toml\", \"y.toml\"", &a),
        including("{ path = \"x.toml\" }, { path = \"no.toml\", optional = true }", &a),
        including("\"../sub/x.toml\"", ""),
        including("\"no.toml\"", ""),
        including("\"config.toml\"", ""),
    );
    let next = including("\"y.toml\"", &b);
    let cases: [Case; 24] = [
        (&[], &[]),
        (&[(CURRENT, &a)], &[]),
        (&[(CURRENT, &a), (PARENT, &b), (HOME, &c)], &[]),
        (&[("a/b/.cargo/config", &a), (CURRENT, &b)], &[]),
        (&[(CURRENT, "build.rustflags = \"-a\""), (PARENT, "build.rustflags = \"-b\"")], &[]),
        (&[(CURRENT, "build.rustflags = \"-a\""), (PARENT, "build.rustflags = [\"-b\"]")], &[]),
        (
            &[
                (CURRENT, "[env]\nX = { value = \"1\", force = true }"),
                (HOME, "env.X = { value = \"2\", relative = true }"),
            ],
            &[],
        ),
        (&[(CURRENT, "[env]\nX = { value = \"1\" }"), (HOME, "env.X = \"2\"")], &[]),
        (&[(CURRENT, &two), ("a/b/.cargo/x.toml", &b), ("a/b/.cargo/y.toml", &c)], &[]),
        (&[(CURRENT, &tables), ("a/b/.cargo/x.toml", &b)], &[]),
        (&[(CURRENT, &deep), ("a/b/sub/x.toml", &next), ("a/b/sub/y.toml", &c), (HOME, &a)], &[]),
        (&[(CURRENT, &missing)], &[]),
        (&[(CURRENT, &own)], &[]),
        (&[(CURRENT, "include = \"x.toml\""), ("a/b/.cargo/x.toml", &b)], &[]),
        (&[(CURRENT, &a)], &["build.rustflags = [\"z\"]", "build.jobs = 3"]),
        (&[(CURRENT, &a)], &["build.rustflags = [\"y\"]", "build.rustflags=[\"z\"]"]),
        (&[(CURRENT, &a)], &["build.rustflags = \"z\""]),
        (&[(CURRENT, &a), ("a/b/more.toml", &b)], &["more.toml", "env.ONE='z'"]),
        (
            &[(CURRENT, &a), ("a/b/more/x.toml", &deep), ("a/b/sub/x.toml", &next), ("a/b/sub/y.toml", &c)],
            &["more/x.toml"],
        ),
        (&[(CURRENT, &a), ("a/b/x.toml", &b)], &["include = [\"x.toml\"]"]),
        (&[("a/b/x.toml", &b)], &["target.'cfg(all(unix, not(windows)))'.rustflags = ['a b']"]),
        (&[], &["build.rustflags = [\"z\"", "x"]),
        (&[(CURRENT, "build = 1\n")], &["build.jobs = 1"]),
        (&[(CURRENT, "not toml")], &[]),
    ];
    let mut accepted = 0;
    for (files, args) in cases {
        let folders = Folders::with(files);
        let ours = folders.load(&[], args).map(|config| json(&config.values));
        // The form `include = "PATH"` was never stable: cargo reports it when it compiles.
        let is_tolerated = files.iter().any(|(_, text)| text.starts_with("include = \""));
        match folders.by_cargo(args) {
            Some(theirs) => {
                assert_eq!(ours.expect("a configuration"), theirs, "{files:?} {args:?}");
                accepted += 1;
            }
            None => assert!(ours.is_err() || is_tolerated, "{files:?} {args:?}"),
        }
    }
    assert!(accepted >= 14, "{accepted}");
}

const AMD64: &str = "x86_64-unknown-linux-gnu";

/// Returns the flags for [`AMD64`] with one file, these variables and these arguments.
fn flags(file: &str, variables: &[(&str, &str)], args: &[&str]) -> (Vec<String>, FlagsSource) {
    let folders = Folders::with(&[(CURRENT, file)]);
    let flags = folders.load(variables, args).and_then(|config| config.rustflags(AMD64)).expect("flags");
    (flags.list, flags.source)
}

#[test]
fn flags_come_from_one_source() {
    let build = "[build]\nrustflags = [\"-b\"]\n";
    let target = format!("{build}[target.{AMD64}]\nrustflags = [\"-t\"]\n");
    let variable = ("CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUSTFLAGS", "-v");
    let argument = format!("target.{AMD64}.rustflags = [\"-a\"]");
    for (file, variables, args, list, source) in [
        ("", &[][..], &[][..], &[][..], FlagsSource::Build),
        (build, &[], &[], &["-b"], FlagsSource::Build),
        (
            build,
            &[("CARGO_BUILD_RUSTFLAGS", "-v  -w")],
            &["build.rustflags = [\"-a\"]"],
            &["-b", "-v", "-w", "-a"],
            FlagsSource::Build,
        ),
        (&target, &[], &[], &["-t"], FlagsSource::Target),
        (&target, &[variable], &[&argument], &["-t", "-v", "-a"], FlagsSource::Target),
        (build, &[variable], &[], &["-v"], FlagsSource::Target),
        (&target, &[("RUSTFLAGS", " -e  -f ")], &[&argument], &["-e", "-f"], FlagsSource::Environment),
        (&target, &[("RUSTFLAGS", "")], &[], &[], FlagsSource::Environment),
        (
            &target,
            &[("RUSTFLAGS", "-e"), ("CARGO_ENCODED_RUSTFLAGS", "-x\u{1f}y z")],
            &[],
            &["-x", "y z"],
            FlagsSource::Environment,
        ),
        (&target, &[("RUSTFLAGS", "-e"), ("CARGO_ENCODED_RUSTFLAGS", "")], &[], &[], FlagsSource::Environment),
    ] {
        let list: Vec<_> = list.iter().map(|flag| (*flag).to_owned()).collect();
        assert_eq!(flags(file, variables, args), (list, source), "{file} {variables:?} {args:?}");
    }
}

#[test]
fn flags_of_matching_tables_are_joined() {
    let tables = |pairs: &[(&str, &str)]| {
        let tables = pairs.iter().map(|(cfg, flag)| format!("[target.'cfg({cfg})']\nrustflags = [{flag}]\n"));
        tables.collect::<String>()
    };
    let own = format!("[target.{AMD64}]\nrustflags = [\"-Dwarnings\"]\n");
    for (file, list) in [
        (tables(&[("unix", "\"-g\""), ("windows", "\"-O\"")]), &["-g"][..]),
        // In the order of their keys.
        (tables(&[("unix", "\"-g\""), ("target_os = \"linux\"", "\"-O\"")]) + &own, &["-Dwarnings", "-O", "-g"]),
        (tables(&[("not(a)", "\"--cfg\", \"b\""), ("b", "\"-g\"")]), &["-g", "--cfg", "b"]),
        // The table hides the flags that it depends on: cargo stops here.
        ("[build]\nrustflags = \"--cfg a\"\n".to_owned() + &tables(&[("a", "\"-Clink-arg=-s\"")]), &["--cfg", "a"]),
    ] {
        assert_eq!(flags(&file, &[], &[]).0, list, "{file}");
    }
}

#[test]
fn programs_are_relative_to_their_file() {
    let linker = |path: &str| format!("[target.{AMD64}]\nlinker = \"{path}\"\n");
    let folders = Folders::with(&[(PARENT, &(linker("tools/ld") + "[build]\nrustc = \"bin/rustc\"\n"))]);
    let config = folders.load(&[], &[]).expect("a configuration");
    let root = folders.0.path();
    assert_eq!(config.linker(AMD64).expect("a linker"), Some(root.join("a/tools/ld")));
    assert_eq!(config.compiler(), root.join("a/bin/rustc"));
    let config = folders.load(&[("CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_LINKER", "ld")], &[]).expect("a configuration");
    assert_eq!(config.linker(AMD64).expect("a linker"), Some("ld".into()));
    let config = folders.load(&[("RUSTC", "./rustc")], &[linker("x/ld").trim()]);
    assert_eq!(config.expect("a configuration").compiler(), root.join("a/b/./rustc"));
    let config = folders.load(&[], &[&format!("target.{AMD64}.linker = \"x/ld\"")]).expect("a configuration");
    assert_eq!(config.linker(AMD64).expect("a linker"), Some(root.join("a/b/x/ld")));
}

#[test]
fn variables_of_the_table_reach_the_compiler() {
    let table = "[env]\nRUSTC_BOOTSTRAP = { value = \"1\", force = true }\n[build]\nrustflags = \"-Ztime-passes=no\"\n\
                 [target.'cfg(unix)']\nrustflags = \"-Zthreads=1\"\n";
    assert_eq!(flags(table, &[], &[]).0, ["-Zthreads=1"]);
}

#[test]
fn wrappers_are_no_part_of_the_compiler() {
    let folders = Folders::with(&[(CURRENT, "[build]\nrustc-wrapper = \"wrap\"\n")]);
    let variables = [("RUSTC_WRAPPER", "sccache"), ("RUSTC_WORKSPACE_WRAPPER", "other"), ("RUSTC", "my-rustc")];
    let config = folders.load(&variables, &[]).expect("a configuration");
    assert_eq!(config.compiler(), Path::new("my-rustc"));
}

#[test]
fn std_is_built_if_unstable_options_count() {
    let builds_std = |file: &str, variables: &[(&str, &str)]| {
        Folders::with(&[(CURRENT, file)]).load(variables, &[]).expect("a configuration").builds_std()
    };
    let option = "[unstable]\nbuild-std = [\"std\"]\n";
    let (variable, unlocked) = (("CARGO_UNSTABLE_BUILD_STD", "std"), ("RUSTC_BOOTSTRAP", "1"));
    assert!(builds_std(option, &[unlocked]));
    assert!(builds_std("", &[variable, unlocked]));
    assert!(!builds_std("", &[unlocked]));
    // No release of this name has unstable options.
    let stable = ("CARGO", "no-such-cargo");
    assert!(!builds_std(option, &[stable]));
}
