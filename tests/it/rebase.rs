//! `cargo oci rebase`: an image on a new base has the digest of a rebuild there.

use std::process::Stdio;
use std::time::{Duration, Instant};
use std::{fs, thread};

use serde_json::Value;

use crate::snapshots::{AMD64, elf};
use crate::support::base::{BaseImage, TAG};
use crate::support::project::{Call, Project};
use crate::support::strict::{Behaviour, StrictRegistry};

const REPOSITORY: &str = "acme/x";
const BASE: &str = "base/static";

/// A registry with a base, and a package whose image is on it. `more` is added to the table.
struct Scene {
    registry: StrictRegistry,
    project: Project,
    old: BaseImage,
}

impl Scene {
    fn new(more: &str) -> Scene {
        Scene::with(more, BaseImage::new())
    }

    fn with(more: &str, old: BaseImage) -> Scene {
        Scene::at(StrictRegistry::start(Behaviour::default()), more, old)
    }

    /// With a registry whose answers take this long.
    fn slow(latency: Duration) -> Scene {
        let registry = StrictRegistry::start(Behaviour { latency, is_shared: true, ..Behaviour::default() });
        Scene::at(registry, "", BaseImage::new())
    }

    fn at(registry: StrictRegistry, more: &str, old: BaseImage) -> Scene {
        let (base, repository) = (registry.reference(&format!("{BASE}:{TAG}")), registry.reference(REPOSITORY));
        let table = format!("[package.metadata.oci]\nrepository = \"{repository}\"\nbase = \"{base}\"\n{more}\n");
        let project = Project::new("x").append("Cargo.toml", &table);
        fs::write(project.path("amd64"), elf(AMD64)).expect("a file");
        fs::write(project.path("arm64"), elf(183)).expect("a file");
        let scene = Scene { registry, project, old };
        scene.put(&scene.old);
        scene
    }

    /// The base's tag names this base now.
    fn put(&self, base: &BaseImage) -> String {
        let folder = tempfile::tempdir().expect("a folder");
        let written = base.write(folder.path());
        self.registry.put_layout(folder.path(), BASE, TAG);
        written.digest
    }

    fn newer(&self) -> String {
        self.put(&BaseImage::new().big(1))
    }

    fn push(&self, more: &[&str]) -> Call {
        let programs = ["--prebuilt=linux/amd64=amd64", "--prebuilt=linux/arm64=arm64"];
        self.project.oci(&[&["push"], &programs[..], &["--sbom", "cyclonedx,spdx"], more].concat())
    }

    fn rebase(&self, more: &[&str]) -> Call {
        self.project.oci(&[&["rebase"], more].concat())
    }

    fn image(&self, tag: &str) -> String {
        self.registry.reference(&format!("{REPOSITORY}:{tag}"))
    }

    fn digest(&self, tag: &str) -> String {
        self.registry.tag(REPOSITORY, tag).unwrap_or_else(|| panic!("no tag {tag}"))
    }

    /// The documents of a type that are attached to what a tag names.
    fn attached(&self, tag: &str, what: &str) -> Vec<Value> {
        let image = self.image(tag);
        let listed = self.project.oci(&["referrers", "--json", &image]).succeeds().stdout;
        let listed: Value = serde_json::from_str(&listed).expect("JSON");
        let of_index = listed["subjects"][0]["attached"].as_array().expect("a list").iter();
        let digests: Vec<_> =
            of_index.filter(|one| one["artifactType"] == what).map(|one| one["digest"].clone()).collect();
        digests
            .iter()
            .map(|digest| {
                let get = ["referrers", &image, "--get", digest.as_str().expect("a digest")];
                serde_json::from_str(&self.project.oci(&get).succeeds().stdout).expect("JSON")
            })
            .collect()
    }
}

/// What a log says of blobs that were sent or fetched.
fn blob_requests(log: &str, method: &str) -> usize {
    log.lines().filter(|line| line.contains(&format!("{method} /v2/{REPOSITORY}/blobs/"))).count()
}

#[test]
fn rebased_image_is_that_of_a_rebuild() {
    for more in [
        "",
        "env = { A = \"1\", PATH = \"/opt:$PATH\" }\nexpose = [80]\nuser = 1000\nlabels = { team = \"a\" }",
        "user = \"nonroot\"\nvolumes = [\"/data\"]\nfiles = [{ from = \"Cargo.toml\", to = \"/srv/\", owner = \"nonroot\" }]",
        "provenance = false\nenv = { A = \"1\", PATH = \"/opt:$PATH\" }\ncmd = [\"--x\"]\nstop-signal = \"SIGINT\"",
    ] {
        let scene = Scene::new(more);
        scene.push(&["--tag", "1"]).succeeds();
        let old = scene.digest("1");
        let base = scene.newer();
        let ran = scene.rebase(&[&scene.image("1")]).succeeds();
        assert_ne!(scene.digest("1"), old);
        scene.push(&["--tag", "rebuilt"]).succeeds();
        assert_eq!(scene.digest("1"), scene.digest("rebuilt"), "{more}\n{}", ran.stderr);
        assert!(ran.stdout.trim().ends_with(&scene.digest("1")), "{}", ran.stdout);
        for sbom in ["application/vnd.cyclonedx+json", "application/spdx+json"] {
            let sboms = scene.attached("1", sbom);
            // That of the rebuild is the same one.
            assert_eq!(sboms.len(), 1, "{sbom}");
            assert!(sboms[0].to_string().contains(&base["sha256:".len()..]));
        }
        assert_eq!(scene.registry.violations(), [""; 0]);
    }
}

#[test]
fn rebase_moves_no_layer_of_ours() {
    let scene = Scene::new("files = [{ from = \"Cargo.toml\", to = \"/srv/\" }]");
    scene.push(&["--tag", "1"]).succeeds();
    let log = scene.registry.log();
    scene.newer();
    scene.rebase(&[&scene.image("1")]).succeeds();
    let log = scene.registry.log().split_off(log.len());
    let manifest = &scene.registry.repository(REPOSITORY).manifests[&scene.digest("1")];
    let index: Value = serde_json::from_slice(&manifest.bytes).expect("JSON");
    let image = index["manifests"][0]["digest"].as_str().expect("a digest").to_owned();
    let image: Value =
        serde_json::from_slice(&scene.registry.repository(REPOSITORY).manifests[&image].bytes).expect("JSON");
    let layers = image["layers"].as_array().expect("layers");
    assert_eq!(layers.len(), 7);
    for own in &layers[5..] {
        assert!(!log.contains(own["digest"].as_str().expect("a digest")), "{log}");
    }
    // The new layer of the base is mounted.
    let mounted = layers[4]["digest"].as_str().expect("a digest").replace(':', "%3A");
    assert!(log.contains(&format!("mount={mounted}")), "{log}");
    // Two configs, and for index and images two SBOMs and provenance.
    assert_eq!(blob_requests(&log, "GET"), 2 + 9, "{log}");
    let tag = log.rfind(&format!("PUT /v2/{REPOSITORY}/manifests/1")).expect("a tag");
    assert_eq!(Some(tag), log.rfind("PUT /v2/"), "{log}");
}

#[test]
fn provenance_of_a_rebased_image_says_so() {
    let scene = Scene::new("");
    scene.push(&["--tag", "1"]).succeeds();
    let old = scene.digest("1");
    let base = scene.newer();
    scene.rebase(&[&scene.image("1")]).succeeds();
    let found = scene.attached("1", "application/vnd.in-toto+json");
    let definition = &found[0]["predicate"]["buildDefinition"];
    assert_eq!(definition["buildType"], "urn:cargo-oci:rebase:1");
    let inputs = definition["resolvedDependencies"].to_string();
    assert!(inputs.contains(&old["sha256:".len()..]) && inputs.contains(&base["sha256:".len()..]), "{inputs}");
    assert!(definition["externalParameters"]["build"]["package"].is_string());
    // It can be rebased again: also without what was set being guessed.
    scene.put(&BaseImage::new().riscv64());
    scene.rebase(&[&scene.image("1")]).succeeds();
    scene.push(&["--tag", "rebuilt"]).succeeds();
    assert_eq!(scene.digest("1"), scene.digest("rebuilt"));
    let found = scene.attached("1", "application/vnd.in-toto+json");
    let rebased = found.iter().find(|one| one["predicate"]["buildDefinition"]["buildType"] == "urn:cargo-oci:rebase:1");
    let inputs = rebased.expect("provenance")["predicate"]["buildDefinition"]["resolvedDependencies"].to_string();
    assert!(!inputs.contains(&base["sha256:".len()..]), "{inputs}");
}

#[test]
fn rebase_of_nothing_new_changes_nothing() {
    let scene = Scene::new("");
    scene.push(&["--tag", "1"]).succeeds();
    let log = scene.registry.log();
    let ran = scene.rebase(&[&scene.image("1")]).succeeds();
    assert!(ran.stderr.contains("Unchanged"), "{}", ran.stderr);
    assert!(!scene.registry.log().split_off(log.len()).contains("PUT "));
}

#[test]
fn rebase_signs_before_the_tag_moves() {
    let scene = Scene::new("");
    scene.project.oci(&["generate-key"]).env("COSIGN_PASSWORD", "").succeeds();
    let key = ["--sign", "--key", "cosign.key"];
    scene.push(&[&["--tag", "1"], &key[..]].concat()).env("COSIGN_PASSWORD", "").succeeds();
    scene.newer();
    let image = scene.image("1");
    scene.rebase(&[&[image.as_str(), "--tag", "2"], &key[..]].concat()).env("COSIGN_PASSWORD", "").succeeds();
    let (old, new) = (scene.image("1"), scene.image("2"));
    assert_ne!(scene.digest("1"), scene.digest("2"));
    for image in [&old, &new] {
        scene
            .project
            .oci(&["verify", image, "--key", "cosign.pub", "--require", "sbom", "--require", "provenance"])
            .succeeds();
    }
    // Without it, the old signatures are not those of the new image.
    scene.rebase(&[&old]).succeeds();
    let words = scene.project.oci(&["verify", &image, "--key", "cosign.pub"]).run();
    assert_eq!(scene.digest("1"), scene.digest("2"));
    assert_eq!(words.status, 0, "they have one digest: {}", words.stderr);
}

#[test]
fn layout_is_rebased_in_place() {
    let scene = Scene::new("");
    let build = |tag: &str| {
        let programs = ["--prebuilt=linux/amd64=amd64", "--prebuilt=linux/arm64=arm64", "--tag", tag];
        scene.project.oci(&[&["build"], &programs[..]].concat()).succeeds()
    };
    build("1");
    scene.newer();
    let ran = scene.rebase(&["target/oci/x"]).succeeds();
    let again = build("1");
    assert_eq!(ran.stdout, again.stdout, "{}", ran.stderr);
    scene.project.oci(&["validate", "target/oci/x"]).succeeds();
}

#[test]
fn workspace_is_rebased_onto_what_cargo_toml_names() {
    let scene =
        Scene::new("tags = [\"1\", \"latest\"]\n[package.metadata.oci.images.other]\nrepository = \"ghcr.io/x\"");
    let other = scene.registry.reference("acme/other");
    let manifest = scene.project.path("Cargo.toml");
    let text = fs::read_to_string(&manifest).expect("a file").replace("ghcr.io/x", &other);
    fs::write(&manifest, text).expect("a file");
    scene.push(&[]).succeeds();
    scene.newer();
    let ran = scene.rebase(&["--workspace"]).succeeds();
    assert_eq!(ran.stdout.lines().count(), 2, "{}", ran.stdout);
    assert_eq!(scene.digest("1"), scene.digest("latest"));
    let rebuilt = scene.push(&[]).succeeds();
    assert_eq!(rebuilt.stdout, ran.stdout);
}

#[test]
fn pinned_base_stays_pinned() {
    let scene = Scene::new("");
    let pin = |digest: &str| {
        let manifest = scene.project.path("Cargo.toml");
        let text = fs::read_to_string(&manifest).expect("a file");
        let base = scene.registry.reference(&format!("{BASE}:{TAG}"));
        let line = text.lines().find(|line| line.starts_with("base = ")).expect("a line").to_owned();
        fs::write(&manifest, text.replace(&line, &format!("base = \"{base}@{digest}\""))).expect("a file");
    };
    let folder = tempfile::tempdir().expect("a folder");
    pin(&scene.old.write(folder.path()).digest);
    scene.push(&["--tag", "1"]).succeeds();
    let new = scene.newer();
    scene.rebase(&[&scene.image("1")]).succeeds();
    pin(&new);
    scene.push(&["--tag", "rebuilt"]).succeeds();
    assert_eq!(scene.digest("1"), scene.digest("rebuilt"));
}

#[test]
fn moved_tag_is_not_moved_back() {
    let scene = Scene::slow(Duration::from_millis(50));
    scene.push(&["--tag", "1"]).succeeds();
    scene.push(&["--tag", "2", "--env", "A=1"]).succeeds();
    scene.newer();
    let other = scene.digest("2");
    // Somebody pushes another image while this one is rebased: after it was read.
    let before = scene.registry.log().len();
    let is_read = || scene.registry.log()[before..].contains(&format!("HEAD /v2/{BASE}/manifests/{TAG}"));
    let running = scene.rebase(&[&scene.image("1")]).direct().stderr(Stdio::piped()).spawn().expect("starts");
    let until = Instant::now() + Duration::from_secs(20);
    while !is_read() && Instant::now() < until {
        thread::sleep(Duration::from_millis(5));
    }
    let bytes = scene.registry.repository(REPOSITORY).manifests[&other].bytes.clone();
    scene.registry.put_manifest(REPOSITORY, "application/vnd.oci.image.index.v1+json", &bytes, Some("1"));
    let ended = running.wait_with_output().expect("ends");
    let words = String::from_utf8_lossy(&ended.stderr).into_owned();
    assert!(words.contains("cannot move the tag 1: somebody has pushed another image there meanwhile"), "{words}");
    assert_eq!(scene.digest("1"), other);
    scene.rebase(&[&scene.image("1")]).succeeds();
    assert_ne!(scene.digest("1"), other);
}

#[test]
fn image_that_does_not_fit_is_refused() {
    let scene = Scene::new("");
    scene.push(&["--tag", "1"]).succeeds();
    let old = scene.digest("1");
    let image = scene.image("1");
    let refused = |onto: &str, words: &str| {
        let said = scene.rebase(&[&image, "--onto", onto]).fails(1);
        assert!(said.contains(words), "{said}");
        assert_eq!(scene.digest("1"), old);
    };
    let folder = tempfile::tempdir().expect("a folder");
    let one = BaseImage::new().single("linux/amd64").write(folder.path());
    scene.registry.put_layout(folder.path(), "base/one", "1");
    scene.registry.put_manifest("base/one", &one.media_type, &one.blob(&one.digest), Some("1"));
    refused(&scene.registry.reference("base/one:1"), "has no image for linux/arm64");
    refused("scratch", "over `scratch`, an image has folders of its own");
    refused(&scene.registry.reference("base/none:1"), "cannot rebase it on");
    refused(&image, "is that image itself");
    // An image of another tool, and one that another tool has changed.
    let foreign = scene.registry.reference(&format!("{BASE}:{TAG}"));
    let said = scene.rebase(&[&foreign]).fails(1);
    assert!(said.contains("are not those of `cargo oci build`"), "{said}");
    let said = scene.rebase(&[&scene.registry.reference("acme/x:none")]).fails(1);
    assert!(said.contains("there is no"), "{said}");
}

#[test]
fn older_base_is_warned_of_and_other_attachments_are_named() {
    let scene = Scene::with("", BaseImage::new().big(1).made("2026-02-01T00:00:00Z"));
    scene.push(&["--tag", "1"]).succeeds();
    let image = scene.image("1");
    scene.project.oci(&["attach", &image, "Cargo.toml", "--artifact-type", "text/x-notes"]).succeeds();
    scene.put(&BaseImage::new().made("2026-01-01T00:00:00Z"));
    let said = scene.rebase(&[&image]).succeeds().stderr;
    assert!(said.contains("is older than the base"), "{said}");
    assert!(said.contains("without what others have attached about the old image: text/x-notes"), "{said}");
}

#[test]
fn base_may_be_an_image_of_cargo_oci_too() {
    let scene = Scene::new("");
    let mine = scene.registry.reference("base/mine:1");
    let base = |age: &str| {
        let to = scene.registry.reference("base/mine");
        scene.push(&["--repository", &to, "--tag", "1", "--env", age]).succeeds();
    };
    base("AGE=1");
    scene.push(&["--base", &mine, "--tag", "1"]).succeeds();
    base("AGE=2");
    let ran = scene.rebase(&[&scene.image("1")]).succeeds();
    scene.push(&["--base", &mine, "--tag", "rebuilt"]).succeeds();
    assert_eq!(scene.digest("1"), scene.digest("rebuilt"), "{}", ran.stderr);
}

#[test]
fn attestations_in_index_are_left_out_of_rebase() {
    for place in ["index", "both"] {
        let scene = Scene::new(&format!("attestations = \"{place}\""));
        scene.push(&[]).succeeds();
        scene.newer();
        let words = scene.rebase(&[&scene.image("latest")]).succeeds().stderr;
        assert!(words.contains("without the attestations in its index"), "{words}");
        let rebased = scene.digest("latest");
        scene.push(&["--attestations", "referrers", "-t", "again"]).succeeds();
        assert_eq!(rebased, scene.digest("again"), "{place}");
    }
}
