//! `cargo oci push --from`: an image that was built before is pushed as `cargo oci push` pushes it, and nothing is compiled.

use std::fs;
use std::path::Path;

use crate::snapshots::{AMD64, elf};
use crate::support::project::{Call, Project};
use crate::support::strict::referrers::Attaching;
use crate::support::strict::state::Repository;
use crate::support::strict::{Behaviour, StrictRegistry};

const BUILD: [&str; 7] =
    ["build", "--base", "embedded", "--platform", "linux/amd64", "--prebuilt", "linux/amd64=program"];

/// A package whose program was compiled elsewhere, with a key pair.
fn project() -> Project {
    let project = Project::with_table("tags = [\"v1\", \"latest\"]\nsbom = [\"cyclonedx\", \"spdx\"]");
    fs::write(project.path("program"), elf(AMD64)).expect("a file");
    oci(&project, &["generate-key"]).succeeds();
    project
}

/// A folder without Cargo.toml, in which cargo cannot be run.
fn elsewhere(project: &Project) -> Project {
    let other = Project::empty("elsewhere");
    for name in ["cosign.key", "cosign.pub"] {
        fs::copy(project.path(name), other.path(name)).expect("a copy");
    }
    fs::rename(project.layout(), other.path("x")).expect("a layout");
    other
}

fn oci(project: &Project, args: &[&str]) -> Call {
    project.oci(args).env("COSIGN_PASSWORD", "sesame")
}

/// Runs `cargo-oci` where cargo cannot be run.
fn without_cargo(project: &Project, args: &[&str]) -> crate::support::process::Ran {
    Call::ran(oci(project, args).direct().env("CARGO", "/nowhere/cargo").env("PATH", "/nowhere"))
}

fn registry() -> StrictRegistry {
    StrictRegistry::start(Behaviour { attaching: Attaching::Api, ..Behaviour::default() })
}

/// All manifests and tags of a repository.
fn content(registry: &StrictRegistry) -> (Vec<String>, Vec<(String, String)>) {
    let Repository { manifests, tags, .. } = registry.repository("acme/x");
    (manifests.into_keys().collect(), tags.into_iter().collect())
}

/// The digest in a result line, as cosign 2 writes it in tags.
fn digest(line: &str) -> String {
    line.trim().rsplit_once('@').expect("a digest").1.replace(':', "-")
}

#[test]
fn push_from_sends_what_a_push_sends() {
    let project = project();
    let (whole, parts) = (registry(), registry());
    let push = [&["push"], &BUILD[1..]].concat();
    let pushed = oci(&project, &[&push[..], &["--repository", &whole.reference("acme/x")]].concat()).succeeds();
    oci(&project, &BUILD).succeeds();
    let elsewhere = elsewhere(&project);
    let from = ["push", "--from", "x", "--repository", &parts.reference("acme/x")];
    let ran = without_cargo(&elsewhere, &from);
    assert_eq!(ran.status, 0, "{ran:?}");
    assert_eq!(ran.stdout, pushed.stdout.replace(&whole.reference(""), &parts.reference("")));
    let last = |text: &str| text.lines().last().map(|line| line.split(" (").next().unwrap_or_default().to_owned());
    assert_eq!(last(&ran.stderr), last(&pushed.stderr.replace(&whole.reference(""), &parts.reference(""))));
    assert_eq!(content(&parts), content(&whole));
    assert_eq!((parts.violations(), content(&parts).1.len()), (Vec::new(), 2));
    // The same again sends nothing, and another tag moves alone.
    let count = parts.requests();
    let again = without_cargo(&elsewhere, &from);
    assert!(again.status == 0 && again.stdout == ran.stdout, "{again:?}");
    let log = parts.log();
    let since: Vec<_> = log.lines().filter(|line| line.contains(" registry ")).skip(count).collect();
    assert!(!since.is_empty() && since.iter().all(|request| request.contains(" registry HEAD ")), "{since:?}");
    assert_eq!(without_cargo(&elsewhere, &[&from[..], &["--tag", "{name}-2"]].concat()).status, 0);
    assert_eq!(parts.tag("acme/x", "x-2"), parts.tag("acme/x", "v1"));
}

#[test]
fn push_from_archive_signs_before_tags_move() {
    let project = project();
    oci(&project, &[&BUILD[..], &["--output", "oci-archive=image.tar"]].concat()).succeeds();
    for from in ["image.tar", "oci-archive:image.tar", "oci:target/oci/x:v1", "target/oci/x"] {
        let registry = registry();
        let to = registry.reference("acme/x:signed");
        let ran = oci(&project, &["push", &to, "--from", from, "--sign", "--key", "cosign.key"]).succeeds();
        assert!(ran.stderr.contains("Signed index"), "{from}: {ran:?}");
        let log = registry.log();
        let puts: Vec<_> = log.lines().filter(|line| line.contains(" PUT /v2/acme/x/manifests/")).collect();
        assert!(puts.last().is_some_and(|put| put.contains("/manifests/signed ")), "{from}: {log}");
        assert!(registry.tag("acme/x", &format!("{}.sig", digest(&ran.stdout))).is_none());
        let verify = ["verify", &to, "--key", "cosign.pub", "--require", "sbom", "--require", "provenance"];
        oci(&project, &verify).succeeds();
        assert_eq!(content(&registry).1.len(), 1, "{from}");
        // Also as cosign 2 does.
        let args = ["push", &to, "--from", from, "--sign", "--key", "cosign.key", "--signature-format", "both"];
        oci(&project, &args).succeeds();
        assert!(registry.tag("acme/x", &format!("{}.sig", digest(&ran.stdout))).is_some());
    }
}

#[test]
fn push_from_keeps_the_signatures_of_the_layout() {
    let project = project();
    oci(&project, &BUILD).succeeds();
    oci(&project, &["sign", "target/oci/x", "--key", "cosign.key"]).succeeds();
    let registry = registry();
    let to = registry.reference("acme/x");
    oci(&project, &["push", "--from", "target/oci/x", "--repository", &to]).succeeds();
    oci(&project, &["verify", &format!("{to}:v1"), "--key", "cosign.pub"]).succeeds();
    // They are as good as new ones.
    let before = content(&registry);
    let args = ["push", "--from", "target/oci/x", "--repository", &to, "--sign", "--key", "cosign.key"];
    oci(&project, &args).succeeds();
    assert_eq!(content(&registry), before);
    // A registry that rejects them has no tag.
    let refusing = StrictRegistry::start(Behaviour { attaching: Attaching::Refused, ..Behaviour::default() });
    let args = ["push", "--from", "target/oci/x", "--repository", &refusing.reference("acme/x")];
    let words = oci(&project, &args).fails(1);
    assert!(words.contains("cannot attach") && content(&refusing).1.is_empty(), "{words}");
}

#[test]
fn push_from_takes_the_repository_of_the_table() {
    let registry = registry();
    let repository = registry.reference("acme/x");
    let project = project().append("Cargo.toml", &format!("repository = \"{repository}\"\n"));
    // A build script would fail.
    let project = project.file("build.rs", "no Rust");
    oci(&project, &BUILD).succeeds();
    let ran = oci(&project, &["push", "--from", "target/oci/x", "--metadata-file", "image.json"]).succeeds();
    assert_eq!(content(&registry).1.len(), 2);
    let metadata = fs::read_to_string(project.path("image.json")).expect("a file");
    let metadata: serde_json::Value = serde_json::from_str(&metadata).expect("JSON");
    let digest = metadata["images"][0]["digest"].as_str().expect("a digest");
    assert_eq!(ran.stdout, format!("{repository}@{digest}\n"));
    assert_eq!(metadata["images"][0]["attached"].as_array().map(Vec::len), Some(6));
    // A placeholder that is about the package.
    oci(&project, &["push", "--from", "target/oci/x", "--tag", "{version}"]).succeeds();
    assert_eq!(registry.tag("acme/x", "0.1.0"), registry.tag("acme/x", "v1"));
    oci(&project, &["push", "--from", "target/oci/x", "--by-digest"]).succeeds();
    let shown = oci(&project, &["push", "--from", "target/oci/x", "--dry-run"]).succeeds().stdout;
    assert!(shown.contains("  tag     v1: unchanged\n") && shown.contains(" 0 of "), "{shown}");
}

#[test]
fn push_from_keeps_the_policy_of_the_table() {
    let registry = registry();
    let table = format!("repository = \"{}\"\npolicy = {{ require = [\"vex\"] }}\n", registry.reference("acme/x"));
    let project = project().append("Cargo.toml", &table);
    oci(&project, &BUILD).succeeds();
    let words = oci(&project, &["push", "--from", "target/oci/x"]).fails(1);
    assert!(words.contains("x breaks the policy") && content(&registry).0.is_empty(), "{words}");
}

#[test]
fn push_from_rejects_what_is_for_building() {
    let project = project();
    oci(&project, &BUILD).succeeds();
    for flags in [
        &["--platform", "linux/amd64"][..],
        &["--bin", "x"],
        &["--features", "a"],
        &["--env", "A=b"],
        &["--base", "scratch"],
        &["--locked"],
        &["--output", "oci-dir=y"],
        &["--debug-tag"],
        &["--test"],
    ] {
        let words = oci(&project, &[&["push", "--from", "target/oci/x"], flags].concat()).fails(2);
        assert!(words.contains("'--from <PATH>' cannot be used with '"), "{flags:?}: {words}");
    }
    let words = oci(&project, &["push", "--from", "target/oci/x"]).fails(1);
    assert!(words.contains("cannot push x: no repository is set"), "{words}");
    let words = oci(&project, &["push", "--from", "ghcr.io/acme/x:v1"]).fails(1);
    assert!(words.contains("expected the path of a layout or an archive"), "{words}");
    // A folder without Cargo.toml.
    let elsewhere = elsewhere(&project);
    let words = oci(&elsewhere, &["push", "--from", "x"]).fails(1);
    assert!(words.contains("cannot find the repository of x") && words.contains("Cargo.toml"), "{words}");
    // A blob that is not what its digest says.
    let blobs = Path::new("x/blobs/sha256");
    let registry = registry();
    let files = fs::read_dir(elsewhere.path(&blobs.display().to_string())).expect("a folder");
    let layer = files
        .map(|file| file.expect("a file").path())
        .find(|path| fs::read(path).expect("a file").starts_with(b"\x1f\x8b"));
    let layer = layer.expect("a layer");
    let push = || oci(&elsewhere, &["push", "--from", "x", "--repository", &registry.reference("acme/x")]).fails(1);
    fs::write(&layer, "other").expect("a file");
    let changed = push();
    fs::remove_file(layer).expect("a file");
    let words = push();
    assert!(changed.contains("sha256:") && words.contains("help: write the whole image first"), "{changed}{words}");
    assert!(content(&registry).1.is_empty());
}
