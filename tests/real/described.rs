//! What Cargo.toml and git say of an image, without being asked.

use std::path::Path;

use serde_json::{Value, json};

use crate::support::environment;
use crate::support::process::output;
use crate::support::project::Project;
use crate::support::{digest, document, image};

/// An annotation's full name.
fn key(name: &str) -> String {
    format!("org.opencontainers.image.{name}")
}

/// Git's answer in a folder.
fn git(folder: &Path, args: &[&str]) -> String {
    let identity = ["-c", "user.name=x", "-c", "user.email=x@example.org", "-c", "init.defaultBranch=main"];
    output(environment::command("git").args(identity).args(args).current_dir(folder)).trim_end().to_owned()
}

/// A package with a commit.
fn committed() -> Project {
    let project = Project::new("x").file(".gitignore", "target\nCargo.lock\nprograms\n");
    git(project.root(), &["init", "--quiet"]);
    git(project.root(), &["add", "."]);
    git(project.root(), &["commit", "--quiet", "--message=x"]);
    project
}

/// The annotations of the image for one platform.
fn annotations(project: &Project) -> Value {
    image(&project.layout(), "linux/amd64").0["annotations"].clone()
}

#[test]
fn package_metadata_becomes_annotations_and_labels() {
    let described = "[package]\nname = \"x\"\nversion = \"1.2.3-rc.1\"\nedition = \"2024\"\nlicense = \"MIT OR Apache-2.0\"\n\
                     description = \"\"\"\nA service\n  in two lines.\n\"\"\"\nhomepage = \"https://example.org\"\n\
                     documentation = \"https://docs.example.org\"\nrepository = \"https://git.example.org/x\"\n\
                     authors = [\"A <a@example.org>\", \"B\"]\n";
    let expected = [
        ("title", "x"),
        ("description", "A service in two lines."),
        ("version", "1.2.3-rc.1"),
        ("licenses", "MIT OR Apache-2.0"),
        ("url", "https://example.org"),
        ("documentation", "https://docs.example.org"),
        ("source", "https://git.example.org/x"),
        ("authors", "A <a@example.org>, B"),
        ("created", "1970-01-01T00:00:00Z"),
        ("ref.name", "x"),
    ];
    let all: Value =
        expected.iter().map(|(name, value)| (key(name), json!(value))).collect::<serde_json::Map<_, _>>().into();
    let built = |table: &str| {
        let project = Project::new("x").file("Cargo.toml", &format!("{described}{table}"));
        project.build(&["--platform", "linux/amd64"]).succeeds();
        let index = document(&project.layout(), &digest(&project.layout()));
        let (manifest, config) = image(&project.layout(), "linux/amd64");
        assert_eq!(index["annotations"], manifest["annotations"]);
        (manifest["annotations"].clone(), config["config"]["Labels"].clone())
    };
    assert_eq!(built(""), (all.clone(), all.clone()));

    // One of them alone, said otherwise by the workspace and by the package.
    let labels = format!("labels = {{ \"{}\" = \"me\", \"{}\" = false }}\n", key("authors"), key("url"));
    let (annotations, labels) = built(&format!(
        "[workspace.metadata.oci]\n{labels}[package.metadata.oci]\nlabels.\"{}\" = \"home\"",
        key("url")
    ));
    assert_eq!(annotations, all);
    let mut changed = all.clone();
    (changed[key("authors")], changed[key("url")]) = (json!("me"), json!("home"));
    assert_eq!(labels, changed);

    // All of them.
    let off: Vec<_> = expected.iter().map(|(name, _)| format!("\"{}\" = false", key(name))).collect();
    let (annotations, labels) = built(&format!("[package.metadata.oci]\nannotations = {{ {} }}", off.join(", ")));
    assert_eq!((annotations.as_object().map_or(0, serde_json::Map::len), labels), (0, all.clone()));
    let (annotations, labels) = built(&format!("[package.metadata.oci]\nlabels = {{ {} }}", off.join(", ")));
    assert_eq!((annotations, labels), (all, json!({})));
}

#[test]
fn shallow_clone_has_revision_without_tags() {
    let project = committed();
    git(project.root(), &["commit", "--quiet", "--allow-empty", "--message=y"]);
    git(project.root(), &["tag", "v1"]);
    let from = format!("file://{}", project.root().display());
    git(project.root().parent().expect("a folder"), &["clone", "--quiet", "--depth=1", "--no-tags", &from, "clone"]);
    let clone = project.path("../clone");
    let sha = git(&clone, &["rev-parse", "HEAD"]);
    project.build(&["--platform", "linux/amd64", "--tag", "{git.short}"]).within("../clone").succeeds();
    let annotations = image(&clone.join("target/oci/x"), "linux/amd64").0["annotations"].clone();
    assert_eq!(annotations[key("revision")], sha.as_str());
    assert_ne!(annotations[key("created")], "1970-01-01T00:00:00Z");
    let words = project.build(&["--tag", "{git.tag}"]).within("../clone").fails(1);
    assert!(words.contains(" has no tag") && words.contains("`git fetch --tags`"), "{words}");
    git(&clone, &["fetch", "--quiet", "--tags"]);
    project.build(&["--platform", "linux/amd64", "--tag", "{git.tag}"]).within("../clone").succeeds();
}

#[test]
fn image_without_commit_has_no_revision() {
    let project = Project::new("x");
    let build = || project.build(&["--platform", "linux/amd64"]);
    let no_revision = |words: &str, warned: bool| {
        let annotations = annotations(&project);
        assert_eq!(annotations.get(key("revision")), None);
        assert_eq!(annotations[key("created")], "1970-01-01T00:00:00Z");
        assert_eq!(words.contains("warning: images will have no revision"), warned, "{words}");
    };
    // No repository; one without a commit.
    no_revision(&build().succeeds().stderr, false);
    git(project.root(), &["init", "--quiet"]);
    no_revision(&build().succeeds().stderr, false);
    // A repository, and no git to read it, or one that refuses.
    let words = build().alone().succeeds().stderr;
    no_revision(&words, true);
    assert!(words.contains("there is no `git` on PATH"), "{words}");
    let words = build().env("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1").succeeds().stderr;
    no_revision(&words, true);
    assert!(
        words.contains("belongs to another user; to trust it, run `git config --global --add safe.directory "),
        "{words}"
    );
}
