//! The folders of this machine that are replaced in binaries.
//!
//! Binaries contain the paths of their sources, at least in panic messages. They would differ by folder and user.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use cargo_metadata::Metadata;

use crate::cli::CargoArgs;
use crate::environment::Environment;
use crate::unique::each_once;

/// A folder, and its replacement in binaries.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Remap {
    /// The folder.
    pub from: PathBuf,
    /// The replacement, the same on all machines.
    pub to: String,
}

/// Returns all replacements. Folders within others come after them: rustc applies the last that matches.
pub(crate) fn remaps(args: &CargoArgs, environment: &Environment, workspace: &Metadata) -> Vec<Remap> {
    let mut all: Vec<(PathBuf, String)> = Vec::new();
    all.extend(environment.home().map(|home| (home, "/home".to_owned())));
    all.extend(environment.cargo_home().map(|home| (home, "/cargo".to_owned())));
    all.extend(outside(workspace));
    all.push((workspace.workspace_root.clone().into(), "/workspace".to_owned()));
    all.extend(output_folders(args, workspace).into_iter().map(|folder| (folder, "/workspace/target".to_owned())));
    all.extend(registries(workspace).into_iter().map(|folder| (folder.to_owned(), "/cargo/registry".to_owned())));
    let absolute = all.into_iter().filter_map(|(from, to)| Some(Remap { from: std::path::absolute(from).ok()?, to }));
    // The home of a user without one is the root, which contains everything.
    let mut all = each_once(absolute.filter(|remap| remap.from.parent().is_some()));
    all.sort_by_key(|remap| remap.from.components().count());
    all
}

/// Returns a text with the replacements of all folders in it, such as an argument of the compiler.
pub(crate) fn replace_folders(text: &str, folders: &[Remap]) -> String {
    let mut text = text.to_owned();
    // The innermost folder is the one that counts.
    for Remap { from, to } in folders.iter().rev() {
        let Some(from) = from.to_str() else { continue };
        let (mut done, mut rest) = (String::new(), text.as_str());
        while let Some((before, behind)) = rest.split_once(from) {
            let is_whole = !behind.starts_with(|c: char| c.is_alphanumeric() || "-_.".contains(c));
            done.push_str(before);
            done.push_str(if is_whole { to } else { from });
            rest = behind;
        }
        done.push_str(rest);
        text = done;
    }
    text
}

/// Returns the folders that cargo writes to: of results, and of what they are made from.
fn output_folders(args: &CargoArgs, workspace: &Metadata) -> Vec<PathBuf> {
    let configured = workspace.target_directory.as_std_path();
    let target = args.target_dir.as_deref().unwrap_or(configured);
    let build = workspace.build_directory.as_ref().map(|folder| folder.as_std_path());
    [Some(target), build.filter(|build| *build != configured)].into_iter().flatten().map(Path::to_owned).collect()
}

/// Returns the packages that are outside of the workspace, but come from no registry or repository.
fn outside(workspace: &Metadata) -> impl Iterator<Item = (PathBuf, String)> {
    let local = workspace.packages.iter().filter(|package| package.source.is_none());
    let outside = local.filter(|package| !package.manifest_path.starts_with(&workspace.workspace_root));
    outside.filter_map(|package| {
        let folder = package.manifest_path.parent()?.as_std_path().to_owned();
        Some((folder, format!("/dependencies/{}-{}", package.name, package.version)))
    })
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

    fn remapped(typed: &[&str], home: &str, root: &str, package: &str) -> Vec<(String, String)> {
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

    fn texts(all: &[(&str, &str)]) -> Vec<(String, String)> {
        all.iter().map(|(from, to)| ((*from).to_owned(), (*to).to_owned())).collect()
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
    }

    #[test]
    fn folders_are_replaced_in_texts() {
        let folders = [("/home/me", "/home"), ("/home/me/work", "/workspace")];
        let folders = folders.map(|(from, to)| Remap { from: from.into(), to: to.to_owned() });
        for (text, replaced) in [
            ("link-arg=-T/home/me/work/link.x", "link-arg=-T/workspace/link.x"),
            ("/home/me:/home/me/work", "/home:/workspace"),
            ("/home/me2/work /home/me/workshop", "/home/me2/work /home/workshop"),
            ("native=/usr/lib", "native=/usr/lib"),
        ] {
            assert_eq!(replace_folders(text, &folders), replaced);
        }
    }
}
