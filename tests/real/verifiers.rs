//! Programs that verify what is signed in the format of cosign 2: cosign itself, Podman and Skopeo. And what buildx and engines make
//! of attestations in the index.

use std::fs;

use serde_json::{Value, json};

use crate::support::base::{BaseImage, WrittenBase};
use crate::support::cosign::{Cosign, PASSWORD, buildx};
use crate::support::engine::{Docker, DockerOptions, Store};
use crate::support::process::Ran;
use crate::support::project::{Call, Project};
use crate::support::registry::DockerRegistry;
use crate::support::trust::TrustingHome;

/// A folder with keys of cosign's and of our own, and an image in a registry.
struct Scene {
    project: Project,
    cosign: Cosign,
    registry: DockerRegistry,
    base: WrittenBase,
}

impl Scene {
    fn new() -> Scene {
        let project = Project::empty("x");
        let base = BaseImage::new().write(&project.path("base"));
        let registry = DockerRegistry::start();
        base.push_to(&registry, "static", "nonroot");
        let scene = Scene { cosign: Cosign::new(project.root()), project, registry, base };
        scene.oci(&["generate-key", "--output", "own"]).succeeds();
        scene
    }

    fn oci(&self, args: &[&str]) -> Call {
        self.project.oci(args).env("COSIGN_PASSWORD", PASSWORD)
    }

    fn image(&self) -> String {
        self.registry.reference("static:nonroot")
    }

    fn sign(&self, key: &str, more: &[&str]) -> Ran {
        let args = ["sign", &self.image(), "--key", key, "--signature-format", "legacy"];
        self.oci(&[&args[..], more].concat()).succeeds()
    }

    /// The layers under a tag of the index.
    fn layers(&self, ending: &str) -> usize {
        let tag = format!("{}.{ending}", self.base.digest.replace(':', "-"));
        let (_, manifest) = self.registry.manifest("static", &tag).expect("a manifest");
        let manifest: Value = serde_json::from_slice(&manifest).expect("JSON");
        manifest["layers"].as_array().expect("layers").len()
    }
}

#[track_caller]
fn succeeds(ran: &Ran) {
    assert_eq!(ran.status, 0, "{}{}", ran.stdout, ran.stderr);
}

#[test]
fn cosign_2_format_verifies_our_signatures() {
    let scene = Scene::new();
    let sbom = json!({ "bomFormat": "CycloneDX", "specVersion": "1.6" });
    let spdx = json!({ "spdxVersion": "SPDX-2.3", "SPDXID": "SPDXRef-DOCUMENT", "name": "x" });
    for (name, document) in [("sbom.json", sbom), ("spdx.json", spdx), ("provenance.json", json!({ "a": 1 }))] {
        fs::write(scene.project.path(name), document.to_string()).expect("a file");
    }
    let said = ["cyclonedx=sbom.json", "spdx=spdx.json", "provenance=provenance.json", "vex=provenance.json"];
    let said: Vec<_> = said.iter().flat_map(|said| ["--attest", said]).collect();
    for key in ["own", "cosign"] {
        scene.sign(&format!("{key}.key"), &said);
        scene.sign(&format!("{key}.key"), &said);
    }
    assert_eq!((scene.layers("sig"), scene.layers("att")), (2, 8), "nothing is there twice");
    let digests = scene.base.platforms.iter().map(|platform| &platform.manifest).chain([&scene.base.digest]);
    let names: Vec<_> = digests.map(|digest| scene.registry.reference(&format!("static@{digest}"))).collect();
    for key in ["own.pub", "cosign.pub"] {
        for name in &names {
            succeeds(&scene.cosign.verifies_as_before(&["verify", "--key", key, name]));
        }
        for kind in ["cyclonedx", "spdxjson", "slsaprovenance1", "openvex"] {
            let args = ["verify-attestation", "--key", key, "--type", kind, &scene.image()];
            succeeds(&scene.cosign.verifies_as_before(&args));
        }
    }
    for key in ["own.pub", "cosign.pub"] {
        let required = ["--require", "sbom", "--require", "provenance", "--require", "vex"];
        scene.oci(&[&["verify", &scene.image(), "--key", key], &required[..]].concat()).succeeds();
    }
    scene.oci(&["generate-key", "--output", "other"]).succeeds();
    scene.oci(&["verify", &scene.image(), "--key", "other.pub"]).fails(1);
    for args in [&["verify"][..], &["verify-attestation", "--type", "slsaprovenance1"]] {
        let image = scene.image();
        let args = [args, &["--key", "other.pub", &image]].concat();
        assert_ne!(scene.cosign.verifies_as_before(&args).status, 0);
    }
}

#[test]
fn what_cosign_2_format_signs_is_read() {
    let scene = Scene::new();
    fs::write(scene.project.path("provenance.json"), "{}").expect("a file");
    let pinned = scene.registry.reference(&format!("static@{}", scene.base.digest));
    scene.cosign.signs_as_before(&["sign", "--recursive", "--key", "cosign.key", &pinned]);
    let attest = ["attest", "--key", "cosign.key", "--type", "slsaprovenance1", "--predicate", "provenance.json"];
    scene.cosign.signs_as_before(&[&attest[..], &[&pinned]].concat());
    // What the same key has signed is not signed again: its signatures were verified.
    let provenance = ["--attest", "provenance=provenance.json"];
    let words = scene.sign("cosign.key", &provenance).stderr;
    assert!(words.contains("is already signed") && !words.contains(" Signed "), "{words}");
    assert_eq!((scene.layers("sig"), scene.layers("att")), (1, 1));
    let verify = ["verify", &scene.image(), "--key", "cosign.pub", "--require", "provenance"];
    scene.oci(&verify).succeeds();
    // Those of another key come beside them, and both verify.
    scene.sign("own.key", &provenance);
    assert_eq!((scene.layers("sig"), scene.layers("att")), (2, 2));
    for key in ["own.pub", "cosign.pub"] {
        succeeds(&scene.cosign.verifies_as_before(&["verify", "--key", key, &scene.image()]));
    }
}

#[test]
fn podman_and_skopeo_take_only_what_is_signed() {
    let scene = Scene::new();
    scene.oci(&["generate-key", "--output", "other"]).succeeds();
    scene.base.push_to(&scene.registry, "unsigned", "nonroot");
    scene.sign("own.key", &[]);
    let unsigned = scene.registry.reference("unsigned:nonroot");
    let home = |key: &str| TrustingHome::new(scene.registry.host(), &scene.project.path(key));
    let (own, other) = (home("own.pub"), home("other.pub"));
    succeeds(&own.skopeo_copy(&scene.image(), "copied"));
    succeeds(&own.podman_pull(&scene.image()));
    for ran in [own.skopeo_copy(&unsigned, "unsigned"), own.podman_pull(&unsigned)] {
        assert!(ran.status != 0 && ran.stderr.contains("A signature was required, but no signature exists"), "{ran:?}");
    }
    for ran in [other.skopeo_copy(&scene.image(), "copied"), other.podman_pull(&scene.image())] {
        assert!(ran.status != 0 && ran.stderr.contains("cryptographic signature verification failed"), "{ran:?}");
    }
}

#[test]
fn buildx_reads_attestations_that_engines_ignore() {
    let scene = Scene::new();
    let project = Project::with_table("attestations = \"index\"\nsignature-format = \"legacy\"");
    let repository = scene.registry.reference("acme/x");
    let key = scene.project.path("own.key").display().to_string();
    let push = project.push(&["--repository", &repository, "--sign", "--key", &key]);
    push.env("COSIGN_PASSWORD", PASSWORD).succeeds();
    let image = scene.registry.reference("acme/x:latest");
    let inspected = |part: &str| {
        let format = format!("{{{{json .{part}}}}}");
        let text = buildx(project.root(), &["imagetools", "inspect", &image, "--format", &format]);
        serde_json::from_str::<Value>(&text).expect("JSON")
    };
    let (sboms, provenances) = (inspected("SBOM"), inspected("Provenance"));
    for platform in ["linux/amd64", "linux/arm64"] {
        let of = |found: &Value| {
            let all = found.as_object().expect("an object").clone();
            let found = all.into_iter().find(|(key, _)| key.starts_with(platform));
            found.expect("an attestation").1
        };
        assert_eq!(of(&sboms)["SPDX"]["spdxVersion"], "SPDX-2.3", "{sboms}");
        let built = &of(&provenances)["SLSA"]["buildDefinition"];
        assert_eq!(built["buildType"], "urn:cargo-oci:build:1", "{provenances}");
    }
    let trusting = TrustingHome::new(scene.registry.host(), &scene.project.path("own.pub"));
    succeeds(&trusting.podman_pull(&image));
    succeeds(&trusting.skopeo_copy(&image, "copied"));
    let archive = project.path("x.tar").display().to_string();
    project.build(&["-o", &format!("oci-archive={archive}")]).succeeds();
    for store in [Store::Classic, Store::Containerd] {
        let engine = Docker::start_with(DockerOptions { store, ..DockerOptions::default() });
        succeeds(&engine.docker(&["pull", &image]));
        let ran = engine.docker(&["run", "--rm", &image]);
        assert_eq!((ran.status, ran.stdout.as_str()), (0, "Hello\n"), "{}", ran.stderr);
        if store == Store::Containerd {
            succeeds(&engine.docker(&["load", "--input", &archive]));
        }
        let mut load = project.oci(&["load", "--base", "embedded", "--engine", "docker"]);
        for (name, value) in engine.env() {
            load = load.env(&name, value);
        }
        load.succeeds();
    }
}
