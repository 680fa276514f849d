//! The files that `cargo oci init --ci` writes, from a commit with them to the image.

use std::fs;

use serde_json::json;

use super::Scene;
use super::github::COMMIT;
use super::place::commit;
use crate::support::digest;
use crate::support::project::Project;
use crate::support::registry::DockerRegistry;

/// Runs `cargo oci init --ci SERVICE` in the project, and commits what it wrote.
fn initialized(scene: Scene, service: &str, source: &str) -> (Scene, String) {
    let args = ["init", "--ci", service, "--install-from", source];
    scene.project.oci(&args).succeeds();
    let path = if service == "github" { ".github/workflows/image.yml" } else { ".gitlab-ci.yml" };
    let text = fs::read_to_string(scene.project.path(path)).expect("a file");
    let sha = commit(&scene.project, "init");
    (Scene { sha, ..scene }, text)
}

#[test]
fn init_makes_project_that_builds() {
    let project = Project::new("hello").file("src/bin/other.rs", "fn main() {}\n").file("static/index.html", "");
    project.oci(&["init", "--repository", "ghcr.io/acme/hello"]).succeeds();
    project.build(&[]).succeeds();
    let before = digest(&project.layout());
    // The lines that are proposed build, too.
    let manifest = fs::read_to_string(project.path("Cargo.toml")).expect("a file");
    let project = project.file("Cargo.toml", &manifest.replace("# files", "files").replace("# workdir", "workdir"));
    project.build(&[]).succeeds();
    assert_ne!(digest(&project.layout()), before);
}

#[test]
fn init_workflow_pushes_from_github() {
    for (source, is_action) in
        [(format!("https://github.com/acme/cargo-oci#{COMMIT}"), true), ("https://git.example.org/x".to_owned(), false)]
    {
        let scene = Scene::new("");
        // The token of the job is for ghcr.io alone, which no test reaches.
        let scene = if is_action { scene } else { Scene { registry: DockerRegistry::start(), ..scene } };
        let (scene, text) = initialized(scene, "github", &source);
        let mut github = scene.github();
        github.names = scene.instead_of_ghcr();
        github.event = "pull_request";
        github.run(&text, &json!({}));
        assert!(
            github.log.contains("$ cargo oci build --locked\n") && !github.log.contains("oci push"),
            "{}",
            github.log
        );
        github.event = "push";
        github.run(&text, &json!({}));
        let image = scene.whole_image("latest");
        assert!(github.log.contains(&image), "{}", github.log);
        assert_eq!(scene.tagged(&scene.sha[..7]), scene.tagged("latest"));
        assert_eq!(github.place.installs().len(), if is_action { 1 } else { 2 });
    }
}

#[test]
fn init_pipeline_pushes_from_gitlab() {
    let (scene, text) = initialized(Scene::new(""), "gitlab", "https://git.example.org/acme/cargo-oci#v0.1.0");
    let mut gitlab = scene.gitlab();
    assert_eq!(gitlab.run(&text), ["image-push"]);
    let image = scene.whole_image("latest");
    assert!(gitlab.log.contains(&image), "{}", gitlab.log);
    gitlab.event = vec![("CI_PIPELINE_SOURCE", "merge_request_event"), ("CI_COMMIT_REF_NAME", "fix")];
    assert_eq!(gitlab.run(&text), ["image-build"]);
    gitlab.event = vec![("CI_COMMIT_TAG", "v1"), ("CI_COMMIT_REF_NAME", "v1"), ("CI_PIPELINE_SOURCE", "push")];
    assert_eq!(gitlab.run(&text), ["image-push"]);
    assert_eq!(scene.tagged("v1"), scene.tagged("latest"));
    let install = "install --locked --git https://git.example.org/acme/cargo-oci --rev v0.1.0 cargo-oci";
    assert!(gitlab.place.installs().iter().all(|args| args == install), "{:?}", gitlab.place.installs());
}
