//! `cargo oci validate` of layouts, archives and the embedded base.

mod support;

use std::fs;

use serde_json::{Value, json};
use support::base::{BaseImage, WrittenBase};
use support::handmade::{Image, Layer, Packing, base};
use support::process::{Ran, output};
use support::project::Project;
use support::registry::sha256;

/// A folder with that image as the layout `base`.
fn with(image: BaseImage) -> (Project, WrittenBase) {
    let project = Project::empty("x");
    let written = image.write(&project.path("base"));
    (project, written)
}

/// A folder with that image as the layout `image`.
fn handmade(image: Image) -> Project {
    let project = Project::empty("x");
    image.write(&project.path("image"));
    project
}

/// The lines of `cargo oci validate IMAGE`, which finds something wrong; without the paths of this run.
#[track_caller]
fn problems(project: &Project, image: &str) -> Vec<String> {
    let Ran { stdout, stderr, status } = project.oci(&["validate", image]).run();
    assert_eq!(status, 1, "{stdout}{stderr}");
    let lines: Vec<_> = stdout.lines().map(str::to_owned).collect();
    assert!(!lines.is_empty(), "{stderr}");
    assert!(stderr.contains(&format!("error: found {}", lines.len())), "{stderr}");
    lines
}

/// Asserts that there is one problem, that this digest has it, and that it is said in these words.
#[track_caller]
fn assert_problem(lines: &[String], digest: &str, parts: &[&str]) {
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].starts_with(&format!("{digest}: ")), "{digest} is not in {lines:?}");
    for part in parts {
        assert!(lines[0].contains(part), "{part} is not in {lines:?}");
    }
}

/// Changes a blob of the layout `base`.
fn change(project: &Project, digest: &str, edit: impl FnOnce(&mut Vec<u8>)) {
    let path = support::blob(&project.path("base"), digest);
    let mut bytes = fs::read(&path).expect("a blob");
    edit(&mut bytes);
    fs::write(path, bytes).expect("a blob");
}

fn flip(bytes: &mut [u8]) {
    bytes[bytes.len() / 2] ^= 1;
}

#[test]
fn an_image_that_is_right_is_said_to_be_and_nothing_is_on_stdout() {
    let (project, _) = with(BaseImage::new().attestations());
    BaseImage::new().docker_types().write(&project.path("docker"));
    BaseImage::new().single("linux/arm64/v8").write(&project.path("single"));
    output(
        std::process::Command::new("tar")
            .arg("-C")
            .arg(project.path("base"))
            .args(["-cf"])
            .arg(project.path("a.tar"))
            .arg("."),
    );
    for image in [
        "base",
        "base:nonroot",
        "oci:base",
        "docker",
        "single",
        "a.tar",
        "a.tar:nonroot",
        "oci-archive:a.tar",
        "embedded",
    ] {
        let ran = project.oci(&["validate", image]).succeeds();
        assert_eq!(ran.stdout, "");
        assert!(ran.stderr.contains("Validated "), "{}", ran.stderr);
        assert_eq!(project.oci(&["validate", "-q", image]).succeeds().stderr, "");
    }
}

#[test]
fn a_flipped_bit_is_found_wherever_it_is() {
    let (_, written) = with(BaseImage::new());
    let part = written.platform("linux/arm64/v8").clone();
    let shared = "(a layer of linux/amd64, linux/arm64/v8, linux/arm/v7)";
    let cases = [
        (&part.layers[0], "(a layer of linux/arm64/v8)"),
        (&part.layers[1], shared),
        (&part.layers[2], shared),
        (&part.layers[3], shared),
        (&part.config, "(the config of linux/arm64/v8)"),
        (&part.manifest, "(the manifest of linux/arm64/v8)"),
        (&written.digest, "(the index)"),
    ];
    for (digest, what) in cases {
        let (project, _) = with(BaseImage::new());
        change(&project, digest, |bytes| flip(bytes));
        assert_problem(&problems(&project, "base"), digest, &["its content is sha256:", what]);
    }
}

#[test]
fn a_blob_that_is_cut_off_goes_on_or_is_missing_is_named() {
    let (_, written) = with(BaseImage::new());
    let part = written.platform("linux/amd64").clone();
    for digest in part.layers.iter().chain([&part.config, &part.manifest, &written.digest]) {
        let (project, _) = with(BaseImage::new());
        change(&project, digest, |bytes| bytes.truncate(bytes.len() / 2));
        assert_problem(&problems(&project, "base"), digest, &["it should have ", " bytes, but ended after "]);
        let (project, _) = with(BaseImage::new());
        change(&project, digest, |bytes| bytes.push(0));
        assert_problem(&problems(&project, "base"), digest, &["it should have ", " bytes, but goes on"]);
        let (project, _) = with(BaseImage::new());
        fs::remove_file(support::blob(&project.path("base"), digest)).expect("a blob");
        assert_problem(&problems(&project, "base"), digest, &["it is missing"]);
    }
}

#[test]
fn all_that_is_wrong_is_named_at_once() {
    let (project, written) = with(BaseImage::new());
    let (first, second) = (written.platform("linux/amd64"), written.platform("linux/arm/v7"));
    let wrong = [&first.config, &second.manifest, &first.layers[0], &first.layers[2]];
    for digest in wrong {
        change(&project, digest, |bytes| flip(bytes));
    }
    let mut found: Vec<_> = problems(&project, "base").iter().map(|line| line[..71].to_owned()).collect();
    let mut wanted: Vec<_> = wrong.map(String::clone).to_vec();
    found.sort();
    wanted.sort();
    assert_eq!(found, wanted);
}

#[test]
fn a_wrong_diff_id_and_a_broken_archive_are_problems_of_their_layer() {
    for packing in [Packing::None, Packing::Gzip, Packing::Zstd] {
        let layer = || Layer::new().packed(packing).file("a", &[7; 3000]);
        let lines = problems(&handmade(Image::new().layer(base()).layer(layer().wrong_diff_id())), "image");
        assert_eq!(lines.len(), 1, "{lines:?}");
        assert!(lines[0].contains("the config says diffID sha256:"), "{lines:?}");
    }
    for (layer, what) in [
        (Layer::new().file("a", &[7; 3000]).with_garbage(b"garbage"), "not gzip follows the end"),
        (Layer::new().file("a", &[7; 3000]).cut_by(20), "cannot be decompressed"),
    ] {
        let lines = problems(&handmade(Image::new().layer(layer)), "image");
        assert!(lines.len() == 1 && lines[0].contains(what), "{lines:?}");
    }
}

/// The folder `x/image`, in the making: documents by hand, of whatever content.
struct Handmade(Project);

impl Handmade {
    fn new() -> Handmade {
        let project = Project::empty("x");
        fs::create_dir_all(project.path("image/blobs/sha256")).expect("a folder");
        Handmade(project.file("image/oci-layout", r#"{"imageLayoutVersion":"1.0.0"}"#))
    }

    /// The descriptor of content that is in the layout from now on.
    fn put(&self, media_type: &str, content: impl AsRef<[u8]>) -> Value {
        let digest = sha256(content.as_ref());
        fs::write(support::blob(&self.0.path("image"), &digest), content.as_ref()).expect("a blob");
        json!({ "mediaType": media_type, "digest": digest, "size": content.as_ref().len() })
    }

    /// The same for a document of OCI's.
    fn document(&self, kind: &str, content: Value) -> Value {
        self.put(&format!("application/vnd.oci.image.{kind}.v1+json"), content.to_string())
    }

    /// Has the layout's `index.json` list these.
    fn list(&self, entries: &[&Value]) -> &Project {
        let index = json!({ "schemaVersion": 2, "manifests": entries }).to_string();
        fs::write(self.0.path("image/index.json"), index).expect("a file");
        &self.0
    }
}

#[test]
fn what_documents_say_of_each_other_has_to_agree() {
    let made = Handmade::new();
    let layer = made.put("application/vnd.oci.image.layer.v1.tar", [0; 1024]);
    let config = |diff_ids: &[&Value]| {
        made.document("config", json!({ "os": "linux", "architecture": "arm64", "rootfs": { "diff_ids": diff_ids } }))
    };
    let of = |config: &Value| made.document("manifest", json!({ "config": config, "layers": [layer] }));
    let (right, two, none) = (
        config(&[&layer["digest"]]),
        config(&[&layer["digest"], &layer["digest"]]),
        made.document("config", json!({})),
    );
    let mut other = of(&right);
    other["platform"] = json!({ "os": "linux", "architecture": "amd64" });
    let mut longer = of(&right);
    longer["size"] = json!(3);
    let odd = made.document("index", json!({ "manifests": [of(&right), { "digest": "x" }] }));
    let digest = |of: &Value| of["digest"].as_str().expect("a digest").to_owned();
    for (entry, wrong, what) in [
        (&of(&two), &two, "2 diff_ids for 1 layers"),
        (&of(&none), &none, "0 diff_ids for 1 layers"),
        (&other, &right, "the index says linux/amd64, the config says linux/arm64"),
        (&longer, &longer, "it should have 3 bytes, but goes on"),
        (&odd, &odd, "1 of its entries are no descriptors"),
    ] {
        assert_problem(&problems(made.list(&[entry]), "image"), &digest(wrong), &[what]);
    }
}
