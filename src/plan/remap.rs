//! The folders of this machine that are replaced in binaries.
//!
//! Binaries contain the paths of their sources, at least in panic messages. They would differ by folder and user.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use cargo_metadata::Metadata;

use crate::cli::CargoArgs;
use crate::environment::Environment;

/// A folder, and its replacement in binaries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remap {
    /// The folder.
    pub from: PathBuf,
    /// The replacement, the same on all machines.
    pub to: &'static str,
}

/// Returns all replacements, or none if `--no-remap-path-prefix` is given. Folders within others come after them: rustc
/// applies the last that matches.
pub(crate) fn remaps(args: &CargoArgs, environment: &Environment, workspace: &Metadata) -> Vec<Remap> {
    if args.no_remap_path_prefix || flags_of_arguments_count(args, environment) {
        return Vec::new();
    }
    let home = environment.home();
    let cargo_home = environment.get("CARGO_HOME").map(PathBuf::from);
    let cargo_home = cargo_home.or_else(|| home.as_ref().map(|home| home.join(".cargo")));
    let target = args.target_dir.clone().unwrap_or_else(|| workspace.target_directory.clone().into());
    let registries = registries(workspace).into_iter().map(|folder| (folder.to_owned(), "/cargo/registry"));
    let mut all: Vec<_> = home
        .map(|home| (home, "/home"))
        .into_iter()
        .chain(cargo_home.map(|folder| (folder, "/cargo")))
        .chain([(workspace.workspace_root.clone().into(), "/workspace"), (target, "/workspace/target")])
        .chain(registries)
        .filter_map(|(from, to)| Some(Remap { from: std::path::absolute(from).ok()?, to }))
        // The home of a user without one is the root, which contains everything.
        .filter(|remap| remap.from.parent().is_some())
        .collect();
    all.sort_by_key(|remap| remap.from.components().count());
    all
}

/// Returns a warning if binaries contain paths of this machine without `--no-remap-path-prefix`.
pub(crate) fn warning(args: &CargoArgs, environment: &Environment) -> Option<String> {
    let is_unexpected = !args.no_remap_path_prefix && flags_of_arguments_count(args, environment);
    is_unexpected.then(|| {
        "binaries will contain paths of this machine, because `--config` sets `rustflags`: set them in RUSTFLAGS or in a file \
         of cargo's configuration, or pass --no-remap-path-prefix to silence this warning"
            .to_owned()
    })
}

/// Returns whether `--config` sets rustflags, and cargo uses them. Ours would replace them, or could not be merged with them.
fn flags_of_arguments_count(args: &CargoArgs, environment: &Environment) -> bool {
    let in_environment = ["CARGO_ENCODED_RUSTFLAGS", "RUSTFLAGS"].iter().any(|variable| environment.is_set(variable));
    !in_environment && args.config.iter().any(|config| sets_rustflags(config))
}

/// `config` is a file or TOML.
fn sets_rustflags(config: &str) -> bool {
    if !Path::new(config).is_file() {
        return config.contains("rustflags");
    }
    std::fs::read_to_string(config).is_ok_and(|text| text.contains("rustflags"))
}

/// Returns the folders that packages of registries are in: in cargo's home, or vendored.
fn registries(workspace: &Metadata) -> BTreeSet<&Path> {
    let mut folders = BTreeSet::new();
    for package in &workspace.packages {
        if package.source.as_ref().is_some_and(|source| is_of_registry(&source.repr))
            && let Some(folder) = package.manifest_path.parent().and_then(|folder| folder.parent())
        {
            folders.insert(folder.as_std_path());
        }
    }
    folders
}

fn is_of_registry(source: &str) -> bool {
    source.starts_with("registry+") || source.starts_with("sparse+")
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct CommandLine {
        #[command(flatten)]
        cargo: CargoArgs,
    }

    fn remapped(typed: &[&str], home: &str, root: &str, package: &str) -> Vec<(String, &'static str)> {
        let package = serde_json::json!({
            "name": "x", "version": "1.0.0", "id": "x", "source": "registry+https://example.org/index",
            "manifest_path": format!("{package}/x-1.0.0/Cargo.toml"), "dependencies": [], "targets": [], "features": {},
        });
        let metadata = serde_json::json!({
            "packages": [package], "workspace_members": [], "workspace_root": root, "version": 1,
            "target_directory": format!("{root}/target"), "workspace_default_members": [], "resolve": null,
        });
        let metadata = serde_json::from_value(metadata).expect("metadata");
        let args = CommandLine::parse_from([&["cargo"], typed].concat()).cargo;
        let environment = [("HOME", home), ("USERPROFILE", home)].into_iter().collect();
        let all = remaps(&args, &environment, &metadata).into_iter();
        all.map(|remap| (remap.from.display().to_string(), remap.to)).collect()
    }

    fn texts(all: &[(&str, &'static str)]) -> Vec<(String, &'static str)> {
        all.iter().map(|(from, to)| ((*from).to_owned(), *to)).collect()
    }

    #[test]
    fn remaps_of_inner_folders_come_last() {
        let registry = "/home/me/.cargo/registry/src/x-1";
        let expected = [
            ("/home/me", "/home"),
            ("/home/me/.cargo", "/cargo"),
            ("/home/me/work", "/workspace"),
            ("/home/me/work/target", "/workspace/target"),
            (registry, "/cargo/registry"),
        ];
        assert_eq!(remapped(&[], "/home/me", "/home/me/work", registry), texts(&expected));
    }

    #[test]
    fn remaps_work_without_home_and_with_vendored_packages() {
        let expected = [
            ("/src", "/workspace"),
            ("/.cargo", "/cargo"),
            ("/src/vendor", "/cargo/registry"),
            ("/tmp/out", "/workspace/target"),
        ];
        let mut found = remapped(&["--target-dir", "/tmp/out"], "/", "/src", "/src/vendor");
        found.sort_by_key(|(from, _)| expected.iter().position(|expected| expected.0 == from));
        assert_eq!(found, texts(&expected));
        assert_eq!(remapped(&["--no-remap-path-prefix"], "/home/me", "/src", "/src/vendor"), []);
    }
}
