//! Bases as other tools leave them in registries and archives, and the credentials that reading them takes.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use sha2::{Digest, Sha512};

use crate::snapshots::{AMD64, elf};
use crate::support::base::BaseImage;
use crate::support::project::{Call, Project};
use crate::support::strict::tokens::{Access, PASSWORD, USER};
use crate::support::strict::{Behaviour, StrictRegistry};

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";

/// Writes a blob named by its SHA-512. Returns its descriptor.
fn blob(layout: &Path, media_type: &str, content: &[u8]) -> Value {
    let hex: String = Sha512::digest(content).iter().map(|byte| format!("{byte:02x}")).collect();
    fs::create_dir_all(layout.join("blobs/sha512")).expect("a folder");
    fs::write(layout.join("blobs/sha512").join(&hex), content).expect("a blob");
    json!({ "mediaType": media_type, "digest": format!("sha512:{hex}"), "size": content.len() })
}

/// Writes a layout of an image without layers for linux/amd64, whose config is `config`; the index has `more` before it.
fn layout(folder: &Path, config: &str, layers: &[Value], more: &[Value]) {
    let config = blob(folder, "application/vnd.oci.image.config.v1+json", config.as_bytes());
    let manifest = json!({ "schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": layers });
    let mut image = blob(folder, MANIFEST, manifest.to_string().as_bytes());
    image["platform"] = json!({ "os": "linux", "architecture": "amd64" });
    let entries = [more, &[image]].concat();
    let index = json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": entries });
    let index = blob(folder, INDEX, index.to_string().as_bytes());
    fs::write(folder.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).expect("a file");
    let index = json!({ "schemaVersion": 2, "manifests": [index] });
    fs::write(folder.join("index.json"), index.to_string()).expect("a file");
}

fn project() -> Project {
    let project = Project::new("x");
    fs::write(project.path("program"), elf(AMD64)).expect("a file");
    project
}

const PREBUILT: [&str; 4] = ["--platform", "linux/amd64", "--prebuilt", "linux/amd64=program"];

/// Builds on a layout. Returns stderr.
fn built(project: &Project, args: &[&str]) -> String {
    let ran = Call::ran(&mut project.oci(&[&["build", "--base", "oci:base"], &PREBUILT[..], args].concat()).direct());
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    ran.stderr
}

#[test]
fn config_of_base_keeps_digits_and_history() {
    let project = project();
    let config = r#"{"os": "linux", "architecture": "arm64", "n": [123456789012345678901234567890, 1e400, 0.10],
        "rootfs": {"type": "layers", "diff_ids": []}, "history": [{"created_by": "a"}, {"created_by": "b"}]}"#;
    let artifact = json!({ "mediaType": MANIFEST, "digest": format!("sha256:{}", "a".repeat(64)), "size": 1,
        "artifactType": "application/vnd.example", "platform": { "os": "linux", "architecture": "amd64" } });
    layout(&project.path("base"), config, &[], &[artifact]);
    let stderr = built(&project, &[]);
    let warning = "warning: the base oci:base lists an image for linux/amd64, whose config says linux/arm64: used as \
         linux/amd64";
    assert!(stderr.contains(warning), "{stderr}");
    let layout = project.layout();
    let index = crate::support::document(&layout, &crate::support::digest(&layout));
    let manifest = crate::support::document(&layout, index["manifests"][0]["digest"].as_str().expect("a digest"));
    let digest = manifest["config"]["digest"].as_str().expect("a digest");
    let text = fs::read_to_string(crate::support::blob(&layout, digest)).expect("text");
    assert!(text.contains("[123456789012345678901234567890,1e400,0.10]"), "{text}");
    let config: Value = serde_json::from_str(&text.replace("1e400", "1")).expect("JSON");
    assert_eq!(config["architecture"], "amd64");
    let empty: Vec<_> =
        config["history"].as_array().expect("a history").iter().map(|step| &step["empty_layer"]).collect();
    assert_eq!(empty, [&json!(true), &json!(true), &json!(null)]);
    assert_eq!(crate::support::problems(&project.layout()), []);
}

#[test]
fn blobs_with_sha512_reach_layouts_and_archives() {
    let project = project();
    let base = project.path("base");
    // An empty tar.
    let layer = blob(&base, "application/vnd.oci.image.layer.v1.tar", &[0; 1024]);
    let config = json!({ "os": "linux", "architecture": "amd64",
        "rootfs": { "type": "layers", "diff_ids": [layer["digest"]] } });
    layout(&base, &config.to_string(), std::slice::from_ref(&layer), &[]);
    built(&project, &["-o", "oci-archive=oci.tar", "-o", "docker-archive=docker.tar", "-o", "oci-dir=dir"]);
    assert_eq!(crate::support::problems(&project.layout()), []);
    for image in ["oci-archive:oci.tar", "oci:dir", "oci:base"] {
        let ran = Call::ran(&mut project.oci(&["validate", image]).direct());
        assert_eq!(ran.status, 0, "{image}: {}", ran.stderr);
    }
    let digest = layer["digest"].as_str().expect("a digest").replace(':', "/");
    for archive in ["oci.tar", "docker.tar"] {
        let mut archive = tar::Archive::new(fs::File::open(project.path(archive)).expect("an archive"));
        let names: Vec<_> = archive
            .entries()
            .expect("a tar")
            .map(|entry| entry.expect("an entry").path().expect("a name").to_string_lossy().into_owned())
            .collect();
        assert!(names.contains(&format!("blobs/{digest}")), "{names:?}");
    }
    let archive = ["build", "--base", "oci-archive:oci.tar"];
    let ran = Call::ran(&mut project.oci(&[&archive[..], &PREBUILT].concat()).direct());
    assert_eq!(ran.status, 0, "{}", ran.stderr);
}

/// A registry that takes a user's password, with a base in it.
fn closed() -> (Project, StrictRegistry) {
    let project = project();
    let registry = StrictRegistry::start(Behaviour { access: Access::Basic, ..Behaviour::default() });
    BaseImage::new().write(&project.path("base"));
    registry.put_layout(&project.path("base"), "static", "1");
    (project, registry)
}

fn push(project: &Project, registry: &StrictRegistry) -> Call {
    let (base, repository) = (registry.reference("static:1"), registry.reference("acme/x"));
    project.oci(&[&["push", "-v", "--base", &base, "--repository", &repository], &PREBUILT[..]].concat())
}

#[test]
fn base_beside_the_target_uses_its_variables() {
    let (project, registry) = closed();
    let call =
        push(&project, &registry).env("CARGO_OCI_REGISTRY_USERNAME", USER).env("CARGO_OCI_REGISTRY_PASSWORD", PASSWORD);
    let ran = Call::ran(&mut call.direct());
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    assert_eq!(registry.violations(), Vec::<String>::new());
    // Nothing is pushed there.
    let base = registry.reference("static:1");
    let call = project.oci(&[&["build", "--base", &base], &PREBUILT[..]].concat());
    let call = call.env("CARGO_OCI_REGISTRY_USERNAME", USER).env("CARGO_OCI_REGISTRY_PASSWORD", PASSWORD);
    let ran = Call::ran(&mut call.direct());
    assert!(ran.status == 1 && ran.stderr.contains("requires credentials"), "{}", ran.stderr);
}

#[test]
fn credentials_of_gitlab_are_used_and_told() {
    let (project, registry) = closed();
    let host = registry.reference("").trim_end_matches('/').to_owned();
    let call = push(&project, &registry)
        .env("GITLAB_CI", "true")
        .env("CI_REGISTRY", &host)
        .env("CI_REGISTRY_USER", USER)
        .env("CI_REGISTRY_PASSWORD", PASSWORD);
    let ran = Call::ran(&mut call.direct());
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    assert!(ran.stderr.contains(&format!(" Credentials for {host}: CI_REGISTRY_PASSWORD\n")), "{}", ran.stderr);
    assert!(!ran.stderr.contains(PASSWORD), "{}", ran.stderr);
}

#[test]
fn broken_helper_warns_where_anybody_may_read() {
    let project = project();
    let registry = StrictRegistry::start(Behaviour::default());
    BaseImage::new().write(&project.path("base"));
    registry.put_layout(&project.path("base"), "static", "1");
    fs::create_dir_all(project.home().join(".docker")).expect("a folder");
    fs::write(project.home().join(".docker/config.json"), r#"{"credsStore": "missing"}"#).expect("a file");
    let base = registry.reference("static:1");
    let ran = Call::ran(&mut project.oci(&[&["build", "--base", &base], &PREBUILT[..]].concat()).direct());
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    let warnings: Vec<_> = ran.stderr.lines().filter(|line| line.starts_with("warning: ")).collect();
    assert_eq!(warnings.len(), 1, "{}", ran.stderr);
    assert!(warnings[0].contains("without credentials: ") && warnings[0].contains("docker-credential-missing"));
    let ran = Call::ran(&mut push(&project, &registry).direct());
    assert!(ran.status == 1 && ran.stderr.contains("docker-credential-missing"), "{}", ran.stderr);
}
