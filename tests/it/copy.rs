//! `cargo oci copy`: an image with all that is attached, in other places.

use std::fs;

use serde_json::Value;

use crate::snapshots::{AMD64, elf};
use crate::support::project::{Call, Project};
use crate::support::strict::{Behaviour, StrictRegistry};

const FROM: &str = "acme/x";
const TO: &str = "prod/x";

fn project() -> Project {
    let project = Project::new("x");
    fs::write(project.path("amd64"), elf(AMD64)).expect("a file");
    fs::write(project.path("arm64"), elf(183)).expect("a file");
    project.oci(&["generate-key"]).env("COSIGN_PASSWORD", "").succeeds();
    project
}

fn push(project: &Project, registry: &StrictRegistry, more: &[&str]) -> Call {
    let repository = registry.reference(FROM);
    let programs = ["--repository", &repository, "--prebuilt=linux/amd64=amd64", "--prebuilt=linux/arm64=arm64"];
    project.push(&[&programs[..], more].concat()).env("COSIGN_PASSWORD", "")
}

const SIGNED: [&str; 5] = ["--sign", "--key", "cosign.key", "--tag", "1"];

fn copy(project: &Project, args: &[&str]) -> Call {
    project.oci(&[&["copy"], args].concat())
}

/// How much is attached to the index, and to the image for each platform.
fn attached(project: &Project, image: &str) -> Vec<usize> {
    let found = project.oci(&["referrers", "--json", image]).succeeds().stdout;
    let found: Value = serde_json::from_str(&found).expect("JSON");
    let subjects = found["subjects"].as_array().expect("a list").iter();
    subjects.map(|one| one["attached"].as_array().expect("a list").len()).collect()
}

fn verify(project: &Project, image: &str) -> Call {
    project.oci(&["verify", image, "--key", "cosign.pub", "--require", "sbom", "--require", "provenance"])
}

#[test]
fn copy_brings_all_that_is_attached_and_moves_tags_last() {
    let project = project();
    let [from, to] = [(); 2].map(|()| StrictRegistry::start(Behaviour::default()));
    push(&project, &from, &SIGNED).succeeds();
    let (image, there) = (from.reference("acme/x:1"), to.reference("prod/x"));
    let ran = copy(&project, &[&image, &there]).succeeds();
    assert_eq!(to.tag(TO, "1"), from.tag(FROM, "1"));
    assert_eq!(ran.stdout.trim(), format!("{there}@{}", to.tag(TO, "1").expect("a tag")));
    assert_eq!(attached(&project, &to.reference("prod/x:1")), attached(&project, &image));
    verify(&project, &to.reference("prod/x:1")).succeeds();
    let log = to.log();
    let tag = log.rfind("PUT /v2/prod/x/manifests/1").expect("a tag");
    assert_eq!(log.rfind("PUT /v2/"), Some(tag), "{log}");
    assert_eq!([from.violations(), to.violations()], [[""; 0]; 2]);
    // A second time, nothing is sent: both are asked for the tag, and for what is attached.
    let before = (from.requests(), to.log().len());
    let ran = copy(&project, &[&image, &there]).succeeds();
    assert!(ran.stderr.contains("Unchanged"), "{}", ran.stderr);
    assert!(!to.log()[before.1..].contains("PUT /v2/"));
    assert!(from.requests() - before.0 <= 3, "{}", from.log());
    // What is attached later comes along too.
    project.oci(&["attach", &image, "Cargo.toml", "--artifact-type", "text/x-notes"]).succeeds();
    copy(&project, &[&image, &there]).succeeds();
    assert_eq!(attached(&project, &to.reference("prod/x:1")), attached(&project, &image));
}

#[test]
fn copy_within_a_registry_sends_no_blob() {
    let project = project();
    let registry = StrictRegistry::start(Behaviour::default());
    push(&project, &registry, &SIGNED).succeeds();
    let before = registry.log().len();
    copy(&project, &[&registry.reference("acme/x:1"), &registry.reference("prod/x:stable")]).succeeds();
    let log = registry.log().split_off(before);
    assert!(log.contains("mount="), "{log}");
    assert!(!log.contains("PUT /v2/prod/x/blobs/"), "{log}");
    assert_eq!(registry.tag(TO, "stable"), registry.tag(FROM, "1"));
    assert_eq!(registry.tag(TO, "1"), None);
    verify(&project, &registry.reference("prod/x:stable")).succeeds();
    assert_eq!(registry.violations(), [""; 0]);
}

#[test]
fn copy_to_layout_and_archive_and_back_is_the_same() {
    let project = project();
    let registry = StrictRegistry::start(Behaviour::default());
    push(&project, &registry, &SIGNED).succeeds();
    let image = registry.reference("acme/x:1");
    let ran = copy(&project, &[&image, "oci:copies/x", "copies/x.tar"]);
    fs::create_dir(project.path("copies")).expect("a folder");
    let ran = ran.succeeds();
    let digest = registry.tag(FROM, "1").expect("a tag");
    assert_eq!(ran.stdout, format!("oci:copies/x@{digest}\noci-archive:copies/x.tar@{digest}\n"));
    for place in ["copies/x", "copies/x.tar"] {
        project.oci(&["validate", place]).succeeds();
        assert_eq!(attached(&project, place), attached(&project, &image), "{place}");
        let back = registry.reference(&format!("back/{}", place.replace(['/', '.'], "-")));
        copy(&project, &[place, &back]).succeeds();
        verify(&project, &format!("{back}:1")).succeeds();
    }
    // A second copy replaces the layout of the same image, and of no other one.
    copy(&project, &[&image, "oci:copies/x"]).succeeds();
    let other = registry.reference("other/y:1");
    copy(&project, &[&image, &other]).succeeds();
    let words = copy(&project, &[&other, "oci:copies/x"]).fails(1);
    assert!(words.contains("it holds an image other than y"), "{words}");
}

#[test]
fn one_platform_is_copied_as_the_image_itself() {
    let project = project();
    let registry = StrictRegistry::start(Behaviour::default());
    push(&project, &registry, &SIGNED).succeeds();
    let (image, to) = (registry.reference("acme/x:1"), registry.reference("prod/x:arm"));
    copy(&project, &[&image, &to, "--platform", "linux/arm64"]).succeeds();
    verify(&project, &to).succeeds();
    let manifest = &registry.repository(TO).manifests[&registry.tag(TO, "arm").expect("a tag")];
    assert_eq!(manifest.media_type, "application/vnd.oci.image.manifest.v1+json");
    copy(&project, &[&image, &registry.reference("prod/x:both"), "--platform", "linux/arm64,linux/amd64"]).succeeds();
    assert_eq!(registry.tag(TO, "both"), registry.tag(FROM, "1"));
    let words = copy(&project, &[&image, &to, "--platform", "linux/s390x"]).fails(1);
    assert!(words.contains("has no image for linux/s390x"), "{words}");
}

#[test]
fn only_what_is_signed_is_copied_if_that_is_required() {
    let project = project();
    let registry = StrictRegistry::start(Behaviour::default());
    push(&project, &registry, &["--tag", "unsigned"]).succeeds();
    let to = registry.reference("prod/x");
    let key = ["--require-signature", "cosign.pub"];
    let before = registry.log().len();
    let words = copy(&project, &[&[&registry.reference("acme/x:unsigned"), &*to], &key[..]].concat()).fails(1);
    assert!(words.contains("is not signed by cosign.pub"), "{words}");
    assert!(!registry.log()[before..].contains("/v2/prod/x/"), "nothing is asked or sent there");
    push(&project, &registry, &SIGNED).succeeds();
    let image = registry.reference("acme/x:1");
    project.oci(&["attach", &image, "Cargo.toml", "--artifact-type", "text/x-notes"]).succeeds();
    let ran = copy(&project, &[&[&image, &*to], &key[..]].concat()).succeeds();
    assert!(
        ran.stderr.contains("without 1 attachments that this signer has not signed, of the types text/x-notes"),
        "{}",
        ran.stderr
    );
    verify(&project, &registry.reference("prod/x:1")).succeeds();
    let [all, copied] = [attached(&project, &image), attached(&project, &registry.reference("prod/x:1"))];
    assert_eq!((copied[0] + 1, &copied[1..]), (all[0], &all[1..]));
}

#[test]
fn all_tags_are_those_of_images() {
    let project = project();
    let registry = StrictRegistry::start(Behaviour::default());
    push(&project, &registry, &[&SIGNED[..], &["--tag", "latest"]].concat()).succeeds();
    push(&project, &registry, &["--tag", "2", "--env", "A=1"]).succeeds();
    let (from, to) = (registry.reference(FROM), registry.reference(TO));
    let ran = copy(&project, &[&from, &to, "--all-tags"]).succeeds();
    assert_eq!(ran.stdout.lines().count(), 2, "{}", ran.stdout);
    for tag in ["1", "2", "latest"] {
        assert_eq!(registry.tag(TO, tag), registry.tag(FROM, tag), "{tag}");
    }
    let words = copy(&project, &[&format!("{from}:1"), &to, "--all-tags"]).fails(1);
    assert!(words.contains("it is no repository"), "{words}");
    let words = copy(&project, &[&from, &format!("{to}:1"), "--all-tags"]).fails(1);
    assert!(words.contains("names one tag"), "{words}");
    let words = copy(&project, &[&from, "oci:x", "--all-tags"]).fails(1);
    assert!(words.contains("only a registry has room"), "{words}");
}

#[test]
fn copy_without_referrers_is_the_image_alone() {
    let project = project();
    let registry = StrictRegistry::start(Behaviour::default());
    push(&project, &registry, &SIGNED).succeeds();
    let to = registry.reference("prod/x:1");
    copy(&project, &[&registry.reference("acme/x:1"), &to, "--referrers", "false"]).succeeds();
    assert_eq!(attached(&project, &to), [0, 0, 0]);
}

#[test]
fn tags_of_cosign_2_are_copied_beside_the_image() {
    let project = project();
    let registry = StrictRegistry::start(Behaviour::default());
    push(&project, &registry, &["--tag", "1"]).succeeds();
    let digest = registry.tag(FROM, "1").expect("a tag");
    let legacy = format!("{}.sig", digest.replace(':', "-"));
    // Any image will do: cosign's are images too.
    let other = push(&project, &registry, &["--tag", &legacy, "--env", "A=1"]).succeeds().stdout;
    copy(&project, &[&registry.reference("acme/x:1"), &registry.reference("prod/x:1")]).succeeds();
    assert_eq!(registry.tag(TO, &legacy).as_deref(), other.trim().rsplit_once('@').map(|(_, digest)| digest));
}

#[test]
fn wrong_places_are_named() {
    let project = project();
    let registry = StrictRegistry::start(Behaviour::default());
    let there = registry.reference("acme/x:1");
    let words = copy(&project, &[&there, "oci:x"]).fails(1);
    assert!(words.contains("has no tag 1"), "{words}");
    let digest = format!("{}@sha256:{}", registry.reference(TO), "0".repeat(64));
    let words = copy(&project, &[&there, &digest]).fails(1);
    assert!(words.contains("a copy has the digest of its source"), "{words}");
    assert!(copy(&project, &[&there, "scratch"]).fails(1).contains("cannot copy to scratch"));
}
