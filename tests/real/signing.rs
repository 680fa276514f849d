//! Signatures and attestations that cosign 3 makes and reads, and what oras, Skopeo, Podman and Docker make of what is
//! attached.

use std::fs;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use cargo_oci::store::ReferrersPlace;
use cargo_oci::store::archive::{ArchiveContents, DockerImage};
use cargo_oci::store::{Layout, Source};
use serde_json::{Value, json};

use crate::support::base::{BaseImage, WrittenBase};
use crate::support::container::skopeo;
use crate::support::cosign::{Cosign, PASSWORD, oras};
use crate::support::document;
use crate::support::engine::{Containerd, Docker, DockerOptions, Podman, Store};
use crate::support::process::{Ran, output, succeed_at_once};
use crate::support::project::{Call, Project};
use crate::support::registry::{DockerRegistry, sha256};
use crate::support::strict::referrers::Attaching;
use crate::support::strict::{Behaviour, StrictRegistry};

const BUNDLE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";

/// A folder with keys of cosign's, and an image in a registry.
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
        Scene { cosign: Cosign::new(project.root()), project, registry, base }
    }

    fn oci(&self, args: &[&str]) -> Call {
        self.project.oci(args).env("COSIGN_PASSWORD", PASSWORD)
    }

    fn image(&self) -> String {
        self.registry.reference("static:nonroot")
    }

    fn pinned(&self) -> String {
        self.registry.reference(&format!("static@{}", self.base.digest))
    }

    /// How many things are attached to index and images.
    fn counts(&self) -> Vec<usize> {
        let found: Value =
            serde_json::from_str(&self.oci(&["referrers", "--json", &self.image()]).succeeds().stdout).expect("JSON");
        let subjects = found["subjects"].as_array().expect("subjects");
        subjects.iter().map(|subject| subject["attached"].as_array().expect("a list").len()).collect()
    }

    /// Puts a bundle there in the place of all that is attached to the index.
    fn replace(&self, bundle: &Value) {
        let content = bundle.to_string();
        let empty = self.registry.put_blob("static", b"{}");
        let blob = self.registry.put_blob("static", content.as_bytes());
        let subject = self.base.blob(&self.base.digest).len();
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "artifactType": BUNDLE,
            "config": { "mediaType": "application/vnd.oci.empty.v1+json", "digest": empty, "size": 2 },
            "layers": [{ "mediaType": BUNDLE, "digest": blob, "size": content.len() }],
            "subject": { "mediaType": INDEX, "digest": self.base.digest, "size": subject },
        })
        .to_string();
        let digest = sha256(manifest.as_bytes());
        self.registry.put_manifest("static", &digest, MANIFEST, manifest.as_bytes());
        let entry = json!({ "mediaType": MANIFEST, "digest": digest, "size": manifest.len(), "artifactType": BUNDLE });
        let list = json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": [entry] }).to_string();
        self.registry.put_manifest("static", &self.base.digest.replace(':', "-"), INDEX, list.as_bytes());
    }

    /// The bundles that are attached to the index, each with its digest.
    fn bundles(&self) -> Vec<(String, Value)> {
        let found: Value =
            serde_json::from_str(&self.oci(&["referrers", "--json", &self.image()]).succeeds().stdout).expect("JSON");
        let attached = found["subjects"][0]["attached"].as_array().expect("a list").clone();
        attached
            .iter()
            .map(|attached| {
                let digest = attached["contents"][0]["digest"].as_str().expect("a digest").to_owned();
                let blob = self.registry.blob("static", &digest).expect("a blob");
                (digest, serde_json::from_slice(&blob).expect("JSON"))
            })
            .collect()
    }
}

#[track_caller]
fn succeeds(ran: &Ran) {
    assert_eq!(ran.status, 0, "{}{}", ran.stdout, ran.stderr);
}

#[test]
fn cosign_verifies_our_signatures() {
    let scene = Scene::new();
    scene.oci(&["generate-key", "--output", "own"]).succeeds();
    fs::write(scene.project.path("sbom.json"), r#"{"bomFormat":"CycloneDX","specVersion":"1.6"}"#).expect("a file");
    let vex = json!({
        "@context": "https://openvex.dev/ns/v0.2.0",
        "@id": "https://example.org/vex/1",
        "author": "Acme",
        "timestamp": "2026-01-02T03:04:05Z",
        "version": 1,
        "statements": [{
            "vulnerability": { "name": "CVE-2026-1" },
            "products": [{ "@id": "pkg:oci/static" }],
            "status": "fixed",
        }],
    });
    fs::write(scene.project.path("x.openvex.json"), vex.to_string()).expect("a file");
    let image = scene.image();
    scene.oci(&["attach", &image, "x.openvex.json"]).succeeds();
    for key in ["own", "cosign"] {
        let (private, public) = (format!("{key}.key"), format!("{key}.pub"));
        for _ in 0..2 {
            let said = ["--attest", "cyclonedx=sbom.json", "--attest", "provenance=sbom.json"];
            scene.oci(&[&["sign", &image, "--key", &private], &said[..]].concat()).succeeds();
        }
        succeeds(&scene.cosign.verifies(&["verify", "--key", &public, &image]));
        for platform in &scene.base.platforms {
            let part = scene.registry.reference(&format!("static@{}", platform.manifest));
            succeeds(&scene.cosign.verifies(&["verify", "--key", &public, &part]));
        }
        for kind in ["cyclonedx", "slsaprovenance1", "openvex"] {
            let verified = scene.cosign.verifies(&["verify-attestation", "--key", &public, "--type", kind, &image]);
            succeeds(&verified);
            assert!(verified.stdout.contains("payload"), "{}", verified.stdout);
        }
        let words = scene.oci(&["verify", &image, "--key", &public, "--require", "vex"]).succeeds().stderr;
        for said in ["signature", "SBOM (CycloneDX)", "provenance", "VEX (OpenVEX)"] {
            assert!(words.contains(said), "{words}");
        }
    }
    assert_eq!(scene.counts(), [9, 2, 2, 2], "nothing is attached twice");
    // The public key of a key that was made here, by cosign.
    let public = output(&mut scene.cosign.command(&["public-key", "--key", "own.key"]));
    assert_eq!(public, fs::read_to_string(scene.project.path("own.pub")).expect("a key"));
}

#[test]
fn verify_accepts_cosign_signatures() {
    let scene = Scene::new();
    scene.oci(&["generate-key", "--output", "own"]).succeeds();
    fs::write(scene.project.path("sbom.json"), r#"{"bomFormat":"CycloneDX","specVersion":"1.6"}"#).expect("a file");
    for key in ["cosign", "own"] {
        let (private, public) = (format!("{key}.key"), format!("{key}.pub"));
        let refused = scene.oci(&["verify", &scene.image(), "--key", &public]).fails(1);
        assert!(refused.contains("is not signed by"), "{refused}");
        scene.cosign.signs(&[
            "attest",
            "--key",
            &private,
            "--type",
            "cyclonedx",
            "--predicate",
            "sbom.json",
            &scene.pinned(),
        ]);
        // What is said of an image is no signature of it.
        scene.oci(&["verify", &scene.image(), "--key", &public]).fails(1);
        scene.cosign.signs(&["sign", "--key", &private, "--recursive", &scene.pinned()]);
        let verified = scene.oci(&["verify", &scene.image(), "--key", &public]).succeeds();
        assert_eq!(verified.stdout, format!("{}\n", scene.pinned()));
        assert!(verified.stderr.contains("SBOM (CycloneDX)"), "{}", verified.stderr);
        // What the same key has signed is not signed again.
        let before = scene.counts();
        let again = ["sign", &scene.image(), "--key", &private, "--attest", "cyclonedx=sbom.json"];
        let words = scene.oci(&again).succeeds().stderr;
        assert!(words.contains("is already signed") && !words.contains(" Signed "), "{words}");
        assert_eq!(scene.counts(), before);
    }
}

#[test]
fn changed_signature_is_rejected_here_and_by_cosign() {
    let scene = Scene::new();
    fs::write(scene.project.path("sbom.json"), r#"{"bomFormat":"CycloneDX","specVersion":"1.6"}"#).expect("a file");
    scene.oci(&["sign", &scene.image(), "--key", "cosign.key", "--attest", "cyclonedx=sbom.json"]).succeeds();
    let both_refuse = |kind: &str| {
        let own = scene.oci(&["verify", &scene.image(), "--key", "cosign.pub"]).run();
        let cosigns = match kind {
            "signature" => scene.cosign.verifies(&["verify", "--key", "cosign.pub", &scene.image()]),
            _ => scene.cosign.verifies(&[
                "verify-attestation",
                "--key",
                "cosign.pub",
                "--type",
                "cyclonedx",
                &scene.image(),
            ]),
        };
        assert!(own.status == 1 && cosigns.status != 0, "{}{}{}", own.stderr, cosigns.stdout, cosigns.stderr);
    };
    let bundles = scene.bundles();
    let flipped = |text: &Value, at: usize| {
        let mut content = BASE64_STANDARD.decode(text.as_str().expect("a text")).expect("base64");
        content[at] ^= 1;
        json!(BASE64_STANDARD.encode(content))
    };
    for (_, bundle) in &bundles {
        let payload =
            BASE64_STANDARD.decode(bundle["dsseEnvelope"]["payload"].as_str().expect("a text")).expect("base64");
        let payload = String::from_utf8(payload).expect("text");
        let kind = if payload.contains("cosign/sign/v1") { "signature" } else { "attestation" };
        scene.replace(bundle);
        if kind == "signature" {
            succeeds(&scene.cosign.verifies(&["verify", "--key", "cosign.pub", &scene.image()]));
            scene.oci(&["verify", &scene.image(), "--key", "cosign.pub"]).succeeds();
        }
        // In the digest of the subject, in the predicate, and in the signature.
        let digest = payload.find(&scene.base.digest[7..]).expect("a subject");
        let predicate = payload.find("\"predicate\"").expect("a predicate") + 12;
        for at in [digest, predicate] {
            let mut changed = bundle.clone();
            changed["dsseEnvelope"]["payload"] = flipped(&bundle["dsseEnvelope"]["payload"], at);
            scene.replace(&changed);
            both_refuse(kind);
        }
        let mut changed = bundle.clone();
        changed["dsseEnvelope"]["signatures"][0]["sig"] = flipped(&bundle["dsseEnvelope"]["signatures"][0]["sig"], 40);
        scene.replace(&changed);
        both_refuse(kind);
    }
    // Where the registry keeps it.
    for (digest, bundle) in &bundles {
        scene.replace(bundle);
        scene.registry.corrupt(&sha256(bundle.to_string().as_bytes()));
        let own = scene.oci(&["verify", &scene.image(), "--key", "cosign.pub"]).fails(1);
        assert!(own.contains("wrong content: expected sha256:"), "{digest}: {own}");
        assert_ne!(scene.cosign.verifies(&["verify", "--key", "cosign.pub", &scene.image()]).status, 0);
    }
}

#[test]
fn oras_lists_attachments_with_and_without_api() {
    let scene = Scene::new();
    fs::write(scene.project.path("report.txt"), "all is well\n").expect("a file");
    let strict = StrictRegistry::start(Behaviour { attaching: Attaching::Api, ..Behaviour::default() });
    let there = strict.reference("static:nonroot");
    strict.put_layout(&scene.base.folder, "static", "nonroot");
    for image in [scene.image(), there] {
        for _ in 0..2 {
            scene.oci(&["sign", &image, "--key", "cosign.key"]).succeeds();
            let attach = ["attach", &image, "report.txt", "--artifact-type", "application/vnd.acme.report.v1"];
            scene.oci(&attach).succeeds();
        }
        let found = oras(scene.project.root(), &["discover", "--plain-http", "--format", "json", &image]);
        let found: Value = serde_json::from_str(&found).expect("JSON");
        let listed = found["referrers"].as_array().or(found["manifests"].as_array()).expect("a list").clone();
        let mut types: Vec<_> = listed.iter().map(|entry| entry["artifactType"].as_str().unwrap_or_default()).collect();
        types.sort_unstable();
        assert_eq!(types, ["application/vnd.acme.report.v1", BUNDLE], "{found}");
        let report = listed.iter().find(|entry| entry["artifactType"] != BUNDLE).expect("a report");
        let repository = image.split(":nonroot").next().expect("a name");
        let name = format!("{repository}@{}", report["digest"].as_str().expect("a digest"));
        oras(scene.project.root(), &["pull", "--plain-http", "--output", "pulled", &name]);
        assert_eq!(fs::read_to_string(scene.project.path("pulled/report.txt")).expect("a file"), "all is well\n");
    }
    // What oras attaches is listed here.
    fs::write(scene.project.path("notes.txt"), "notes\n").expect("a file");
    let attach = ["attach", "--plain-http", "--artifact-type", "text/notes", &scene.image(), "notes.txt:text/plain"];
    oras(scene.project.root(), &attach);
    let tree = scene.oci(&["referrers", &scene.image()]).succeeds().stdout;
    assert!(
        tree.contains("text/notes") && tree.contains(BUNDLE) && tree.contains("application/vnd.acme.report.v1"),
        "{tree}"
    );
}

#[test]
fn attach_at_once_loses_nothing_in_docker_registry() {
    let scene = Scene::new();
    for round in 1..=4 {
        succeed_at_once((0..8).map(|nth| {
            let name = format!("{nth}.txt");
            fs::write(scene.project.path(&name), name.as_bytes()).expect("a file");
            scene.oci(&["attach", &scene.image(), &name, "--artifact-type", &format!("text/{round}")]).direct()
        }));
        assert_eq!(scene.counts(), [8 * round, 0, 0, 0]);
    }
    scene.oci(&["generate-key", "--output", "other"]).succeeds();
    succeed_at_once(
        ["cosign.key", "other.key"].into_iter().map(|key| scene.oci(&["sign", &scene.image(), "--key", key]).direct()),
    );
    assert_eq!(scene.counts(), [34, 2, 2, 2]);
}

#[test]
fn push_signs_once_before_tagging() {
    let scene = Scene::new();
    let project = Project::new("hello");
    // A build script sees neither the key nor its password.
    let script = "fn main() { for name in [\"SIGNING_KEY\", \"COSIGN_PASSWORD\"] { assert!(std::env::var_os(name).is_none()); } }";
    let project = project.file("build.rs", script);
    let key = fs::read_to_string(scene.project.path("cosign.key")).expect("a key");
    let repository = scene.registry.reference("acme/hello");
    let push = || {
        let args = ["--repository", &repository, "--sign", "--key", "env://SIGNING_KEY"];
        project.push(&args).env("SIGNING_KEY", &key).env("COSIGN_PASSWORD", PASSWORD)
    };
    let pushed = push().succeeds();
    let pinned = pushed.stdout.trim();
    let found: Value =
        serde_json::from_str(&scene.oci(&["referrers", "--json", pinned]).succeeds().stdout).expect("JSON");
    let subjects = found["subjects"].as_array().expect("subjects");
    assert_eq!(subjects.len(), 3);
    for subject in subjects {
        let part = scene.registry.reference(&format!("acme/hello@{}", subject["digest"].as_str().expect("a digest")));
        succeeds(&scene.cosign.verifies(&["verify", "--key", "cosign.pub", &part]));
        for kind in ["cyclonedx", "slsaprovenance1"] {
            succeeds(&scene.cosign.verifies(&["verify-attestation", "--key", "cosign.pub", "--type", kind, &part]));
        }
    }
    let tag = "/v2/acme/hello/manifests/latest";
    let requests = scene.registry.requests();
    let tagged = requests.iter().position(|request| request.method == "PUT" && request.path == tag).expect("a tag");
    let signed = requests.iter().rposition(|request| request.method == "PUT" && request.path.contains("/sha256-"));
    assert!(signed.is_some_and(|signed| signed < tagged), "{requests:?}");
    let before = scene.registry.requests().len();
    let again = push().succeeds();
    assert_eq!(again.stdout, pushed.stdout);
    let requests = scene.registry.requests().split_off(before);
    // The tag, three lists, and whether there is an API: whoever asks for a list at the same time asks that too.
    assert!((5..=7).contains(&requests.len()), "{requests:?}");
    assert!(requests.iter().all(|request| matches!(request.method.as_str(), "GET" | "HEAD")), "{requests:?}");
    let tagged = format!("{repository}:latest");
    let required = ["verify", &tagged, "--key", "cosign.pub", "--require", "sbom", "--require", "provenance"];
    let words = scene.oci(&required).succeeds().stderr;
    assert_eq!(words.matches(": signature, SBOM (CycloneDX), provenance").count(), 3, "{words}");
    // A key that cannot be used is told before anything is built.
    let words = push().env("COSIGN_PASSWORD", "other").fails(1);
    assert!(words.contains("wrong password for") && !words.contains("Compiling"), "{words}");
}

#[test]
fn sign_covers_unsigned_attachments() {
    let scene = Scene::new();
    let project = Project::new("hello");
    let repository = scene.registry.reference("acme/hello");
    let pinned = project.push(&["--repository", &repository, "--sbom", "cyclonedx,spdx"]).succeeds().stdout;
    let pinned = pinned.trim();
    let verify = ["verify", pinned, "--key", "cosign.pub", "--require", "provenance"];
    scene.oci(&["sign", pinned, "--key", "cosign.key", "--image-only"]).succeeds();
    let words = scene.oci(&verify).fails(1);
    assert!(words.contains("has signed no provenance of the image"), "{words}");
    for again in [false, true] {
        let words = scene.oci(&["sign", pinned, "--key", "cosign.key"]).succeeds().stderr;
        assert_eq!(words.matches("is already signed").count(), if again { 3 } else { 0 }, "{words}");
        let words = scene.oci(&verify).succeeds().stderr;
        assert!(words.contains("SBOM (SPDX)") && !words.contains("not signed"), "{words}");
    }
    for kind in ["cyclonedx", "spdxjson", "slsaprovenance1"] {
        succeeds(&scene.cosign.verifies(&["verify-attestation", "--key", "cosign.pub", "--type", kind, pinned]));
    }
}

#[test]
fn changed_sbom_does_not_count() {
    let scene = Scene::new();
    let project = Project::new("hello");
    let repository = scene.registry.reference("acme/hello");
    let key = scene.project.path("cosign.key").display().to_string();
    let args = ["--repository", &repository, "--platform", "linux/amd64", "--sign", "--key", &key];
    let pinned = project.push(&args).env("COSIGN_PASSWORD", PASSWORD).succeeds().stdout;
    let pinned = pinned.trim();
    let verify = ["verify", pinned, "--key", "cosign.pub"];
    scene.oci(&verify).succeeds();
    let layout = project.layout();
    let list: Value = serde_json::from_slice(&fs::read(layout.join("referrers.json")).expect("a list")).expect("JSON");
    let entries = list["manifests"].as_array().expect("entries");
    let sbom = entries.iter().find(|entry| entry["artifactType"] == "application/vnd.cyclonedx+json");
    let sbom = sbom.expect("an SBOM")["digest"].as_str().expect("a digest");
    let manifest = document(&layout, sbom);
    scene.registry.corrupt(manifest["layers"][0]["digest"].as_str().expect("a digest"));
    // The signed one is another, which is whole.
    let words = scene.oci(&[&verify[..], &["--require", "sbom"]].concat()).succeeds().stderr;
    assert!(words.contains("which does not count") && words.contains("wrong content: expected sha256:"), "{words}");
}

/// Of what is signed, an image by its name is taken as it was.
#[test]
fn signed_layout_is_read_by_other_tools() {
    let scene = Scene::new();
    let project = Project::new("hello");
    project.build(&["--platform", "host"]).succeeds();
    scene.oci(&["generate-key", "--output", "own"]).succeeds();
    let key = scene.project.path("own.key").display().to_string();
    let layout = project.layout();
    let place = layout.display().to_string();
    scene.oci(&["sign", &place, "--key", &key]).succeeds();
    scene.oci(&["verify", &place, "--key", "own.pub"]).succeeds();
    project.oci(&["validate", &place]).succeeds();

    let (oci, docker) = (project.path("oci.tar"), project.path("docker.tar"));
    let opened = Layout::open(&layout).expect("a layout");
    let root = opened.resolve(Some(&"latest".parse().expect("a tag"))).expect("an image");
    let index: Value =
        serde_json::from_slice(&fs::read(crate::support::blob(&layout, root.digest().as_ref())).expect("an index"))
            .expect("JSON");
    let manifest = serde_json::from_value(index["manifests"][0].clone()).expect("a descriptor");
    let image = DockerImage { manifest: &manifest, names: vec!["hello:latest".to_owned()] };
    let all = ArchiveContents::of_layout(&opened, ReferrersPlace::Beside);
    all.and_then(|all| all.write_file(0, &oci)).expect("writes");
    let with_docker = ArchiveContents::of_image(&opened, &root, &image.names);
    let with_docker = with_docker.and_then(|all| all.with_docker_image(&image));
    with_docker.and_then(|all| all.write_file(0, &docker)).expect("writes");

    let to = |name: &str| format!("dir:{}", project.path(name).display());
    skopeo(&["copy", "--quiet", &format!("oci:{place}:latest"), &to("a")]);
    skopeo(&["copy", "--quiet", &format!("oci-archive:{}:latest", oci.display()), &to("b")]);
    skopeo(&["copy", "--quiet", &format!("docker-archive:{}", docker.display()), &to("c")]);

    let podman = Podman::new();
    succeeds(&podman.podman(&["pull", "--quiet", &format!("oci-archive:{}:latest", oci.display())]));
    succeeds(&podman.podman(&["load", "--quiet", "--input", &docker.display().to_string()]));

    for store in [Store::Classic, Store::Containerd] {
        let engine = Docker::start_with(DockerOptions { store, ..DockerOptions::default() });
        succeeds(&engine.docker(&["load", "--input", &docker.display().to_string()]));
        let ran = engine.docker(&["run", "--rm", "hello:latest"]);
        assert_eq!((ran.status, ran.stdout.as_str()), (0, "Hello\n"), "{}", ran.stderr);
        let listed = engine.docker(&["image", "ls", "--quiet", "--no-trunc"]);
        assert_eq!(listed.stdout.lines().count(), 1, "{}", listed.stdout);
    }
    let containerd = Containerd::start();
    for archive in [&oci, &docker] {
        succeeds(&containerd.ctr(&["images", "import", &archive.display().to_string()]));
    }
    // oras finds attachments where `index.json` lists them.
    let listed = project.path("listed.tar");
    let all = ArchiveContents::of_layout(&opened, ReferrersPlace::Index);
    all.and_then(|all| all.write_file(0, &listed)).expect("writes");
    let found = oras(scene.project.root(), &["discover", "--oci-layout", &format!("{}:latest", listed.display())]);
    assert!(found.contains(BUNDLE), "{found}");
}

#[test]
fn base_verify_accepts_cosign_signatures() {
    let scene = Scene::new();
    let project = Project::with_table("base-verify = { key = \"base.pub\" }\nplatforms = [\"linux/amd64\"]");
    fs::copy(scene.project.path("cosign.pub"), project.path("base.pub")).expect("a copy");
    let build = || project.oci(&["build", "--base", &scene.image()]);
    let words = build().fails(1);
    assert!(words.contains("rejected") && !words.contains("Compiling"), "{words}");
    scene.cosign.signs(&["sign", "--key", "cosign.key", &scene.pinned()]);
    build().succeeds();
    project.oci(&["build", "--offline", "--base", &scene.pinned()]).succeeds();
}
