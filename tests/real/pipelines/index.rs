//! An image from several runners: the reusable workflow of GitHub, and the component of GitLab.

use serde_json::{Value, json};

use super::Scene;
use super::github::{COMMIT, USER};
use super::place::{Releases, VERSION, commit};

#[test]
fn workflow_makes_image_of_one_machine() {
    let scene = Scene::new("");
    let mut github = scene.github();
    let with = json!({ "registry": scene.registry.host(), "tags": "latest,{git.short}", "sign": false });
    let outputs = github.call(&with, &json!({}));
    let image = scene.whole_image("latest");
    assert_eq!(outputs["image"].as_str(), Some(&*image), "{}", github.log);
    assert_eq!(outputs["digest"].as_str(), image.split_once('@').map(|(_, digest)| digest));
    assert_eq!((outputs["cosign"].as_str(), outputs["gh"].as_str()), (Some(""), Some("")));
    assert_eq!(scene.tagged(&scene.sha[..7]), scene.tagged("latest"));
    assert_eq!(scene.tagged("latest"), Some(scene.built_here()), "one machine makes another image");
    // Nobody saw a tag with one platform: it was written once.
    let tags = scene.registry.requests();
    let moved: Vec<_> =
        tags.iter().filter(|request| request.method == "PUT" && request.path.ends_with("/manifests/latest")).collect();
    assert_eq!(moved.len(), 1, "{moved:?}");
    for part in ["### Image", "from source: the action is not used by the tag of a release"] {
        assert!(github.log.contains(part), "{}", github.log);
    }
}

#[test]
fn workflow_without_push_only_builds() {
    let scene = Scene::new("");
    let (mut github, releases) = (scene.github(), Releases::start());
    github.event = "pull_request";
    let with =
        json!({ "registry": scene.registry.host(), "push": false, "version": VERSION, "releases": releases.url() });
    let outputs = github.call(&with, &json!({}));
    assert_eq!(outputs["image"], Value::Null);
    for platform in ["linux/amd64", "linux/arm64"] {
        assert!(github.log.contains(&format!("cargo oci build --locked --platform {platform}")), "{}", github.log);
    }
    assert!(github.log.contains("oci:target/oci/hello@sha256:"), "{}", github.log);
    assert_eq!(scene.registry.requests(), []);
}

#[test]
fn workflow_that_cannot_sign_says_so() {
    let scene = Scene::new("");
    let mut github = scene.github();
    let script = format!("bash {}/.github/action/push.sh", env!("CARGO_MANIFEST_DIR"));
    let env = json!({ "ARGS": "", "TAGS": "", "PLATFORM": "linux/amd64", "PART": "parts/0.json", "SIGN": "true", "SIGNING_CONFIG": "" });
    let steps = json!([{ "uses": "actions/checkout@v6" }, { "run": script, "env": env }]);
    let workflow = json!({ "jobs": { "job": { "runs-on": "ubuntu-latest", "steps": steps } } });
    let log = github.failing(&workflow.to_string());
    assert!(log.contains("the image cannot be signed: the job has no identity. Help: add `id-token: write`"), "{log}");
}

#[test]
fn component_makes_image_of_one_machine() {
    let scene = Scene::new("");
    let mut gitlab = scene.gitlab();
    let text = include("{ source: 'https://git.example.org/acme/cargo-oci', tags: 'latest,{git.short}' }");
    assert_eq!(gitlab.run(&text), ["image-platform", "image-index"]);
    let image = scene.whole_image("latest");
    assert_eq!(gitlab.dotenv["IMAGE"], image);
    assert_eq!(format!("{}@{}", scene.registry.reference("acme/hello"), gitlab.dotenv["DIGEST"]), image);
    assert_eq!(scene.tagged(&scene.sha[..7]), scene.tagged("latest"));
    assert_eq!(scene.tagged("latest"), Some(scene.built_here()), "one machine makes another image");
    let installs = gitlab.place.installs();
    let install = "install --locked --git https://git.example.org/acme/cargo-oci --features  cargo-oci";
    assert!(installs.iter().all(|args| args == install), "{installs:?}");
    // A tag of git is a reason to push, too; a branch is none.
    let feature = [("CI_COMMIT_BRANCH", "fix"), ("CI_COMMIT_REF_NAME", "fix"), ("CI_PIPELINE_SOURCE", "push")];
    gitlab.event = feature.to_vec();
    assert_eq!(gitlab.run(&text), [""; 0]);
    gitlab.event = vec![("CI_COMMIT_TAG", "v1"), ("CI_COMMIT_REF_NAME", "v1"), ("CI_PIPELINE_SOURCE", "push")];
    let tags = include("{ source: 'https://git.example.org/acme/cargo-oci', tags: '{git.tag?},{git.short}' }");
    assert_eq!(gitlab.run(&tags), ["image-platform", "image-index"]);
    assert_eq!(scene.tagged("v1"), scene.tagged("latest"));
}

#[test]
fn component_only_builds_for_merge_requests() {
    let scene = Scene::new("");
    let (mut gitlab, releases) = (scene.gitlab(), Releases::start());
    gitlab.event = vec![("CI_PIPELINE_SOURCE", "merge_request_event"), ("CI_COMMIT_REF_NAME", "fix")];
    let inputs = format!(
        "{{ source: 'https://git.example.org/x', version: '{VERSION}', releases: '{}', name: container }}",
        releases.url()
    );
    assert_eq!(gitlab.run(&include(&inputs)), ["container-platform"]);
    assert!(gitlab.log.contains("oci:target/oci/hello@sha256:") && gitlab.log.contains("tar.gz: OK"), "{}", gitlab.log);
    assert_eq!(scene.registry.requests(), []);
}

fn include(inputs: &str) -> String {
    format!("include:\n  - component: $CI_SERVER_FQDN/acme/cargo-oci/build@{COMMIT}\n    inputs: {inputs}\n")
}

#[test]
fn workflow_makes_every_image_of_workspace() {
    let member = |name: &str| format!("[package]\nname = \"{name}\"\nversion = \"0.1.0\"\nedition = \"2024\"\n");
    let scene = Scene::new("");
    let project = scene
        .project
        .append("Cargo.toml", "\n[workspace]\nmembers = [\"two\"]\n")
        .file("two/Cargo.toml", &member("two"))
        .file("two/src/main.rs", "fn main() {}\n");
    crate::support::process::output(project.oci(&[]).command("cargo").args([
        "generate-lockfile",
        "--offline",
        "--quiet",
    ]));
    let sha = commit(&project, "two");
    let scene = Scene { project, sha, ..scene };
    let mut github = scene.github();
    let repository = scene.registry.reference("acme/{name}");
    let with = json!({ "registry": scene.registry.host(), "args": "--locked --workspace", "repository": repository });
    let outputs = github.call(&with, &json!({}));
    let images: Vec<_> = outputs["image"].as_str().expect("images").lines().collect();
    assert_eq!(images.len(), 2, "{images:?}");
    for name in ["hello", "two"] {
        let begin = scene.registry.reference(&format!("acme/{name}@sha256:"));
        assert!(images.iter().any(|image| image.starts_with(&begin)), "{images:?}");
        assert!(scene.registry.manifest(&format!("acme/{name}"), "latest").is_some());
    }
    assert_eq!(USER.0, "octocat");
}

#[test]
fn workflow_signs_by_its_identity() {
    use std::time::Duration;

    use crate::support::cosign::Cosign;
    use crate::support::sigstore::{IDENTITY, ISSUER, Sigstore, token};

    let scene = Scene::new("");
    let (cosign, sigstore) = (Cosign::new(&scene.project.path(".git")), Sigstore::start());
    sigstore.describe(&scene.project.path(".git"));
    let config = std::fs::read_to_string(scene.project.path(".git/keyless.json")).expect("a file");
    let project = scene.project.file("keyless.json", &config);
    let sha = commit(&project, "keyless");
    let scene = Scene { project, sha, ..scene };
    let mut github = scene.github();
    github.variables.push(("SIGSTORE_ID_TOKEN".to_owned(), token(Duration::from_secs(600))));
    let with = json!({ "registry": scene.registry.host(), "sign": true, "signing-config": "keyless.json" });
    let outputs = github.call(&with, &json!({}));
    let image = scene.whole_image("latest");
    // The command that the workflow gives, with the identity of the stand-in, and its roots.
    let command = outputs["cosign"].as_str().expect("a command");
    let identity = format!("https://github.com/acme/cargo-oci/.github/workflows/build.yml@{COMMIT}");
    let expected = format!(
        "cosign verify {image} --certificate-identity {identity} --certificate-oidc-issuer https://token.actions.githubusercontent.com"
    );
    assert_eq!(command, expected);
    let of_repositories = "--repo Acme/Hello --signer-repo acme/cargo-oci";
    let gh = format!("gh attestation verify oci://{image} {of_repositories} --bundle-from-oci");
    assert_eq!(outputs["gh"].as_str(), Some(&*gh));
    let who = ["--certificate-identity", IDENTITY, "--certificate-oidc-issuer", ISSUER];
    let roots = ["--trusted-root", "root.json", "--insecure-ignore-tlog=false"];
    let login = ["--registry-username", USER.0, "--registry-password", USER.1];
    for check in [
        &["verify"][..],
        &["verify-attestation", "--type", "slsaprovenance1"],
        &["verify-attestation", "--type", "cyclonedx"],
    ] {
        let ran = cosign.verifies(&[check, &who, &roots, &login, &[&image]].concat());
        assert_eq!(ran.status, 0, "{}{}", ran.stdout, ran.stderr);
    }
}
