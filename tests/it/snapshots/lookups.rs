//! Images that `inspect` and `validate` cannot find.

use std::fs;

use crate::support::base::BaseImage;
use crate::support::project::Project;
use crate::support::snapshot::Snapshot;

/// Returns a document with its first digest in capitals.
fn in_capitals(document: &str) -> String {
    let (before, digest) = document.split_once("sha256:").expect("a digest");
    let (hex, after) = digest.split_at(64);
    format!("{before}sha256:{}{after}", hex.to_uppercase())
}

#[test]
fn lookup_errors_match_snapshot() {
    let mut told = Snapshot::of("lookups");
    let project = Project::new("x");
    BaseImage::new().write(&project.path("base"));
    BaseImage::new().write(&project.path("capitals"));
    let index = fs::read_to_string(project.path("capitals/index.json")).expect("an index");
    fs::write(project.path("capitals/index.json"), in_capitals(&index)).expect("an index");
    for command in ["inspect", "validate"] {
        let mut look = |title: &str, args: &[&str]| {
            told.error(&format!("{title}, to {command}"), &project, &[&[command], args].concat());
        };
        look("a layout that is not there", &["./nowhere"]);
        look("a file that is no archive", &["Cargo.toml"]);
        look("a folder that is no layout", &["./src"]);
        look("a tag that is not there", &["base:v9"]);
        look("a digest that is not there", &[&format!("base@sha256:{}", "0".repeat(64))]);
        let capital = format!("sha256:{}", "7".repeat(63) + "E");
        for place in ["base", "./base", "oci:base", "127.0.0.1:9/x", "127.0.0.1:9/x:1"] {
            look("a digest in capitals", &[&format!("{place}@{capital}")]);
        }
        look("a layout with a digest in capitals", &["capitals"]);
        look("a platform that is not there", &["base", "--platform", "linux/riscv64"]);
        told.error_later(
            &format!("a registry that is not there, to {command}"),
            &project,
            &[command, "127.0.0.1:9/x:1"],
        );
        told.error(&format!("nothing, to {command}"), &project, &[command, "scratch"]);
    }
    let capital = format!("base@sha256:{}", "7".repeat(63) + "E");
    for args in [
        &["verify", &capital, "--key", "cosign.pub"][..],
        &["sign", &capital, "--key", "cosign.key"],
        &["attach", &capital, "Cargo.toml", "--artifact-type", "text/x"],
        &["referrers", &capital],
        &["bundle", "--from", &capital, "bundle"],
    ] {
        told.error(&format!("a digest in capitals, to {}", args[0]), &project, args);
    }
    told.check();
}
