//! The key `vex`: documents are checked before anything is built, and attached, signed and verified with the image.

use std::fs;

use serde_json::{Value, json};

use crate::snapshots::{AMD64, elf};
use crate::support::process::Ran;
use crate::support::project::{Call, Project};
use crate::support::snapshot::Snapshot;
use crate::support::strict::referrers::Attaching;
use crate::support::strict::{Behaviour, StrictRegistry};

const IN_TOTO: &str = "application/vnd.in-toto+json";
const OPENVEX: &str = "https://openvex.dev/ns";

fn vex(product: &str) -> Value {
    json!({
        "@context": "https://openvex.dev/ns/v0.2.0",
        "@id": "https://example.org/vex/1",
        "author": "Acme",
        "timestamp": "2026-01-02T03:04:05Z",
        "version": 1,
        "statements": [{
            "vulnerability": { "name": "CVE-2026-1" },
            "products": [{ "@id": product, "subcomponents": [{ "@id": "pkg:cargo/time@0.1.0" }] }],
            "status": "not_affected",
            "justification": "vulnerable_code_not_in_execute_path",
        }],
    })
}

/// A package whose program was compiled elsewhere, with a VEX document of its own.
fn project() -> Project {
    let project = Project::new("x");
    fs::write(project.path("program"), elf(AMD64)).expect("a file");
    fs::write(project.path("x.openvex.json"), vex("pkg:oci/x").to_string()).expect("a file");
    project
}

fn call(project: &Project, command: &str, more: &[&str]) -> Call {
    let args = [command, "--base", "embedded", "--platform", "linux/amd64", "--prebuilt", "linux/amd64=program"];
    project.oci(&[&args[..], more].concat()).env("COSIGN_PASSWORD", "sesame")
}

fn statement(project: &Project, image: &str) -> Value {
    let Ran { stdout, .. } = project.oci(&["referrers", image, "--get", "vex"]).succeeds();
    serde_json::from_str(&stdout).expect("JSON")
}

#[test]
fn vex_is_attached_to_index_and_images() {
    let project = project();
    let built = call(&project, "build", &["--vex", "x.openvex.json"]).succeeds();
    assert!(!built.stderr.contains("warning"), "{}", built.stderr);
    let statement = statement(&project, "target/oci/x");
    assert_eq!(statement["predicateType"], OPENVEX);
    assert_eq!(statement["predicate"], vex("pkg:oci/x"));
    assert_eq!(statement["subject"].as_array().map(Vec::len), Some(2));
    let Ran { stdout, .. } = project.oci(&["referrers", "--json", "target/oci/x"]).succeeds();
    let found: Value = serde_json::from_str(&stdout).expect("JSON");
    for subject in found["subjects"].as_array().expect("subjects") {
        let all = subject["attached"].as_array().expect("a list").iter();
        let is_vex =
            |one: &&Value| one["contents"][0]["annotations"]["org.opencontainers.image.title"] == "x.openvex.json";
        let attached: Vec<_> = all.filter(is_vex).collect();
        assert_eq!(attached.len(), 1, "{subject}");
        // Scanners choose by this, and read no other attachment.
        assert_eq!(attached[0]["artifactType"], IN_TOTO);
        assert_eq!(attached[0]["annotations"]["in-toto.io/predicate-type"], OPENVEX);
    }
    let tree = project.oci(&["inspect", "target/oci/x"]).succeeds().stdout;
    assert!(tree.contains("x.openvex.json") && tree.contains(OPENVEX), "{tree}");
    // Provenance is another statement.
    let provenance = project.oci(&["referrers", "target/oci/x", "--get", "provenance"]).succeeds().stdout;
    assert!(provenance.contains("https://slsa.dev/provenance/v1"), "{provenance}");
}

#[test]
fn vex_changes_attachments_but_no_image() {
    let project = project();
    let digest = |more: &[&str]| call(&project, "build", more).succeeds().stdout;
    let without = digest(&[]);
    assert_eq!(digest(&["--vex", "x.openvex.json"]), without);
    let list = || fs::read_to_string(project.layout().join("referrers.json")).expect("a list");
    let first = list();
    // Only what the file says counts, and not how it is written.
    let written = serde_json::to_string_pretty(&vex("pkg:oci/x")).expect("JSON");
    fs::write(project.path("x.openvex.json"), written).expect("a file");
    digest(&["--vex", "x.openvex.json"]);
    assert_eq!(list(), first);
}

#[test]
fn vex_of_a_folder_is_attached_by_name() {
    let table = "[package.metadata.oci]\nvex = \"vex\"\n";
    let project = project().append("Cargo.toml", table);
    fs::create_dir(project.path("vex")).expect("a folder");
    for (name, product) in [("b.openvex.json", "pkg:oci/x"), ("a.openvex.json", "pkg:oci/x?tag=1"), ("README.md", "")] {
        fs::write(project.path("vex").join(name), vex(product).to_string()).expect("a file");
    }
    call(&project, "build", &[]).succeeds();
    let tree = project.oci(&["referrers", "target/oci/x"]).succeeds().stdout;
    assert_eq!(tree.matches("a.openvex.json").count(), 2, "{tree}");
    assert_eq!(tree.matches("b.openvex.json").count(), 2, "{tree}");
    assert!(!tree.contains("README"), "{tree}");
}

#[test]
fn vex_is_signed_and_required() {
    let project = project();
    project.oci(&["generate-key"]).env("COSIGN_PASSWORD", "sesame").succeeds();
    let registry = StrictRegistry::start(Behaviour { attaching: Attaching::Api, ..Behaviour::default() });
    let (repository, image) = (registry.reference("acme/x"), registry.reference("acme/x:latest"));
    let push = |more: &[&str]| {
        let args = ["--repository", &repository, "--sign", "--key", "cosign.key"];
        call(&project, "push", &[&args[..], more].concat()).succeeds().stderr
    };
    let verify = |more: &[&str]| project.oci(&[&["verify", &image, "--key", "cosign.pub"], more].concat());
    push(&[]);
    assert!(!verify(&[]).succeeds().stderr.contains("VEX"), "nobody misses it");
    let words = verify(&["--require", "vex"]).fails(1);
    assert!(words.contains("has signed no VEX document of the image"), "{words}");
    let words = push(&["--vex", "x.openvex.json"]);
    assert!(words.contains("provenance, VEX (OpenVEX)"), "{words}");
    let words = verify(&["--require", "vex", "--require", "sbom"]).succeeds().stderr;
    assert_eq!(words.matches("VEX (OpenVEX)").count(), 2, "{words}");
    // Nothing is signed twice, and the document is still found beside its signature.
    assert!(push(&["--vex", "x.openvex.json"]).contains("is already signed"));
    assert_eq!(statement(&project, &image)["predicate"], vex("pkg:oci/x"));
    // Another document that nobody signed is said, and is no reason to distrust what is signed.
    fs::write(project.path("y.openvex.json"), vex("pkg:oci/x?tag=2").to_string()).expect("a file");
    project.oci(&["attach", &image, "y.openvex.json"]).succeeds();
    let words = verify(&["--require", "vex"]).succeeds().stderr;
    assert!(words.contains("index has another VEX (OpenVEX) that is not signed, and differs from what is"), "{words}");
    project.oci(&["sign", &image, "--key", "cosign.key"]).env("COSIGN_PASSWORD", "sesame").succeeds();
    verify(&["--require", "vex"]).succeeds();
    assert_eq!(registry.violations(), [""; 0], "{}", registry.log());
}

#[test]
fn attach_makes_a_statement_of_vex() {
    let project = project();
    call(&project, "build", &[]).succeeds();
    let attach = |more: &[&str]| project.oci(&[&["attach", "target/oci/x", "x.openvex.json"], more].concat());
    let first = attach(&[]).succeeds();
    assert_eq!(attach(&[]).succeeds().stdout, first.stdout);
    assert_eq!(statement(&project, "target/oci/x")["predicate"], vex("pkg:oci/x"));
    // With a type, the file is attached as it is.
    attach(&["--artifact-type", "application/vnd.acme+json"]).succeeds();
    let got = ["referrers", "target/oci/x", "--get", "application/vnd.acme+json"];
    assert_eq!(project.oci(&got).succeeds().stdout, vex("pkg:oci/x").to_string());
    fs::write(project.path("x.openvex.json"), "{}").expect("a file");
    assert!(attach(&[]).fails(1).contains("is not a valid OpenVEX document"));
}

#[test]
fn vex_is_left_out_where_a_registry_rejects_it() {
    let project = project().append("Cargo.toml", "[package.metadata.oci]\nvex = \"x.openvex.json\"\n");
    let registry = StrictRegistry::start(Behaviour { attaching: Attaching::Refused, ..Behaviour::default() });
    let repository = registry.reference("acme/x");
    let push = |more: &[&str]| call(&project, "push", &[&["--repository", &repository], more].concat());
    let words = push(&["--vex", "x.openvex.json", "--sbom", "false", "--provenance", "false"]).fails(1);
    assert!(words.contains("does not accept attachments of the type"), "{words}");
    let words = push(&[]).succeeds().stderr;
    assert!(words.contains("was pushed without its attachments of the type"), "{words}");
}

#[test]
fn vex_errors_match_snapshot() {
    let mut told = Snapshot::of("vex");
    let project = project();
    let mut error = |what: &str, name: &str, content: &str| {
        fs::write(project.path(name), content).expect("a file");
        let args = ["build", "--base", "embedded", "--platform", "linux/amd64", "--prebuilt", "linux/amd64=program"];
        told.error(what, &project, &[&args[..], &["--vex", name]].concat());
    };
    let changed = |place: &str, value: Value| {
        let mut document = vex("pkg:oci/x");
        *document.pointer_mut(place).expect("a place") = value;
        document.to_string()
    };
    error("VEX that is no JSON", "a.openvex.json", "{\n  \"@context\": }");
    error("VEX that is CycloneDX", "b.cdx.json", r#"{"bomFormat":"CycloneDX"}"#);
    error("VEX of an older version", "c.openvex.json", &changed("/@context", json!("https://openvex.dev/ns")));
    error("a status that there is not", "d.openvex.json", &changed("/statements/0/status", json!("not-affected")));
    error("not affected, without a reason", "e.openvex.json", &changed("/statements/0/justification", Value::Null));
    error("affected, without an action", "f.openvex.json", &changed("/statements/0/status", json!("affected")));
    error("a product without a name", "g.openvex.json", &changed("/statements/0/products/0", json!({})));
    error("a time that is none", "h.openvex.json", &changed("/timestamp", json!("today")));
    fs::create_dir(project.path("empty")).expect("a folder");
    for (what, path) in [("a folder without VEX", "empty"), ("VEX that is not there", "none.openvex.json")] {
        let args = ["build", "--base", "embedded", "--platform", "linux/amd64", "--prebuilt", "linux/amd64=program"];
        told.error(what, &project, &[&args[..], &["--vex", path]].concat());
    }
    told.check();
}

#[test]
fn vex_of_another_product_is_told() {
    let project = project();
    for (product, is_told) in [("pkg:oci/y", true), ("pkg:oci/x@sha256%3Aabc", true), ("pkg:oci/X?tag=1", false)] {
        fs::write(project.path("x.openvex.json"), vex(product).to_string()).expect("a file");
        let words = call(&project, "build", &["--vex", "x.openvex.json"]).succeeds().stderr;
        let warning =
            format!("x.openvex.json is about {product}, and not about the image x: scanners know it as pkg:oci/x");
        assert_eq!(words.contains(&warning), is_told, "{words}");
    }
}
