//! The pipelines in README and docs/ci.md, run as they are written there.

use std::fs;
use std::path::PathBuf;

use serde_json::json;

use super::Scene;
use super::place::{Place, replaced, shell};
use crate::support::environment;
use crate::support::markdown::Page;
use crate::support::process::output;

/// The blocks of README and docs/ci.md in YAML: the pipelines for `GitHub` or for `GitLab`.
pub fn pipelines(service: &str) -> Vec<String> {
    let pages = ["README.md", "docs/ci.md"].map(|path| Page::read(PathBuf::from(path)));
    let blocks = pages.iter().flat_map(|page| {
        let blocks = page.blocks().into_iter().filter(|block| block.info == "yaml");
        blocks.map(|block| page.inside(&block)).collect::<Vec<_>>()
    });
    blocks.filter(|text| text.contains("\njobs:") == (service == "GitHub")).collect()
}

/// The block of docs/ci.md with this language.
fn block(info: &str) -> String {
    let page = Page::read(PathBuf::from("docs/ci.md"));
    let blocks = page.blocks();
    page.inside(blocks.iter().find(|block| block.info == info).expect("a block"))
}

#[test]
fn recipes_for_github_push_verified_images() {
    let pipelines = pipelines("GitHub");
    assert_eq!(pipelines.len(), 4, "README, and three of docs/ci.md");
    for text in pipelines {
        let scene = Scene::new("");
        let mut github = scene.github();
        github.uses = "main";
        github.names = scene.instead_of_ghcr();
        // A key pair, as `cargo oci generate-key` makes it.
        let generate = ["generate-key", "--output", "cosign"];
        scene.project.oci(&generate).within(".git").env("COSIGN_PASSWORD", "sesame").succeeds();
        let key = fs::read_to_string(scene.project.path(".git/cosign.key")).expect("a key");
        let secrets = json!({ "COSIGN_KEY": key, "COSIGN_PASSWORD": "sesame" });
        // Without services that sign: the test of the workflow itself has them.
        let text = text.replace("sign: true", "sign: false");
        let jobs = github.run(&text, &secrets);
        let image = scene.whole_image("latest");
        assert!(github.log.contains(&image), "{}", github.log);
        if text.contains("--sign") {
            let verify =
                ["verify", &*image, "--key", ".git/cosign.pub", "--require", "sbom", "--require", "provenance"];
            assert_eq!(scene.project.oci(&verify).succeeds().stdout.trim(), image);
        }
        if text.contains("{git.short}") {
            assert_eq!(scene.tagged(&scene.sha[..7]), scene.tagged("latest"));
        }
        if text.contains("deploy:") {
            assert_eq!(jobs["image"]["outputs"]["image"], image);
            assert!(github.log.contains(&format!("deploy {image}")), "{}", github.log);
        }
        // A pull request pushes nothing.
        if text.contains("pull_request:") {
            let before = scene.registry.requests().len();
            github.event = "pull_request";
            github.run(&text, &secrets);
            let new = scene.registry.requests().split_off(before);
            assert!(new.iter().all(|request| request.method == "GET"), "{new:?}");
        }
    }
}

#[test]
fn recipes_for_gitlab_push_verified_images() {
    let pipelines = pipelines("GitLab");
    assert_eq!(pipelines.len(), 2, "of docs/ci.md");
    for text in pipelines {
        let scene = Scene::new("");
        let mut gitlab = scene.gitlab();
        let ran = gitlab.run(&text);
        let tag = if text.contains("CI_COMMIT_SHORT_SHA") { &scene.sha[..8] } else { "latest" };
        let image = scene.whole_image(tag);
        assert!(gitlab.log.contains(&image), "{ran:?}: {}", gitlab.log);
    }
}

#[test]
fn recipe_for_jenkins_pushes_verified_image() {
    let scene = Scene::new("");
    let text = replaced(&block("groovy"), &scene.instead_of_ghcr());
    let place = Place::new();
    let folder = place.path("workspace");
    let clone =
        ["clone", "--quiet"].map(PathBuf::from).into_iter().chain([scene.project.root().to_owned(), folder.clone()]);
    output(environment::command("git").args(clone));
    let mut variables = place.variables("home");
    let mut set = |key: &str, value: String| drop(variables.insert(key.into(), value.into()));
    let path = std::env::var("PATH").expect("a path");
    set("JENKINS_URL", "http://jenkins.example/".to_owned());
    set("BRANCH_NAME", "main".to_owned());
    set("GIT_COMMIT", scene.sha.clone());
    set("CARGO_OCI_REGISTRY_USERNAME", super::USER.0.to_owned());
    set("CARGO_OCI_REGISTRY_PASSWORD", super::USER.1.to_owned());
    // The lines of `environment`.
    let lines = text.lines().map(str::trim).take_while(|line| *line != "stages {");
    for (key, value) in lines.filter_map(|line| line.split_once(" = ")) {
        let value = value.trim_matches(['\'', '"']).replace("${env.WORKSPACE}", &folder.display().to_string());
        let machine = format!("{}:{path}", place.path("programs").display());
        set(key, value.replace("${env.PATH}", &machine));
    }
    let mut log = String::new();
    let page = Page::read(PathBuf::from("docs/ci.md"));
    let blocks = page.blocks();
    let steps = page.shell(blocks.iter().find(|block| block.info == "groovy").expect("a block"));
    for script in steps.lines() {
        // As Jenkins starts them.
        let ran = shell(&folder, &variables, &["sh", "-xe"], script);
        log += &ran.stdout;
        assert!(ran.status == 0, "{log}");
    }
    let image = scene.whole_image("latest");
    assert!(log.contains(&image), "{log}");
    assert_eq!(scene.tagged(&scene.sha[..7]), scene.tagged("latest"));
    assert_eq!(place.installs().len(), 1);
}

#[test]
fn recipe_for_shells_pushes_from_main_alone() {
    let scene = Scene::new("");
    let script = block("sh");
    let place = Place::new();
    place.program("cargo-oci", &format!("exec {} \"$@\"", env!("CARGO_BIN_EXE_cargo-oci")));
    let mut variables = place.variables("home");
    for (key, value) in [
        ("CARGO_OCI_REPOSITORY", scene.registry.reference("acme/hello")),
        ("CARGO_OCI_REGISTRY_USERNAME", super::USER.0.to_owned()),
        ("CARGO_OCI_REGISTRY_PASSWORD", super::USER.1.to_owned()),
    ] {
        variables.insert(key.into(), value.into());
    }
    let git = |args: &[&str]| output(environment::command("git").arg("-C").arg(scene.project.root()).args(args));
    git(&["checkout", "--quiet", "-b", "fix"]);
    let ran = shell(scene.project.root(), &variables, &["sh"], &script);
    assert!(ran.status == 0 && scene.registry.requests().is_empty(), "{}", ran.stdout);
    git(&["checkout", "--quiet", "main"]);
    git(&["tag", "v1"]);
    let ran = shell(scene.project.root(), &variables, &["sh"], &script);
    assert!(ran.status == 0 && ran.stdout.contains(&scene.whole_image("latest")), "{}", ran.stdout);
    assert_eq!(scene.tagged("v1"), scene.tagged("latest"));
    assert_eq!(scene.tagged(&scene.sha[..7]), scene.tagged("latest"));
}
