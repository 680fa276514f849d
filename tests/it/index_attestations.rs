//! SBOM and provenance in the index, as BuildKit puts them there: `attestations = "index"`.

use std::fs;

use serde_json::{Value, json};

use crate::snapshots::{AMD64, ARM64, elf};
use crate::support::project::{Call, Project};
use crate::support::strict::{Behaviour, StrictRegistry};
use crate::support::{digest, document, problems};

const SPDX: &str = "https://spdx.dev/Document";
const PROVENANCE: &str = "https://slsa.dev/provenance/v1";

/// A package whose programs were compiled elsewhere, so that nothing is compiled here.
fn project(table: &str) -> Project {
    let project = Project::with_table(table);
    for (name, machine) in [("amd64", AMD64), ("arm64", ARM64)] {
        fs::write(project.path(name), elf(machine)).expect("a file");
    }
    project
}

fn oci(project: &Project, args: &[&str], more: &[&str]) -> Call {
    let built = ["--base", "embedded", "--prebuilt", "linux/amd64=amd64", "--prebuilt", "linux/arm64=arm64"];
    project.oci(&[args, &built, more].concat()).env("COSIGN_PASSWORD", "sesame")
}

fn entries(project: &Project) -> Vec<Value> {
    let layout = project.path("target/oci/x");
    document(&layout, &digest(&layout))["manifests"].as_array().expect("entries").clone()
}

/// How many artifacts are attached to the index and to each image.
fn attached(project: &Project, image: &str) -> Vec<usize> {
    let found = project.oci(&["referrers", "--json", image]).succeeds().stdout;
    let found: Value = serde_json::from_str(&found).expect("JSON");
    let subjects = found["subjects"].as_array().expect("subjects");
    subjects.iter().map(|subject| subject["attached"].as_array().expect("a list").len()).collect()
}

#[test]
fn attestations_in_index_are_as_buildkit_writes_them() {
    let project = project("attestations = \"index\"");
    oci(&project, &["build"], &[]).succeeds();
    let layout = project.path("target/oci/x");
    assert_eq!(problems(&layout), []);
    let entries = entries(&project);
    let [amd64, arm64, attestations @ ..] = &entries[..] else { panic!("{entries:?}") };
    assert_eq!(attestations.len(), 2);
    for image in [amd64, arm64] {
        let is_about = |entry: &&Value| entry["annotations"]["vnd.docker.reference.digest"] == image["digest"];
        let entry = attestations.iter().find(is_about).expect("an attestation");
        assert_eq!(entry["platform"], json!({ "os": "unknown", "architecture": "unknown" }));
        assert_eq!(entry["annotations"]["vnd.docker.reference.type"], "attestation-manifest");
        let manifest = document(&layout, entry["digest"].as_str().expect("a digest"));
        let layers = manifest["layers"].as_array().expect("layers");
        for (layer, kind) in layers.iter().zip([SPDX, PROVENANCE]) {
            assert_eq!(layer["mediaType"], "application/vnd.in-toto+json");
            assert_eq!(layer["annotations"]["in-toto.io/predicate-type"], kind);
            let statement = document(&layout, layer["digest"].as_str().expect("a digest"));
            assert_eq!(statement["predicateType"], kind);
            let subjects = statement["subject"].as_array().expect("subjects");
            assert_eq!(subjects.len(), 1, "the index is not there yet");
            let hex = subjects[0]["digest"]["sha256"].as_str().expect("a digest");
            assert_eq!(json!(format!("sha256:{hex}")), image["digest"]);
        }
        assert_eq!(layers.len(), 2);
        let sbom = document(&layout, layers[0]["digest"].as_str().expect("a digest"));
        assert_eq!(sbom["predicate"]["spdxVersion"], "SPDX-2.3");
    }
    assert_eq!(attached(&project, "target/oci/x"), [0, 0, 0]);
    // The same again.
    let before = digest(&layout);
    fs::remove_dir_all(&layout).expect("a folder");
    oci(&project, &["build"], &[]).succeeds();
    assert_eq!(digest(&layout), before);
    let tree = project.oci(&["inspect", "target/oci/x"]).succeeds().stdout;
    assert!(tree.contains("linux/amd64") && tree.contains("linux/arm64") && !tree.contains("unknown/"), "{tree}");
}

#[test]
fn attestations_are_in_index_attached_or_both() {
    let project = project("");
    for (place, in_index, attached_to_each) in [("referrers", 0, 2), ("index", 2, 0), ("both", 2, 2)] {
        oci(&project, &["build"], &["--attestations", place]).succeeds();
        assert_eq!(entries(&project).len(), 2 + in_index, "{place}");
        assert_eq!(attached(&project, "target/oci/x"), [attached_to_each; 3], "{place}");
    }
    let none = ["--attestations", "index", "--sbom", "false", "--provenance", "false"];
    oci(&project, &["build"], &none).succeeds();
    assert_eq!(entries(&project).len(), 2);
    let words = oci(&project, &["build"], &["--attestations", "index", "--platform", "linux/amd64", "--no-index"]);
    assert!(words.fails(1).contains("cannot put attestations into the index of x: it has none"));
    let words = oci(&project, &["build"], &["--attestations", "index", "--sbom-dir", "sboms"]).fails(1);
    assert!(words.contains("--attestations both"), "{words}");
}

#[test]
fn image_with_attested_index_is_pushed_signed_and_copied() {
    let project = project("attestations = \"index\"");
    project.oci(&["generate-key"]).env("COSIGN_PASSWORD", "sesame").succeeds();
    let registry = StrictRegistry::start(Behaviour::default());
    let repository = registry.reference("acme/x");
    oci(&project, &["push"], &["--repository", &repository, "--sign", "--key", "cosign.key"]).succeeds();
    let image = registry.reference("acme/x:latest");
    // One signature each, and none of attestations: the signature of the index covers them.
    assert_eq!(attached(&project, &image), [1, 1, 1]);
    let required = ["--require", "sbom", "--require", "provenance"];
    let words = project.oci(&[&["verify", &image, "--key", "cosign.pub"][..], &required].concat()).succeeds().stderr;
    assert!(words.contains(": signature, SBOM (SPDX), provenance") && !words.contains("warning"), "{words}");
    project.oci(&["validate", &image]).succeeds();
    let there = registry.reference("other/x:latest");
    project.oci(&["copy", &image, &there]).succeeds();
    project.oci(&["validate", &there]).succeeds();
    project.oci(&["verify", &there, "--key", "cosign.pub"]).succeeds();
    assert_eq!(project.oci(&["diff", &image, &there]).succeeds().stdout, "");
    let shown = project.oci(&["inspect", "--json", &there]).succeeds().stdout;
    let shown: Value = serde_json::from_str(&shown).expect("JSON");
    let manifests = shown["images"][0]["manifests"].as_array().expect("manifests");
    assert_eq!(manifests.len(), 2);
    for manifest in manifests {
        // The signature, and what the index has about it.
        assert_eq!(manifest["attached"].as_array().map(Vec::len), Some(2), "{manifest}");
    }
    // A push of the finished layout sends the same.
    let finished = registry.reference("finished/x:latest");
    project.oci(&["push", &finished, "--from", "target/oci/x"]).succeeds();
    assert_eq!(project.oci(&["diff", &image, &finished]).succeeds().stdout, "");
    project.oci(&["validate", &finished]).succeeds();
    // Of one platform, what is said of it comes along only with the index.
    let one = registry.reference("one/x:latest");
    project.oci(&["copy", &image, &one, "--platform", "linux/arm64"]).succeeds();
    project.oci(&["validate", &one]).succeeds();
    assert_eq!(registry.violations(), Vec::<String>::new());
}

#[test]
fn index_of_parts_keeps_their_attestations() {
    let project = project("attestations = \"index\"");
    let registry = StrictRegistry::start(Behaviour::default());
    let repository = registry.reference("acme/x");
    for platform in ["amd64", "arm64"] {
        let part = format!("{platform}.json");
        let (chosen, program) = (format!("linux/{platform}"), format!("linux/{platform}={platform}"));
        let args = ["push", "--base", "embedded", "--platform", &chosen, "--prebuilt", &program, "--by-digest"];
        project.oci(&[&args[..], &["--repository", &repository, "--metadata-file", &part]].concat()).succeeds();
    }
    let made = registry.reference("acme/x:1");
    project.oci(&["index", &made, "amd64.json", "arm64.json"]).succeeds();
    let parts = project.oci(&["inspect", "--json", &made]).succeeds().stdout;
    let parts: Value = serde_json::from_str(&parts).expect("JSON");
    let manifests = parts["images"][0]["manifests"].as_array().expect("manifests");
    let attached: Vec<_> = manifests.iter().map(|one| one["attached"].as_array().map_or(0, Vec::len)).collect();
    assert_eq!(attached, [1, 1], "{parts}");
    project.oci(&["validate", &made]).succeeds();
}
