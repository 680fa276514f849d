//! What of an image depends on the commit: its config, and no layer.

use std::fs;
use std::time::Duration;

use serde_json::Value;

use crate::snapshots::{AMD64, elf};
use crate::support::process::output;
use crate::support::project::Project;
use crate::support::{digest, environment, image};

/// A package with a program that is compiled already, and this table.
fn package(table: &str) -> Project {
    let project = Project::with_table(table).file("assets/a.css", "body {}").file(".gitignore", "/target");
    fs::write(project.path("program"), elf(AMD64)).expect("a file");
    project
}

/// Commits everything, at a time of its own.
fn commit(project: &Project, seconds: u64) {
    for args in [&["init", "--quiet"][..], &["add", "."], &["commit", "--quiet", "--allow-empty", "--message", "x"]] {
        let mut git = environment::command("git");
        let date = format!("@{seconds} +0000");
        git.env("GIT_COMMITTER_DATE", &date).env("GIT_AUTHOR_DATE", date);
        output(git.args(args).current_dir(project.root()));
    }
}

/// Builds from a cold cache. Returns the manifest and the config.
fn build(project: &Project, variables: &[(&str, &str)]) -> (Value, Value) {
    for folder in [project.layout(), project.cache()] {
        let _ = fs::remove_dir_all(folder);
    }
    let program = format!("linux/amd64={}", project.path("program").display());
    let call = project.oci(&["build", "--base", "embedded", "--platform", "linux/amd64", "--prebuilt", &program]);
    variables.iter().fold(call, |call, (key, value)| call.env(key, *value)).succeeds();
    image(&project.layout(), "linux/amd64")
}

#[test]
fn layers_are_the_same_for_every_commit() {
    let project = package("files = [{ from = \"assets\", to = \"/srv/\" }]");
    commit(&project, 1_700_000_000);
    let (manifest, config) = build(&project, &[]);
    assert_eq!(config["created"], "2023-11-14T22:13:20Z");
    let file = fs::File::options().write(true).open(project.path("assets/a.css")).expect("a file");
    file.set_modified(std::time::SystemTime::UNIX_EPOCH + Duration::from_secs(1_600_000_000)).expect("a time");
    commit(&project, 1_700_000_060);
    let (later_manifest, later_config) = build(&project, &[]);
    assert_eq!(manifest["layers"], later_manifest["layers"]);
    assert_eq!(config["rootfs"], later_config["rootfs"]);
    assert_eq!(later_config["created"], "2023-11-14T22:14:20Z");
    let history = later_config["history"].as_array().expect("a history");
    assert_eq!(history.last().expect("an entry")["created"], "2023-11-14T22:14:20Z");
    let key = "org.opencontainers.image.revision";
    assert_ne!(config["config"]["Labels"][key], later_config["config"]["Labels"][key]);
    assert_ne!(manifest["config"]["digest"], later_manifest["config"]["digest"]);
}

#[test]
fn layer_of_files_takes_the_time_of_the_commit() {
    let project = package("files = [{ from = \"assets\", to = \"/srv/\", mtime = \"commit\" }]");
    let layers = |(manifest, _): (Value, Value)| manifest["layers"].as_array().expect("layers").clone();
    commit(&project, 1_700_000_000);
    let first = layers(build(&project, &[]));
    commit(&project, 1_700_000_060);
    let second = layers(build(&project, &[]));
    let [files, program] = [first.len() - 2, first.len() - 1];
    assert_ne!(first[files], second[files]);
    assert_eq!(first[program], second[program]);
    // The time of an image is that of its commit, or this.
    assert_eq!(layers(build(&project, &[("SOURCE_DATE_EPOCH", "1700000000")])), first);
}

#[test]
fn digest_is_kept_without_revision_and_time() {
    let no_revision = "{ \"org.opencontainers.image.revision\" = false }";
    let project = package(&format!("labels = {no_revision}\nannotations = {no_revision}"));
    let built = |seconds| {
        commit(&project, seconds);
        build(&project, &[("SOURCE_DATE_EPOCH", "0")]);
        digest(&project.layout())
    };
    assert_eq!(built(1_700_000_000), built(1_700_000_060));
}
