//! Flags and environment variables.

use crate::support::project::Project;
use crate::support::snapshot::Snapshot;

#[test]
fn argument_errors_match_snapshot() {
    let mut told = Snapshot::of("arguments");
    let project = Project::new("x");
    let mut misuse = |title: &str, args: &[&str]| told.misuse(title, &project, args);
    misuse("a command that there is not", &["bild"]);
    misuse("a flag that there is not", &["build", "--plattform", "linux/amd64"]);
    misuse("a platform that Rust has no target for", &["build", "--platform", "windows/amd64"]);
    misuse("a platform that is mistyped", &["build", "--platform", "linux/amd46"]);
    misuse("a target that is not Linux", &["build", "--target", "x86_64-apple-darwin"]);
    misuse("a target that is none", &["build", "--target", "amd64"]);
    misuse("a base that is no reference", &["build", "--base", "Debian:12:slim"]);
    misuse("a repository with a tag", &["push", "--repository", "ghcr.io/acme/x:1"]);
    let digest = format!("ghcr.io/acme/x@sha256:{}", "0".repeat(64));
    misuse("a repository with a digest", &["push", "--repository", &digest]);
    let capital = format!("sha256:{}", "7".repeat(63) + "E");
    let digests = ["", "latest", "sha256:0", &format!("sha384:{}", "0".repeat(96)), &capital, &capital.to_uppercase()];
    for digest in digests {
        misuse("a base with a digest that is none", &["build", "--base", &format!("ghcr.io/acme/x@{digest}")]);
    }
    for place in ["oci:base", "oci:base:1", "oci-archive:base.tar"] {
        misuse("a base on disk with a digest that is none", &["build", "--base", &format!("{place}@{capital}")]);
    }
    misuse("a base on disk with an empty tag", &["build", "--base", "oci:base:"]);
    misuse("an illegal name of a repository", &["push", "--repository", "ghcr.io/Acme/x"]);
    misuse("an illegal tag", &["push", "--tag", "v 1"]);
    misuse("a template with an unknown field", &["build", "--tag", "{verison}"]);
    misuse("a template without an end", &["build", "--tag", "{version"]);
    misuse("a port that is none", &["build", "--expose", "70000"]);
    misuse("a label without a value", &["build", "--label", "team"]);
    misuse("a control character in a label", &["build", "--label", "team=a\u{7}"]);
    misuse("an invisible character", &["build", "--label", "team=a\u{200b}b"]);
    misuse("an order to the terminal in a folder", &["build", "--workdir", "/a\u{1b}[31m"]);
    misuse("an annotation without a value", &["build", "--annotation", "a"]);
    misuse("a variable without a value", &["build", "--env", "A"]);
    misuse("a line break in the name of a variable", &["build", "--env", "A\nB=1"]);
    misuse("a compression that there is not", &["build", "--compression", "xz"]);
    let required = ["verify", "x", "--key", "x.pub", "--require", "sboms"];
    misuse("something else that is required of a signed image", &required);
    misuse("a format of SBOMs that is mistyped", &["build", "--sbom", "cyclondx"]);
    misuse("a format of SBOMs that there is not", &["build", "--sbom", "spdx,swid"]);
    misuse("what is neither true nor false", &["build", "--provenance", "no"]);
    misuse("a user that is none", &["build", "--user", "a:b:c"]);
    misuse("a folder that is relative", &["build", "--workdir", "srv"]);
    misuse("an output of an unknown kind", &["build", "-o", "tar=x"]);
    misuse("an unknown option of an output", &["build", "-o", "oci-dir=x,referers=true"]);
    misuse("an option with a wrong value", &["build", "-o", "oci-dir=x,referrers=yes"]);
    misuse("attachments for Docker", &["build", "-o", "docker-archive=x.tar,referrers=true"]);
    misuse("prebuilt programs for nothing", &["build", "--prebuilt", "x"]);
    misuse("an unknown engine", &["load", "--engine", "lxc"]);
    misuse("an unknown engine that is like one", &["load", "--engine", "poodman"]);
    misuse("no registry to log in to", &["login"]);
    misuse("a registry with a path", &["login", "ghcr.io/acme"]);
    misuse("a registry with a scheme", &["login", "http://ghcr.io"]);
    misuse("a registry that is a word", &["login", "acme"]);
    misuse("nothing to look at", &["inspect"]);
    misuse("an image to bundle, and no place", &["bundle", "--from", "image"]);
    misuse("no key to sign with", &["sign", "base"]);
    misuse("a key in a service", &["sign", "base", "--key", "gcpkms://projects/a"]);
    misuse("a variable without a name", &["verify", "base", "--key", "env://"]);
    misuse("a type that is none", &["attach", "base", "a.txt", "--artifact-type", "sbom"]);
    misuse("a statement of a type that is none", &["sign", "base", "--key", "a.key", "--attest", "cyclonedy=a.json"]);
    misuse("a push that is to be signed without a key", &["push", "--sign"]);
    misuse("a key for a push that is not to be signed", &["push", "--key", "a.key"]);
    misuse("an unknown shell", &["completions", "zhs"]);
    told.check();
}

#[test]
fn variable_errors_match_snapshot() {
    let mut told = Snapshot::of("variables");
    let project = Project::new("x");
    let capital = format!("debian@sha256:{}", "7".repeat(63) + "E");
    for (key, value) in [
        ("CARGO_OCI_BASE", "Debian:12:slim"),
        ("CARGO_OCI_BASE", &capital),
        ("CARGO_OCI_PLATFORMS", "linux/amd46"),
        ("CARGO_OCI_REPOSITORY", "ghcr.io/acme/x:1"),
        ("CARGO_OCI_REPOSITORY", "ghcr.io/{env.UNSET}/x"),
        ("CARGO_OCI_REPOSITORY", "ghcr.io/{env.SHELL|lower}/X"),
        ("CARGO_OCI_REPOSITORY", ""),
        ("CARGO_OCI_TAGS", "latest,{verison}"),
        ("CARGO_OCI_TAGS", ""),
        ("CARGO_OCI_TAGS", "{git.tag?}"),
        ("SOURCE_DATE_EPOCH", "yesterday"),
        ("SOURCE_DATE_EPOCH", "999999999999999"),
        ("CARGO_TERM_VERBOSE", "loud"),
    ] {
        told.call(&format!("{key}={value}"), &project, &["build"], project.oci(&["build"]).env(key, value), 1);
    }
    let call = project.oci(&["build"]).env("CARGO_TERM_QUIET", "1");
    told.call("CARGO_TERM_QUIET=1", &project, &["build"], call, 2);
    told.check();
}
