//! The folders of this computer that are not to be seen in programs, and what is written there in their place.
//!
//! A program holds the paths of its sources, in the messages of panics at least: it would be another one in another
//! folder, and of another user.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use cargo_metadata::Metadata;

use crate::cli::CargoArgs;
use crate::environment::Environment;

/// A folder, and what it is called in programs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remap {
    /// Where it is.
    pub from: PathBuf,
    /// The same on all computers.
    pub to: &'static str,
}

/// All of them, and none where that was asked for. Those within others come behind them: the last one counts.
pub fn remaps(args: &CargoArgs, environment: &Environment, workspace: &Metadata) -> Vec<Remap> {
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
        // A user without a home is at the root, where everything is.
        .filter(|remap| remap.from.parent().is_some())
        .collect();
    all.sort_by_key(|remap| remap.from.components().count());
    all
}

/// What to say where programs name folders and that was not asked for.
pub fn warning(args: &CargoArgs, environment: &Environment) -> Option<String> {
    let is_unsaid = !args.no_remap_path_prefix && flags_of_arguments_count(args, environment);
    is_unsaid.then(|| {
        "programs name folders of this computer, because of the `rustflags` in a `--config`: where they come from a \
         file of cargo's configuration or from RUSTFLAGS, folders are renamed; --no-remap-path-prefix says it is meant"
            .to_owned()
    })
}

/// Whether there are flags for the compiler among cargo's arguments, where cargo finds them. Ours would take their place, or
/// could not be joined with them.
fn flags_of_arguments_count(args: &CargoArgs, environment: &Environment) -> bool {
    let names_flags = |text: &str| text.contains("rustflags");
    let has_flags = |config: &String| match Path::new(config).is_file() {
        true => std::fs::read_to_string(config).is_ok_and(|text| names_flags(&text)),
        false => names_flags(config),
    };
    let in_environment = ["CARGO_ENCODED_RUSTFLAGS", "RUSTFLAGS"].iter().any(|variable| environment.is_set(variable));
    !in_environment && args.config.iter().any(has_flags)
}

/// Where the packages of registries lie: a folder of cargo's that is named after the registry, or where it was told that
/// they are.
fn registries(workspace: &Metadata) -> BTreeSet<&Path> {
    let is_of_registry = |source: &str| source.starts_with("registry+") || source.starts_with("sparse+");
    let packages = workspace.packages.iter();
    let packages =
        packages.filter(|package| package.source.as_ref().is_some_and(|source| is_of_registry(&source.repr)));
    packages.filter_map(|package| package.manifest_path.parent()?.parent()).map(|folder| folder.as_std_path()).collect()
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Typed {
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
        let args = Typed::parse_from([&["cargo"], typed].concat()).cargo;
        let environment = [("HOME", home), ("USERPROFILE", home)].into_iter().collect();
        let all = remaps(&args, &environment, &metadata).into_iter();
        all.map(|remap| (remap.from.display().to_string(), remap.to)).collect()
    }

    fn texts(all: &[(&str, &'static str)]) -> Vec<(String, &'static str)> {
        all.iter().map(|(from, to)| ((*from).to_owned(), *to)).collect()
    }

    #[test]
    fn a_folder_within_another_comes_behind_it() {
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
    fn a_user_without_a_home_and_folders_that_are_elsewhere_are_known() {
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
