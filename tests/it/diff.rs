//! `cargo oci diff` of layouts.

use std::fs;

use serde_json::{Value, json};

use crate::snapshots::{AMD64, elf};
use crate::support::base::BaseImage;
use crate::support::blob;
use crate::support::handmade::{Image, Layer, Packing, base};
use crate::support::process::Ran;
use crate::support::project::Project;
use crate::support::strict::{Behaviour, StrictRegistry};

/// A folder with two images as the layouts `a` and `b`.
fn two(a: Image, b: Image) -> Project {
    let project = Project::empty("x");
    a.write(&project.path("a"));
    b.write(&project.path("b"));
    project
}

/// The lines that `cargo oci diff a b` prints with status 1, below the names of both.
#[track_caller]
fn lines(project: &Project) -> Vec<String> {
    let Ran { stdout, stderr, status } = project.oci(&["diff", "a", "b"]).run();
    assert_eq!((status, stderr.as_str()), (1, ""), "{stdout}");
    let lines: Vec<_> = stdout.lines().map(str::to_owned).collect();
    assert!(lines[0].starts_with("--- oci:a@sha256:") && lines[1].starts_with("+++ oci:b@sha256:"), "{stdout}");
    assert_eq!(lines[2], "linux/amd64");
    lines[3..].to_vec()
}

/// The same without the lines about layers and diffIDs.
#[track_caller]
fn files(project: &Project) -> Vec<String> {
    lines(project).into_iter().filter(|line| !line.contains(" layer ")).collect()
}

fn json(project: &Project) -> Value {
    let ran = project.oci(&["diff", "a", "b", "--json"]).run();
    serde_json::from_str(&ran.stdout).expect("JSON")
}

/// The digests of the layers of a layout.
fn layers(project: &Project, layout: &str) -> Vec<String> {
    let shown = project.oci(&["inspect", layout, "--json"]).succeeds().stdout;
    let shown: Value = serde_json::from_str(&shown).expect("JSON");
    let layers = shown["images"][0]["manifests"][0]["layers"].as_array().expect("layers").clone();
    layers.iter().map(|layer| layer["digest"].as_str().expect("a digest").to_owned()).collect()
}

fn app(content: &[u8]) -> Layer {
    Layer::new().folder("app/").mode(0o755).file("app/x", content)
}

#[test]
fn diff_of_same_images_prints_nothing() {
    let project = two(Image::new().layer(base()), Image::new().layer(base()));
    // Nothing but the list of a layout is read.
    for layout in ["a", "b"] {
        fs::remove_dir_all(project.path(&format!("{layout}/blobs"))).expect("blobs");
    }
    let ran = project.oci(&["diff", "a", "oci:b:latest"]).succeeds();
    assert_eq!(ran.stdout, "");
    assert!(ran.stderr.contains("Same oci:a and oci:b:latest: sha256:"), "{}", ran.stderr);
    assert_eq!(project.oci(&["diff", "-q", "a", "b"]).succeeds().stderr, "");
    let found = json(&project);
    assert_eq!((&found["same"], &found["platforms"]), (&json!(true), &json!([])));
}

#[test]
fn diff_names_values_of_configs() {
    let a = Image::new().layer(base()).config("Env", json!(["A=1", "B=2"])).config("User", json!("0"));
    let a = a.config("Labels", json!({ "x.y": "1" }));
    let b = Image::new().layer(base()).config("Env", json!(["C=3", "A=\u{1b}[1m\n2"]));
    let b = b.config("Labels", json!({ "x.y": "2" })).config("Entrypoint", json!(["/app/x"]));
    assert_eq!(
        lines(&two(a, b)),
        [
            "  ~ config.Entrypoint: [\"/bin/x\"] → [\"/app/x\"]",
            "  ~ config.Env.A: 1 → \\u{1b}[1m\\n2",
            "  - config.Env.B: 2",
            "  + config.Env.C: 3",
            "  ~ config.Labels.x.y: 1 → 2",
            "  - config.User: 0",
        ]
    );
    let order = |list: Value| Image::new().layer(base()).config("Env", list);
    let found = lines(&two(order(json!(["A=1", "B=2"])), order(json!(["B=2", "A=1"]))));
    assert!(found.len() == 1 && found[0].starts_with("  ~ (order or white space): sha256:"), "{found:?}");
}

#[test]
fn diff_names_files_that_differ() {
    let a = Layer::new().folder("app/").file("app/gone", b"1234").file("app/x", b"a").file("app/same", b"s");
    let a =
        a.mode(0o644).file("app/mode", b"m").symlink("app/link", "x").file("app/kind", b"").mtime(5).file("app/t", b"");
    let b = Layer::new().folder("app/").file("app/x", b"bb").file("app/same", b"s").owner(5).file("app/mode", b"m");
    let b = b
        .owner(0)
        .symlink("app/link", "y")
        .symlink("app/kind", "x")
        .file("app/t", b"")
        .mode(0o600)
        .file("app/new", b"");
    let project = two(Image::new().layer(base()).layer(a), Image::new().layer(base()).layer(b));
    assert_eq!(
        files(&project),
        [
            "  - /app/gone: -rw-r--r-- 0:0 4 B",
            "  ~ /app/kind: type - → l, mode 0644 → 0777",
            "  ~ /app/link: target x → y",
            "  ~ /app/mode: owner 0:0 → 5:5",
            "  + /app/new: -rw------- 0:0 0 B",
            "  ~ /app/x: content 1 B → 2 B",
            "  ~ 1 file differs only in the time of last change",
        ]
    );
    let found = json(&project);
    let platform = &found["platforms"][0];
    assert_eq!(
        (&platform["change"], &platform["onlyTimes"], &platform["packages"]),
        (&json!("changed"), &json!(1), &json!(null))
    );
    assert_eq!(platform["layers"][0]["a"]["number"], 2);
    let digest = crate::support::registry::sha256(b"1234");
    let gone =
        json!({ "type": "file", "mode": "0644", "uid": 0, "gid": 0, "size": 4, "target": null, "digest": digest });
    assert_eq!(
        platform["files"][0],
        json!({ "path": "/app/gone", "change": "removed", "differs": [], "a": gone, "b": null })
    );
}

#[test]
fn diff_does_not_read_common_layers() {
    let project = two(Image::new().layer(base()).layer(app(b"1")), Image::new().layer(base()).layer(app(b"2")));
    for layout in ["a", "b"] {
        let common = layers(&project, layout)[0].clone();
        fs::remove_file(blob(&project.path(layout), &common)).expect("a layer");
    }
    assert_eq!(files(&project), ["  ~ /app/x: content"]);
}

#[test]
fn diff_reads_common_layers_where_they_matter() {
    let cases = [
        // A file that was there before, or not.
        (app(b"1").file("etc/group", b""), app(b"1"), vec!["  ~ /etc/group: content 0 B → 24 B"]),
        (app(b"1").file("etc/new", b""), app(b"1"), vec!["  - /etc/new: -rw-r--r-- 0:0 0 B"]),
        // A name that goes.
        (app(b"1"), app(b"1").file("etc/.wh.group", b""), vec!["  - /etc/group: -rw-r--r-- 0:0 24 B"]),
        (
            Layer::new().folder("etc/").file("etc/.wh..wh..opq", b""),
            Layer::new().folder("etc/"),
            vec!["  + /etc/group: -rw-r--r-- 0:0 24 B", "  + /etc/passwd: -rw-r--r-- 0:0 38 B"],
        ),
        // A folder whose mode only one layer says, and a link to a file below.
        (Layer::new().file("bin/y", b""), Layer::new().folder("bin/").file("bin/y", b""), vec![]),
        (Layer::new().hard_link("bin/y", "bin/x"), Layer::new().mode(0o755).file("bin/y", b"#!"), vec![]),
    ];
    for (a, b, expected) in cases {
        let project = two(Image::new().layer(base()).layer(a), Image::new().layer(base()).layer(b));
        assert_eq!(files(&project), expected);
    }
}

#[test]
fn diff_of_other_compression_finds_the_layer_only() {
    let image = |packing| Image::new().layer(base().packed(packing));
    let found = lines(&two(image(Packing::Gzip), image(Packing::Zstd)));
    let layers = "application/vnd.oci.image.layer.v1.tar+";
    assert_eq!(found[0], format!("  ~ layers[0].mediaType: {layers}gzip → {layers}zstd"));
    assert!(found.len() == 2 && found[1].starts_with("  ~ layer 1: "), "{found:?}");
}

#[test]
fn diff_compares_platform_by_platform() {
    let project = Project::empty("x");
    BaseImage::new().write(&project.path("a"));
    BaseImage::new().big(1).write(&project.path("b"));
    BaseImage::new().riscv64().write(&project.path("c"));
    let ran = project.oci(&["diff", "a", "c"]).run();
    assert_eq!(ran.status, 1);
    let more: Vec<_> = ran.stdout.lines().skip(2).collect();
    assert!(more.len() == 1 && more[0].starts_with("+ linux/riscv64  sha256:"), "{more:?}");
    let same = project.oci(&["diff", "a", "c", "--platform", "linux/amd64"]).succeeds();
    assert!(same.stderr.contains("Same oci:a and oci:c"), "{}", same.stderr);
    let ran = project.oci(&["diff", "a", "b", "--platform", "linux/arm/v7"]).run();
    let headings: Vec<_> = ran.stdout.lines().filter(|line| !line.starts_with([' ', '-', '+'])).collect();
    assert_eq!((ran.status, headings), (1, vec!["linux/arm/v7"]));
    let words = project.oci(&["diff", "a", "b", "--platform", "linux/s390x"]).fails(1);
    assert!(words.contains("oci:a has no image for linux/s390x") || words.contains("has no image for"), "{words}");
}

#[test]
fn diff_compares_packages_of_sboms() {
    let sbom = |version: &str, more: &str| {
        let component = |name: &str, version: &str| json!({ "type": "library", "name": name, "version": version });
        json!({ "bomFormat": "CycloneDX", "components": [component("serde", version), component(more, "1")] })
            .to_string()
    };
    let project = two(Image::new().layer(app(b"1")), Image::new().layer(app(b"2")));
    let project = project.file("a.json", &sbom("1.0.1", "old")).file("b.json", &sbom("1.0.2", "new"));
    for layout in ["a", "b"] {
        let file = format!("{layout}.json");
        project.oci(&["attach", layout, &file, "--artifact-type", "application/vnd.cyclonedx+json"]).succeeds();
    }
    assert_eq!(
        files(&project),
        ["  ~ /app/x: content", "  ~ package serde: 1.0.1 → 1.0.2", "  - package old: 1", "  + package new: 1"]
    );
}

#[test]
fn diff_rejects_what_is_no_image() {
    let hostile = Image::new().layer(base()).layer(Layer::new().file("../x", b""));
    let project = two(Image::new().layer(base()).layer(app(b"1")), hostile);
    let words = project.oci(&["diff", "a", "b"]).fails(1);
    assert!(words.contains("cannot compare oci:a with oci:b") && words.contains("has `..` in its path"), "{words}");
    let wrong = Image::new().layer(base()).layer(app(b"2").wrong_diff_id());
    let words = two(Image::new().layer(base()).layer(app(b"1")), wrong).oci(&["diff", "a", "b"]).fails(1);
    assert!(words.contains("wrong diffID"), "{words}");
    let words = project.oci(&["diff", "a", "nowhere.tar"]).fails(1);
    assert!(words.contains("there is no OCI layout in nowhere.tar"), "{words}");
    project.oci(&["diff", "a"]).fails(2);
}

#[test]
fn diff_of_references_requests_what_differs() {
    let project = Project::new("x");
    let registry = StrictRegistry::start(Behaviour::default());
    let push = |tag: &str, more: &[&str]| {
        fs::write(project.path("program"), elf(AMD64)).expect("a file");
        let to = registry.reference(&format!("acme/x:{tag}"));
        let args =
            ["push", &to, "--base", "embedded", "--platform", "linux/amd64", "--prebuilt", "linux/amd64=program"];
        project.oci(&[&args, more].concat()).succeeds();
        to
    };
    let (a, b) = (push("1", &[]), push("2", &["--env", "A=1"]));
    let requests = |a: &str, b: &str| {
        let before = registry.log().lines().count();
        let ran = project.oci(&["diff", a, b]).run();
        let log = registry.log();
        let requests = log.lines().skip(before).filter_map(|line| line.split_once(" GET "));
        let blobs = requests.filter(|(_, target)| target.contains("/blobs/")).count();
        (ran.status, log.lines().count() - before, blobs, ran.stdout)
    };
    // Nothing but what the tags name.
    let (status, all, blobs, _) = requests(&a, &a);
    assert!(status == 0 && all <= 4 && blobs == 0, "{all}");
    // No layer: the configs alone differ. SBOMs are read for their packages.
    let (status, _, blobs, stdout) = requests(&a, &b);
    assert!(status == 1 && stdout.contains("\n  + config.Env.A: 1\n") && !stdout.contains(" layer "), "{stdout}");
    assert!(blobs <= 6, "{blobs}");
}
