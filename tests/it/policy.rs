//! Policies: of images that exist (`verify --policy`), and of those that are pushed (the key `policy`).

use std::fs;

use crate::snapshots::{AMD64, elf};
use crate::support::project::{Call, Project};
use crate::support::strict::referrers::Attaching;
use crate::support::strict::{Behaviour, StrictRegistry};

/// A package whose program was compiled elsewhere, with keys and this policy.
fn project(policy: &str) -> Project {
    let project = Project::new("x");
    let manifest = fs::read_to_string(project.path("Cargo.toml")).expect("a file");
    fs::write(project.path("Cargo.toml"), format!("{manifest}\n[package.metadata.oci]\n{policy}\n")).expect("a file");
    fs::write(project.path("program"), elf(AMD64)).expect("a file");
    for name in ["cosign", "other"] {
        project.oci(&["generate-key", "--output", name]).env("COSIGN_PASSWORD", "sesame").succeeds();
    }
    project
}

fn registry() -> StrictRegistry {
    StrictRegistry::start(Behaviour { attaching: Attaching::Api, ..Behaviour::default() })
}

fn push(project: &Project, registry: &StrictRegistry, more: &[&str]) -> Call {
    let repository = registry.reference("acme/x");
    let args = ["push", "--base", "embedded", "--platform", "linux/amd64", "--prebuilt", "linux/amd64=program"];
    let args = [&args[..], &["--repository", &repository], more].concat();
    project.oci(&args).env("COSIGN_PASSWORD", "sesame")
}

#[test]
fn verify_checks_the_rules_of_a_policy() {
    let (project, registry) = (project(""), registry());
    push(&project, &registry, &["--sign", "--key", "cosign.key"]).succeeds();
    let image = registry.reference("acme/x:latest");
    let verify = |policy: &str, more: &[&str]| {
        fs::write(project.path("policy.toml"), policy).expect("a file");
        project.oci(&[&["verify", &image, "--policy", "policy.toml"], more].concat())
    };
    let kept = "signers = [{ key = 'other.pub' }, { key = 'cosign.pub' }]\nrequire = ['sbom', 'provenance']\nbuilders = ['urn:cargo-oci']\nlicenses = ['MIT']\ndeny-crates = ['openssl-sys', 'x@>1']\n";
    let verified = verify(kept, &[]).run();
    // The package itself has no license.
    assert!(verified.stderr.contains("licenses: x 0.1.0 names no license"), "{}", verified.stderr);
    verify(&kept.replace("licenses = ['MIT']\n", ""), &[]).succeeds();
    let broken = "signers = [{ key = 'cosign.pub' }]\nrequire = ['vex']\nbuilders = ['other']\nsources = ['*']\nworkflows = ['*']\nbases = ['gcr.io/*']\nmax-age = '1h'\ndeny-crates = ['x']\n";
    let words = verify(broken, &[]).fails(1);
    for rule in [
        "require: no VEX document is signed and attached",
        "builders: `urn:cargo-oci` is none of other",
        "sources: neither provenance nor certificate name the repository",
        "workflows: no certificate names a workflow",
        "bases: ",
        "max-age: it was made at 1970-01-01T00:00:00Z",
        "deny-crates: x 0.1.0 is denied by x",
        "breaks the policy",
    ] {
        assert!(words.contains(rule), "{rule}: {words}");
    }
    let words = verify("signers = [{ key = 'other.pub' }]", &[]).fails(1);
    assert!(words.contains("is not signed by") && words.contains("other.pub"), "{words}");
    let words = verify("", &[]).fails(1);
    assert!(words.contains("the policy does not say who must have signed"), "{words}");
    verify("builders = ['urn:*']", &["--key", "cosign.pub"]).succeeds();
    let words = verify("signers = ['distroless']", &["--key", "cosign.pub"]).fails(1);
    assert!(words.contains("two say who must have signed"), "{words}");
    let words = verify("licence = ['MIT']", &["--key", "cosign.pub"]).fails(1);
    assert!(words.contains("unknown rule `licence`") && words.contains("did you mean `licenses`?"), "{words}");
}

#[test]
fn push_checks_the_policy_before_tags_move() {
    let (project, registry) =
        (project("policy = { signers = [{ key = \"cosign.pub\" }], deny-crates = [\"x\"] }"), registry());
    let words = push(&project, &registry, &[]).fails(1);
    for part in [
        "x breaks the policy",
        "signers: nobody signs it: push with `--sign`",
        "deny-crates: x 0.1.0 is denied by x",
        "no tag has moved",
    ] {
        assert!(words.contains(part), "{part}: {words}");
    }
    let words = push(&project, &registry, &["--sign", "--key", "other.key"]).fails(1);
    assert!(words.contains("the key that signs it is none of the signers"), "{words}");
    assert_eq!(registry.tag("acme/x", "latest"), None);
    let manifest = fs::read_to_string(project.path("Cargo.toml")).expect("a file");
    fs::write(project.path("Cargo.toml"), manifest.replace(", deny-crates = [\"x\"]", "")).expect("a file");
    push(&project, &registry, &["--sign", "--key", "cosign.key"]).succeeds();
    assert!(registry.tag("acme/x", "latest").is_some());
}
