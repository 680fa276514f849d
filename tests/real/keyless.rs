//! Signatures without a key, by stand-ins for sigstore's services: cosign verifies them with these as its roots.

use std::fs;
use std::time::Duration;

use serde_json::Value;

use crate::support::cosign::{Cosign, gh_verifies};
use crate::support::process::Ran;
use crate::support::project::{Call, Project};
use crate::support::registry::DockerRegistry;
use crate::support::sigstore::workflow::workflow_token;
use crate::support::sigstore::{IDENTITY, ISSUER, Sigstore, token};

/// A project, and the services that sign for it.
struct Scene {
    project: Project,
    cosign: Cosign,
    sigstore: Sigstore,
    registry: DockerRegistry,
}

impl Scene {
    fn new() -> Scene {
        let project = Project::new("hello");
        let (cosign, sigstore) = (Cosign::new(project.root()), Sigstore::start());
        sigstore.describe(project.root());
        Scene { project, cosign, sigstore, registry: DockerRegistry::start() }
    }

    fn push(&self, token: &str) -> Call {
        let repository = self.registry.reference("acme/hello");
        let args = ["--repository", &repository, "--sign", "--keyless", "--signing-config", "keyless.json"];
        self.project.push(&args).env("SIGSTORE_ID_TOKEN", token)
    }

    fn cosign(&self, command: &[&str], identity: &str, image: &str) -> Ran {
        let who = ["--certificate-identity", identity, "--certificate-oidc-issuer", ISSUER];
        let rest = ["--trusted-root", "root.json", "--insecure-ignore-tlog=false", image];
        self.cosign.verifies(&[command, &who, &rest].concat())
    }
}

#[test]
fn keyless_signature_verifies_with_cosign() {
    let scene = Scene::new();
    // A build script does not see who is signing.
    let script = "fn main() { assert!(std::env::var_os(\"SIGSTORE_ID_TOKEN\").is_none()); }";
    let scene = Scene { project: scene.project.file("build.rs", script), ..scene };
    let token = token(Duration::from_secs(600));
    let pushed = scene.push(&token).succeeds();
    let pinned = pushed.stdout.trim();
    for command in [
        &["verify"][..],
        &["verify-attestation", "--type", "cyclonedx"],
        &["verify-attestation", "--type", "slsaprovenance1"],
    ] {
        let verified = scene.cosign(command, IDENTITY, pinned);
        assert_eq!(verified.status, 0, "{}{}", verified.stdout, verified.stderr);
        assert_ne!(scene.cosign(command, "somebody@example.org", pinned).status, 0);
    }
    let who = ["--certificate-identity", IDENTITY, "--certificate-oidc-issuer", ISSUER, "--trusted-root", "root.json"];
    let required = ["--require", "sbom", "--require", "provenance"];
    let verified = scene.project.oci(&[&["verify", pinned][..], &who, &required].concat()).succeeds().stderr;
    assert!(verified.contains(&format!("Signed by {IDENTITY} (identified by {ISSUER})")), "{verified}");
    let found = scene.project.oci(&["referrers", "--json", pinned]).succeeds().stdout;
    let found: Value = serde_json::from_str(&found).expect("JSON");
    for subject in found["subjects"].as_array().expect("subjects") {
        assert_eq!(subject["attached"].as_array().map(Vec::len), Some(5), "{subject}");
    }
    // Two parts for each of two platforms and the index, of certificate and entry for each statement.
    assert_eq!(scene.sigstore.requests(), 2 * 3 * 3);
    scene.push(&token).succeeds();
    assert_eq!(scene.sigstore.requests(), 2 * 3 * 3);
}

#[test]
fn keyless_signature_verifies_in_cosign_2_format() {
    let scene = Scene::new();
    let token = token(Duration::from_secs(600));
    let legacy = || scene.push(&token).with(&["--signature-format", "legacy"]).succeeds();
    let pushed = legacy();
    let pinned = pushed.stdout.trim();
    for command in [
        &["verify"][..],
        &["verify-attestation", "--type", "cyclonedx"],
        &["verify-attestation", "--type", "slsaprovenance1"],
    ] {
        let command = [command, &["--new-bundle-format=false"]].concat();
        let verified = scene.cosign(&command, IDENTITY, pinned);
        assert_eq!(verified.status, 0, "{}{}", verified.stdout, verified.stderr);
        assert_ne!(scene.cosign(&command, "somebody@example.org", pinned).status, 0);
    }
    let who = ["--certificate-identity", IDENTITY, "--certificate-oidc-issuer", ISSUER, "--trusted-root", "root.json"];
    let required = ["verify", pinned, "--require", "sbom", "--require", "provenance"];
    scene.project.oci(&[&required[..], &who].concat()).succeeds();
    // An entry of the log is kept for good: there is one for each signature, and none for what is signed.
    let requests = scene.sigstore.requests();
    assert_eq!(requests, 2 * 3 * 3);
    assert!(legacy().stderr.contains("is already signed"));
    assert_eq!(scene.sigstore.requests(), requests);
}

#[test]
fn provenance_verifies_with_gh() {
    let scene = Scene::new();
    // gh reads one trusted root in a line.
    let root = fs::read_to_string(scene.project.path("root.json")).expect("a file");
    let root: Value = serde_json::from_str(&root).expect("JSON");
    fs::write(scene.project.path("root.jsonl"), format!("{root}\n")).expect("a file");
    let pushed = scene.push(&workflow_token("acme/hello")).succeeds();
    let verified = |image: &str, args: &[&str]| gh_verifies(scene.project.root(), image, "root.jsonl", args);
    let index = pushed.stdout.trim();
    let tag = scene.registry.reference("acme/hello:latest");
    let workflow = ["--repo", "acme/hello", "--signer-workflow", "acme/hello/.github/workflows/release.yml"];
    for (image, args) in [(index, &workflow[..]), (&tag, &["--owner", "acme"])] {
        let ran = verified(image, args);
        assert_eq!(ran.status, 0, "{}{}", ran.stdout, ran.stderr);
    }
    let cyclonedx = ["--owner", "acme", "--predicate-type", "https://cyclonedx.org/bom"];
    let ran = verified(&tag, &cyclonedx);
    assert_eq!(ran.status, 0, "{}{}", ran.stdout, ran.stderr);
    for wrong in [&["--owner", "evil"][..], &["--repo", "acme/other"], &["--owner", "acme", "--cert-identity", "x"]] {
        assert_ne!(verified(&tag, wrong).status, 0, "{wrong:?}");
    }
}

#[test]
fn keyless_push_without_token_builds_nothing() {
    let scene = Scene::new();
    let expired = token(Duration::ZERO);
    for (token, why) in [("", "SIGSTORE_ID_TOKEN is not set"), ("a.b", "invalid JWT"), (&*expired, "has expired")] {
        let words = scene.push(token).fails(1);
        assert!(words.contains(why) && words.contains("help: "), "{words}");
        assert!(token.is_empty() || !words.contains(token), "{words}");
        assert!(!words.contains("Compiling"), "{words}");
    }
    assert!(scene.registry.requests().iter().all(|request| request.method != "PUT"));
}
