//! What is attached to an image, printed again; and images that are named by the path of a layout.

use std::fs;

use crate::support::base::BaseImage;
use crate::support::project::Project;
use crate::support::snapshot::Snapshot;
use serde_json::Value;

const CYCLONEDX: &str = r#"{"bomFormat":"CycloneDX","components":[
    {"type":"library","name":"serde","version":"1.0.228","licenses":[{"expression":"MIT OR Apache-2.0"}],"purl":"pkg:cargo/serde@1.0.228"},
    {"type":"library","name":"a","version":"2"}]}"#;
const SPDX: &str = r#"{"spdxVersion":"SPDX-2.3","packages":[{"name":"b","versionInfo":"3","licenseDeclared":"MIT"}]}"#;

/// Creates a folder with the layout `base`, to which both SBOMs are attached, and one to the image for linux/arm64.
fn project() -> Project {
    let project = Project::new("x").file("app.cdx.json", CYCLONEDX).file("app.spdx.json", SPDX).file("a.txt", "a\n");
    BaseImage::new().write(&project.path("base"));
    for args in [
        &["app.cdx.json"][..],
        &["app.spdx.json"],
        &["app.spdx.json", "--platform", "linux/arm64/v8", "--annotation", "for=arm"],
        &["a.txt", "--artifact-type", "text/plain"],
    ] {
        project.oci(&[&["attach", "base"], args].concat()).succeeds();
    }
    project
}

#[test]
fn referrers_get_prints_the_file_itself() {
    let project = project();
    let get = |args: &[&str]| project.oci(&[&["referrers", "base", "--get"], args].concat()).succeeds().stdout;
    assert_eq!(get(&["cyclonedx"]), CYCLONEDX);
    assert_eq!(get(&["application/vnd.cyclonedx+json"]), CYCLONEDX);
    assert_eq!(get(&["spdx"]), SPDX, "that of the index, not that of a platform");
    assert_eq!(get(&["text/plain"]), "a\n");
    let found: Value =
        serde_json::from_str(&project.oci(&["referrers", "base", "--json"]).succeeds().stdout).expect("JSON");
    let attached = &found["subjects"][0]["attached"][0];
    for digest in [&attached["digest"], &attached["contents"][0]["digest"]] {
        let digest = digest.as_str().expect("a digest");
        assert_eq!(get(&[digest]), CYCLONEDX);
        assert_eq!(get(&[&digest["sha256:".len()..][..12]]), CYCLONEDX);
    }
    assert_eq!(get(&["text/plain", "--output", "out.txt"]), "out.txt\n");
    assert_eq!(fs::read_to_string(project.path("out.txt")).expect("a file"), "a\n");
    // What is attached to another image is not meant.
    let platform = ["spdx", "--platform", "linux/amd64"];
    let failed = project.oci(&[&["referrers", "base", "--get"], &platform[..]].concat()).fails(1);
    assert!(failed.contains("nothing is attached to it"), "{failed}");
}

#[test]
fn sbom_from_reads_what_is_attached() {
    let project = project();
    let sbom = |args: &[&str]| project.oci(&[&["sbom", "--from", "base"], args].concat()).succeeds().stdout;
    assert_eq!(sbom(&[]), CYCLONEDX);
    assert_eq!(sbom(&["--format", "spdx"]), SPDX);
    assert_eq!(
        sbom(&["--format", "list"]),
        "NAME   VERSION  LICENSE\na      2        -\nserde  1.0.228  MIT OR Apache-2.0\n"
    );
    assert_eq!(
        sbom(&["--format", "list", "--platform", "linux/arm64"]),
        "NAME  VERSION  LICENSE\nb     3        MIT\n"
    );
    let json: Value = serde_json::from_str(&sbom(&["--format", "json"])).expect("JSON");
    assert_eq!(json[1]["purl"], "pkg:cargo/serde@1.0.228");
    assert_eq!(json[0]["license"], Value::Null);
}

#[test]
fn layout_of_the_workspace_is_found_below() {
    let project = Project::new("x");
    BaseImage::new().write(&project.path("target/oci/x"));
    let found = project.oci(&["inspect", "target/oci/x"]).within("src").succeeds().stdout;
    assert!(found.contains("target/oci/x"), "{found}");
    let failed = project.oci(&["inspect", "target/oci/y"]).within("src").fails(1);
    assert!(failed.contains("there is no OCI layout in target/oci/y\n\nhelp: there is target/oci/x"), "{failed}");
    let failed = Project::new("y").oci(&["inspect", "target/oci/y"]).fails(1);
    assert!(!failed.contains("docker.io"), "{failed}");
}

#[test]
fn short_names_of_what_is_here_match_snapshot() {
    let mut told = Snapshot::of("short_names").after_building();
    let project = Project::new("x").file("debian", "no image").file("redis/redis.conf", "").file("a.txt", "");
    for name in ["x", "x@linux-amd64", "y@linux-arm64"] {
        BaseImage::new().write(&project.path(&format!("target/oci/{name}")));
    }
    for (title, args) in [
        ("an image that was built", &["inspect", "x"][..]),
        ("an image that was built, with its tag", &["inspect", "x:latest"]),
        ("an image that was built for one platform", &["validate", "y"]),
        ("what is signed", &["sign", "x", "--key", "cosign.key"]),
        ("what is verified", &["verify", "x", "--key", "cosign.pub"]),
        ("what something is attached to", &["attach", "x", "a.txt", "--artifact-type", "text/plain"]),
        ("what is attached", &["referrers", "x"]),
        ("what an SBOM is attached to", &["sbom", "--from", "x"]),
        ("a folder with the name of an image", &["inspect", "redis:8"]),
        ("a file with the name of an image", &["inspect", "debian"]),
    ] {
        told.error(title, &project, args);
    }
    let within = project.oci(&["inspect", "x"]).within("src").env("NO_COLOR", "1");
    told.call("an image of the workspace", &project, &["inspect", "x"], within, 1);
    told.check();
}

#[test]
fn reading_back_errors_match_snapshot() {
    let mut told = Snapshot::of("reading_back");
    let project = project().file("other.cdx.json", "{}");
    BaseImage::new().write(&project.path("bare"));
    told.misuse("an attachment without a known name", &project, &["referrers", "base", "--get", "cyclondx"]);
    told.error("an attachment that is not there", &project, &["referrers", "base", "--get", "text/html"]);
    told.error("an attachment of an image without any", &project, &["referrers", "bare", "--get", "spdx"]);
    told.error("an SBOM of an image without one", &project, &["sbom", "--from", "bare"]);
    told.error(
        "an SBOM for two platforms",
        &project,
        &["sbom", "--from", "base", "--platform", "linux/amd64,linux/arm64"],
    );
    told.error(
        "an output that cannot be written",
        &project,
        &["referrers", "base", "--get", "spdx", "-o", "no/out.txt"],
    );
    told.error("a file whose name says nothing", &project, &["attach", "base", "a.txt"]);
    told.error("a name that is too long for Docker Hub", &project, &["inspect", "images/of/mine"]);
    project.oci(&["attach", "base", "other.cdx.json"]).succeeds();
    told.error("two attachments of one type", &project, &["referrers", "base", "--get", "cyclonedx"]);
    project.oci(&["attach", "base", "other.cdx.json", "--platform", "linux/amd64"]).succeeds();
    let list = ["sbom", "--from", "base", "--format", "list", "--platform", "linux/amd64"];
    told.error("an SBOM that is none", &project, &list);
    told.check();
}
