//! The image in other places and forms.

use std::fs;

use crate::support::container::skopeo;
use crate::support::project::Project;
use crate::support::{digest, problems};

#[test]
fn outputs_include_layout_archive_and_docker_archive() {
    let project = Project::fixture("hello");
    let outputs =
        ["-o", "oci-dir=dir", "-o", "oci-archive=oci.tar", "-o", "docker-archive=docker.tar", "-t", "a", "-t", "b"];
    let ran = project.build(&outputs).succeeds();
    let built = digest(&project.layout());
    assert!(ran.stdout.trim_end().ends_with(&built), "{}", ran.stdout);
    assert_eq!(problems(&project.path("dir")), []);
    assert_eq!(digest(&project.path("dir")), built);

    let path = |name: &str| project.path(name).display().to_string();
    for archive in ["oci.tar", "docker.tar"] {
        let copy = project.path(&format!("from-{archive}"));
        let to = format!("oci:{}:b", copy.display());
        skopeo(&["copy", "--all", &format!("oci-archive:{}:b", path(archive)), &to]);
        assert_eq!(digest(&copy), built, "{archive}");
    }
    let docker = skopeo(&["inspect", &format!("docker-archive:{}:hello:a", path("docker.tar"))]);
    let docker: serde_json::Value = serde_json::from_str(&docker).expect("JSON");
    assert_eq!(docker["Architecture"], if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" });
}

#[test]
fn archives_are_reproducible() {
    let project = Project::new("x");
    let bytes = || {
        project.build(&["-o", "docker-archive=x.tar", "--platform", "linux/amd64"]).succeeds();
        fs::read(project.path("x.tar")).expect("an archive")
    };
    assert!(bytes() == bytes());
}

#[test]
fn metadata_file_describes_the_build() {
    let project = Project::fixture("hello");
    let built = |more: &[&str]| {
        project.build(&[&["--metadata-file", "out.json"], more].concat()).succeeds();
        let text = fs::read_to_string(project.path("out.json")).expect("a file");
        serde_json::from_str::<serde_json::Value>(&text).expect("JSON")["images"][0].clone()
    };
    let attached = built(&[])["attached"].as_array().expect("a list").clone();
    assert_eq!(attached.len(), 6);
    assert_eq!(attached[0]["artifactType"], "application/vnd.cyclonedx+json");
    // The layout would keep blobs of the image before.
    fs::remove_dir_all(project.layout()).expect("a layout");
    let image = built(&["--sbom", "false", "--provenance", "false"]);
    assert_eq!(image["digest"], digest(&project.layout()).as_str());
    assert_eq!(image["name"], "hello");
    assert_eq!(image["base"]["name"], "embedded");
    assert_eq!(image["manifests"][1]["platform"], "linux/arm64/v8");
    assert_eq!(image["manifests"][1]["layers"].as_array().map(Vec::len), Some(2));
    let blobs = fs::read_dir(project.layout().join("blobs/sha256")).expect("a layout");
    let size: u64 = blobs.map(|blob| blob.expect("a blob").metadata().expect("a size").len()).sum();
    assert_eq!(image["size"], size);
}

#[test]
fn output_folder_with_other_files_is_kept() {
    let project = Project::new("x").file("dir/precious", "");
    let words = project.build(&["--platform", "linux/amd64", "-o", "oci-dir=dir"]).fails(1);
    assert!(words.contains("cannot write dir: it is not empty and not an OCI layout"), "{words}");
    assert_eq!(fs::read_dir(project.path("dir")).expect("a folder").count(), 1);
}

#[test]
fn compression_setting_applies_and_is_cached() {
    let project = Project::new("x");
    let build = |compression: &str| {
        project.build(&["--platform", "linux/amd64", "--compression", compression]).succeeds();
        assert_eq!(problems(&project.layout()), [], "{compression}");
        let (manifest, config) = crate::support::image(&project.layout(), "linux/amd64");
        let layer = manifest["layers"][1].clone();
        let blob = crate::support::blob(&project.layout(), layer["digest"].as_str().expect("a digest"));
        let written = fs::metadata(blob).and_then(|blob| blob.modified()).expect("a blob");
        (layer["mediaType"].clone(), config["rootfs"]["diff_ids"].clone(), digest(&project.layout()), written)
    };
    let (gzip, zstd, none) = (build("gzip"), build("zstd"), build("none"));
    let media_type = |ending: &str| format!("application/vnd.oci.image.layer.v1.tar{ending}");
    assert_eq!((&gzip.0, &zstd.0), (&media_type("+gzip").into(), &media_type("+zstd").into()));
    assert_eq!(none.0, media_type(""));
    assert!(gzip.1 == zstd.1 && gzip.1 == none.1, "compression changes what is in the layer");
    assert_eq!(build("none"), none);
    assert_eq!(build("gzip").2, gzip.2);
}
