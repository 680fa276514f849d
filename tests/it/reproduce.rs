//! `cargo oci reproduce` where nothing is built: what differs here from what the provenance says.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::snapshots::{AMD64, elf};
use crate::support::environment;
use crate::support::process::output;
use crate::support::project::{Call, Project};

/// A package whose program was compiled elsewhere, and which is committed.
fn project() -> Project {
    let project = Project::new("x").file(".gitignore", "target\nprogram\n*.json\n");
    fs::write(project.path("program"), elf(AMD64)).expect("a file");
    project
}

fn git(folder: &Path, args: &[&str]) -> String {
    let mut git = environment::command("git");
    output(git.args(["-c", "init.defaultBranch=main"]).args(args).current_dir(folder)).trim().to_owned()
}

fn commit(project: &Project) -> String {
    git(project.root(), &["init", "--quiet"]);
    git(project.root(), &["add", "."]);
    git(project.root(), &["commit", "--quiet", "--allow-empty", "-m", "All"]);
    git(project.root(), &["rev-parse", "HEAD"])
}

fn build(project: &Project, more: &[&str]) {
    let args = ["--platform", "linux/amd64", "--prebuilt", "linux/amd64=program"];
    project.build(&[&args, more].concat()).succeeds();
}

/// The error, with its lines joined. Nothing was built then.
#[track_caller]
fn fails(project: &Project, call: &Call) -> String {
    let words = call.fails(1);
    assert!(words.contains("cannot reproduce oci:target/oci/x"), "{words}");
    assert!(!project.path("target/oci/x.reproduced").exists(), "{words}");
    words.lines().map(str::trim).collect::<Vec<_>>().join(" ")
}

/// Attaches this provenance to the image, which has none.
fn with_provenance(project: &Project, edit: impl FnOnce(&mut Value)) {
    build(project, &["--provenance", "false"]);
    let shown = project.oci(&["inspect", "target/oci/x", "--json"]).succeeds().stdout;
    let shown: Value = serde_json::from_str(&shown).expect("JSON");
    let digest = shown["images"][0]["digest"].as_str().expect("a digest").trim_start_matches("sha256:").to_owned();
    let mut statement = json!({
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{ "name": "x", "digest": { "sha256": digest } }],
        "predicateType": "https://slsa.dev/provenance/v1",
        "predicate": {
            "buildDefinition": {
                "buildType": "urn:cargo-oci:build:1",
                "externalParameters": {
                    "package": "x@0.1.0", "bins": ["x"], "targets": ["x86_64-unknown-linux-musl"], "libc": "musl",
                    "profile": "release", "base": "embedded", "compression": "gzip",
                },
                "resolvedDependencies": [{
                    "name": "rustc", "uri": "pkg:generic/rustc@1.0.0", "annotations": { "version": "rustc 1.0.0 (x)" },
                }],
            },
            "runDetails": { "builder": { "id": "urn:cargo-oci", "version": { "cargo-oci": env!("CARGO_PKG_VERSION") } } },
        },
    });
    edit(&mut statement);
    fs::write(project.path("provenance.json"), statement.to_string()).expect("a file");
    let args = ["attach", "target/oci/x", "provenance.json", "--artifact-type", "application/vnd.in-toto+json"];
    project.oci(&args).succeeds();
}

#[test]
fn reproduce_names_commits_that_differ() {
    let project = project();
    let before = commit(&project);
    build(&project, &[]);
    let project = project.file("more.txt", "");
    let now = commit(&project);
    let words = fails(&project, &project.oci(&["reproduce", "target/oci/x"]));
    assert!(words.contains(&format!("commit: {before}, here: {now}")), "{words}");
    assert!(words.contains("prebuilt binaries: linux/amd64, here: nothing to compile them from"), "{words}");
    assert!(words.contains(&format!("check it out: `git checkout {before}`")), "{words}");
}

#[test]
fn reproduce_rejects_uncommitted_changes() {
    let project = project();
    let sha = commit(&project);
    build(&project, &[]);
    let project = project.append("src/main.rs", "// more\n");
    let words = fails(&project, &project.oci(&["reproduce", "target/oci/x"]));
    assert!(words.contains(&format!("commit: {sha}, here: {sha} with uncommitted changes")), "{words}");
    assert!(words.contains("put changes away: `git stash`"), "{words}");
    build(&project, &[]);
    let words = fails(&project, &project.oci(&["reproduce", "target/oci/x"]));
    assert!(words.contains(&format!("commit: {sha} with uncommitted changes, here: ")), "{words}");
}

#[test]
fn reproduce_names_tools_and_files_that_differ() {
    let project = project();
    with_provenance(&project, |_| {});
    let words = fails(&project, &project.oci(&["reproduce", "target/oci/x"]).env("SOURCE_DATE_EPOCH", "86400"));
    assert!(words.contains("rustc: rustc 1.0.0 (x), here: rustc 1."), "{words}");
    assert!(words.contains("`rustup override set 1.0.0`"), "{words}");
    assert!(words.contains("Cargo.lock: none, here: sha256:"), "{words}");
    assert!(words.contains("time: 1970-01-01T00:00:00Z, here: 1970-01-02T00:00:00Z"), "{words}");
    assert!(words.contains("`SOURCE_DATE_EPOCH=0`"), "{words}");
    // What was built is said in any case.
    assert!(words.contains("x@0.1.0, rustc 1.0.0 (x), cargo-oci "), "{words}");
}

#[test]
fn reproduce_names_releases_and_packages_that_differ() {
    let project = project();
    with_provenance(&project, |statement| {
        statement["predicate"]["runDetails"]["builder"]["version"]["cargo-oci"] = json!("0.0.1");
        statement["predicate"]["buildDefinition"]["externalParameters"]["package"] = json!("x@0.0.9");
    });
    let words = fails(&project, &project.oci(&["reproduce", "target/oci/x"]));
    assert!(words.contains("cargo-oci: 0.0.1, here: "), "{words}");
    assert!(words.contains("`cargo install cargo-oci@0.0.1 --locked`"), "{words}");
    assert!(words.contains("image: x of x@0.0.9, here: x of x@0.1.0"), "{words}");
}

#[test]
fn reproduce_needs_provenance_of_a_build() {
    let project = project();
    build(&project, &["--provenance", "false"]);
    let reproduce = project.oci(&["reproduce", "target/oci/x"]);
    assert!(fails(&project, &reproduce).contains("it has no provenance that can be read"));
    with_provenance(&project, |statement| {
        statement["predicate"]["buildDefinition"]["buildType"] = json!("https://a.b");
    });
    let words = fails(&project, &reproduce);
    assert!(words.contains("its provenance is from another program: its build type is `https://a.b`"), "{words}");
}

#[test]
fn reproduce_rejects_choices_that_nobody_knows() {
    let project = project();
    with_provenance(&project, |statement| {
        statement["predicate"]["buildDefinition"]["externalParameters"]["targets"] = json!(["z80-unknown-none"]);
    });
    let words = fails(&project, &project.oci(&["reproduce", "target/oci/x"]));
    assert!(words.contains("does not know the target `z80-unknown-none` of its provenance"), "{words}");
}
