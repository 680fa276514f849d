//! Signatures as cosign 2 keeps them: `--signature-format legacy` and `both`, in registries and layouts.

use std::fs;
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

use crate::snapshots::{AMD64, elf};
use crate::support::base::{BaseImage, WrittenBase};
use crate::support::digest;
use crate::support::process::succeed_at_once;
use crate::support::project::{Call, Project};
use crate::support::strict::referrers::Etags;
use crate::support::strict::{Behaviour, StrictRegistry};

const SIMPLE_SIGNING: &str = "application/vnd.dev.cosign.simplesigning.v1+json";
const ENVELOPE: &str = "application/vnd.dsse.envelope.v1+json";
const SIGNATURE: &str = "dev.cosignproject.cosign/signature";

/// A folder with keys, and an image in a registry.
struct Scene {
    project: Project,
    registry: StrictRegistry,
    base: WrittenBase,
}

impl Scene {
    fn new(behaviour: Behaviour) -> Scene {
        let project = Project::empty("x");
        let base = BaseImage::new().write(&project.path("base"));
        let registry = StrictRegistry::start(behaviour);
        registry.put_layout(&project.path("base"), "static", "nonroot");
        let scene = Scene { project, registry, base };
        for key in ["one", "two"] {
            scene.oci(&["generate-key", "--output", key]).succeeds();
        }
        scene
    }

    fn oci(&self, args: &[&str]) -> Call {
        self.project.oci(args).env("COSIGN_PASSWORD", "sesame")
    }

    fn image(&self) -> String {
        self.registry.reference("static:nonroot")
    }

    fn sign(&self, key: &str, format: &str) -> Call {
        self.oci(&["sign", &self.image(), "--key", key, "--signature-format", format])
    }

    /// How many bundles are attached to the index.
    fn bundles(&self) -> usize {
        let found = self.oci(&["referrers", "--json", &self.image()]).succeeds().stdout;
        let found: Value = serde_json::from_str(&found).expect("JSON");
        let attached = found["subjects"][0]["attached"].as_array().expect("a list");
        attached.iter().filter(|one| one["artifactType"].as_str().is_some_and(|kind| kind.contains("bundle"))).count()
    }
}

/// The layers under the tag that ends with `ending`, each with its content.
fn layers(registry: &StrictRegistry, repository: &str, subject: &str, ending: &str) -> Vec<(Value, Value)> {
    let Some(manifest) = registry.tag(repository, &format!("{}.{ending}", subject.replace(':', "-"))) else {
        return Vec::new();
    };
    let stored = registry.repository(repository);
    let manifest: Value = serde_json::from_slice(&stored.manifests[&manifest].bytes).expect("JSON");
    let config = manifest["config"]["digest"].as_str().expect("a digest");
    let config: Value = serde_json::from_slice(&stored.blobs[config]).expect("JSON");
    let layers = manifest["layers"].as_array().expect("layers").clone();
    let digests: Vec<_> = layers.iter().map(|layer| layer["digest"].clone()).collect();
    assert_eq!(config["rootfs"]["diff_ids"], json!(digests));
    let content = |layer: &Value| serde_json::from_slice(&stored.blobs[layer["digest"].as_str().expect("a digest")]);
    layers.iter().map(|layer| (layer.clone(), content(layer).expect("JSON"))).collect()
}

#[test]
fn signature_format_legacy_writes_tags_of_cosign_2() {
    let scene = Scene::new(Behaviour::default());
    fs::write(scene.project.path("x.cdx.json"), r#"{"bomFormat":"CycloneDX","specVersion":"1.6"}"#).expect("a file");
    scene.oci(&["attach", &scene.image(), "x.cdx.json"]).succeeds();
    for key in ["one.key", "two.key"] {
        assert!(scene.sign(key, "legacy").succeeds().stderr.contains("Signed"));
        // What the key has signed is not signed again.
        let again = scene.sign(key, "legacy").succeeds().stderr;
        assert!(again.contains("is already signed") && !again.contains("Signed "), "{again}");
    }
    assert_eq!(scene.bundles(), 0);
    let repository = scene.registry.reference("static");
    let subjects = scene.base.platforms.iter().map(|platform| &platform.manifest).chain([&scene.base.digest]);
    for subject in subjects {
        let signatures = layers(&scene.registry, "static", subject, "sig");
        assert_eq!(signatures.len(), 2);
        for (layer, payload) in &signatures {
            assert_eq!(layer["mediaType"], SIMPLE_SIGNING);
            let signature = layer["annotations"][SIGNATURE].as_str().expect("a signature");
            assert!(BASE64_STANDARD.decode(signature).is_ok_and(|signature| signature[0] == 0x30));
            assert_eq!(payload["critical"]["image"]["docker-manifest-digest"], json!(subject));
            assert_eq!(payload["critical"]["identity"]["docker-reference"], json!(repository));
        }
        assert_ne!(signatures[0].0["annotations"], signatures[1].0["annotations"]);
        let attestations = layers(&scene.registry, "static", subject, "att");
        assert_eq!(attestations.len(), if *subject == scene.base.digest { 2 } else { 0 });
        for (layer, envelope) in attestations {
            assert_eq!(layer["mediaType"], ENVELOPE);
            assert_eq!(layer["annotations"]["predicateType"], "https://cyclonedx.org/bom");
            assert_eq!(envelope["payloadType"], "application/vnd.in-toto+json");
        }
    }
    assert_eq!(scene.registry.violations(), Vec::<String>::new());
}

#[test]
fn signature_format_both_writes_tags_and_bundles() {
    let scene = Scene::new(Behaviour::default());
    scene.sign("one.key", "both").succeeds();
    let index = &scene.base.digest;
    assert_eq!((scene.bundles(), layers(&scene.registry, "static", index, "sig").len()), (1, 1));
    scene.oci(&["verify", &scene.image(), "--key", "one.pub"]).succeeds();
    // Tags follow a copy, and a signature in another repository names that.
    let there = scene.registry.reference("other:1");
    scene.oci(&["copy", &scene.image(), &there]).succeeds();
    assert_eq!(layers(&scene.registry, "other", index, "sig").len(), 1);
    scene.oci(&["sign", &there, "--key", "one.key", "--signature-format", "both"]).succeeds();
    let named = layers(&scene.registry, "other", index, "sig");
    let named: Vec<_> = named.iter().map(|(_, payload)| &payload["critical"]["identity"]["docker-reference"]).collect();
    assert_eq!(named, [&json!(scene.registry.reference("static")), &json!(scene.registry.reference("other"))]);
}

#[test]
fn signature_format_legacy_at_once_loses_nothing() {
    for etags in [Etags::None, Etags::Ignored, Etags::Kept, Etags::Refused] {
        let latency = Duration::from_millis(10);
        let scene = Scene::new(Behaviour { etags, latency, is_shared: true, ..Behaviour::default() });
        succeed_at_once(["one.key", "two.key"].into_iter().map(|key| scene.sign(key, "legacy").direct()));
        let found = layers(&scene.registry, "static", &scene.base.digest, "sig").len();
        assert_eq!(found, 2, "{etags:?}\n{}", scene.registry.log());
    }
}

#[test]
fn layouts_have_no_place_for_legacy_signatures() {
    let scene = Scene::new(Behaviour::default());
    let sign = |format: &str| scene.oci(&["sign", "base", "--key", "one.key", "--signature-format", format]);
    let words = sign("legacy").fails(1);
    assert!(words.contains("has no place for the tags of cosign 2") && words.contains("help: "), "{words}");
    let words = sign("both").succeeds().stderr;
    assert!(words.contains("it is signed with bundles alone"), "{words}");
    scene.oci(&["verify", "base", "--key", "one.pub"]).succeeds();
    let words = sign("cosign").fails(2);
    assert!(words.contains("expected bundle, legacy or both"), "{words}");
}

#[test]
fn push_signs_with_tags_before_its_tags_move() {
    let project = Project::with_table("signature-format = \"legacy\"");
    fs::write(project.path("program"), elf(AMD64)).expect("a file");
    let registry = StrictRegistry::start(Behaviour::default());
    project.oci(&["generate-key"]).env("COSIGN_PASSWORD", "sesame").succeeds();
    let repository = registry.reference("acme/x");
    let push = |more: &[&str]| {
        let args = ["push", "--base", "embedded", "--platform", "linux/amd64", "--prebuilt", "linux/amd64=program"];
        let key = ["--repository", &repository, "--sign", "--key", "cosign.key"];
        project.oci(&[&args[..], &key, more].concat()).env("COSIGN_PASSWORD", "sesame").succeeds()
    };
    push(&[]);
    let index = digest(&project.path("target/oci/x"));
    assert_eq!(layers(&registry, "acme/x", &index, "sig").len(), 1);
    // SBOM and provenance, which are attached unsigned, too.
    assert_eq!(layers(&registry, "acme/x", &index, "att").len(), 2);
    let log = registry.log();
    let puts: Vec<_> = log.lines().filter(|line| line.contains(" PUT ")).collect();
    let written = |tag: &str| puts.iter().rposition(|line| line.contains(tag)).expect(tag);
    assert!(written(".sig") < written("manifests/latest") && written(".att") < written("manifests/latest"), "{log}");
    // A flag counts more than the table; and what is signed is not signed again.
    push(&["--signature-format", "bundle"]);
    let words = push(&[]).stderr;
    assert!(words.contains("is already signed"), "{words}");
    assert_eq!(layers(&registry, "acme/x", &index, "sig").len(), 1);
    project.oci(&["verify", &registry.reference("acme/x:latest"), "--key", "cosign.pub"]).succeeds();
}
