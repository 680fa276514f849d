//! `cargo oci inspect` and `cargo oci validate` of layouts, archives and the embedded base.

use std::fs;

use crate::support::base::{BaseImage, WrittenBase};
use crate::support::environment;
use crate::support::handmade::{Image, Layer, Packing, base};
use crate::support::process::{Ran, output};
use crate::support::project::Project;
use crate::support::referrers::ReferrersRegistry;
use crate::support::registry::sha256;
use serde_json::{Value, json};

/// A folder with that image as the layout `base`.
fn with(image: &BaseImage) -> (Project, WrittenBase) {
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
    let path = crate::support::blob(&project.path("base"), digest);
    let mut bytes = fs::read(&path).expect("a blob");
    edit(&mut bytes);
    fs::write(path, bytes).expect("a blob");
}

fn flip(bytes: &mut [u8]) {
    bytes[bytes.len() / 2] ^= 1;
}

#[test]
fn validate_of_valid_image_prints_nothing_to_stdout() {
    let (project, _) = with(&BaseImage::new().attestations());
    BaseImage::new().docker_types().write(&project.path("docker"));
    BaseImage::new().single("linux/arm64/v8").write(&project.path("single"));
    output(
        environment::command("tar")
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
fn validate_finds_every_flipped_bit() {
    let (_, written) = with(&BaseImage::new());
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
        let (project, _) = with(&BaseImage::new());
        change(&project, digest, |bytes| flip(bytes));
        assert_problem(&problems(&project, "base"), digest, &["its content has the digest sha256:", what]);
    }
}

#[test]
fn validate_names_truncated_oversized_and_missing_blobs() {
    let (_, written) = with(&BaseImage::new());
    let part = written.platform("linux/amd64").clone();
    for digest in part.layers.iter().chain([&part.config, &part.manifest, &written.digest]) {
        let (project, _) = with(&BaseImage::new());
        change(&project, digest, |bytes| bytes.truncate(bytes.len() / 2));
        assert_problem(&problems(&project, "base"), digest, &["it has only ", " bytes"]);
        let (project, _) = with(&BaseImage::new());
        change(&project, digest, |bytes| bytes.push(0));
        assert_problem(&problems(&project, "base"), digest, &["it has more than ", " bytes"]);
        let (project, _) = with(&BaseImage::new());
        fs::remove_file(crate::support::blob(&project.path("base"), digest)).expect("a blob");
        assert_problem(&problems(&project, "base"), digest, &["it is missing"]);
    }
}

#[test]
fn validate_reports_all_problems_at_once() {
    let (project, written) = with(&BaseImage::new());
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
fn validate_json_lists_problems() {
    let (project, written) = with(&BaseImage::new());
    let part = written.platform("linux/arm64/v8").clone();
    let found = |status: i32| {
        let ran = project.oci(&["validate", "--json", "base"]).run();
        assert_eq!(ran.status, status, "{}", ran.stderr);
        serde_json::from_str::<Value>(&ran.stdout).expect("JSON")
    };
    let right = found(0);
    assert_eq!(right["problems"], json!([]));
    assert!(right["blobs"].as_u64() > Some(6) && right["bytes"].as_u64() > Some(1000), "{right}");
    fs::remove_file(crate::support::blob(&written.folder, &part.config)).expect("a blob");
    let problem =
        json!({ "digest": part.config, "part": "config", "platforms": ["linux/arm64/v8"], "what": "it is missing" });
    assert_eq!(found(1)["problems"], json!([problem]));
}

#[test]
fn validate_checks_one_platform_alone() {
    let (project, written) = with(&BaseImage::new().attestations());
    let part = written.platform("linux/arm64/v8").clone();
    change(&project, &part.layers[0], |bytes| flip(bytes));
    let of = |platform: &str| project.oci(&["validate", "base", "--platform", platform]);
    of("linux/amd64").succeeds();
    assert_eq!(of("linux/arm64").run().status, 1);
    let words = of("linux/s390x").fails(1);
    assert!(
        words.contains("has no image for linux/s390x") && words.contains("it has images for linux/amd64"),
        "{words}"
    );
    BaseImage::new().single("linux/arm64/v8").write(&project.path("single"));
    project.oci(&["validate", "single", "--platform", "linux/arm64"]).succeeds();
    let words = project.oci(&["validate", "single", "--platform", "linux/amd64"]).fails(1);
    assert!(words.contains("it has images for linux/arm64/v8"), "{words}");
}

#[test]
fn validate_blames_wrong_diff_id_on_its_layer() {
    for packing in [Packing::None, Packing::Gzip, Packing::Zstd] {
        let layer = || Layer::new().packed(packing).file("a", &[7; 3000]);
        let lines = problems(&handmade(Image::new().layer(base()).layer(layer().wrong_diff_id())), "image");
        assert_eq!(lines.len(), 1, "{lines:?}");
        assert!(lines[0].contains("wrong diffID: the config has sha256:"), "{lines:?}");
    }
    for (layer, what) in [
        (Layer::new().file("a", &[7; 3000]).with_garbage(b"garbage"), "trailing data after the end"),
        (Layer::new().file("a", &[7; 3000]).cut_by(20), "cannot decompress it"),
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
        fs::write(crate::support::blob(&self.0.path("image"), &digest), content.as_ref()).expect("a blob");
        json!({ "mediaType": media_type, "digest": digest, "size": content.as_ref().len() })
    }

    /// The same for a document of OCI's.
    fn document(&self, kind: &str, mut content: Value) -> Value {
        let media_type = format!("application/vnd.oci.image.{kind}.v1+json");
        if kind != "config" {
            content["mediaType"] = json!(media_type);
        }
        self.put(&media_type, content.to_string())
    }

    /// Has the layout's `index.json` list these.
    fn list(&self, entries: &[&Value]) -> &Project {
        let index = json!({ "schemaVersion": 2, "manifests": entries }).to_string();
        fs::write(self.0.path("image/index.json"), index).expect("a file");
        &self.0
    }
}

#[test]
fn validate_compares_descriptors_with_documents() {
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
    let digest = |of: &Value| of["digest"].as_str().expect("a digest").to_owned();
    let odd = made.document("index", json!({ "manifests": [of(&right), { "digest": 7 }] }));
    let capital = digest(&right).to_uppercase().replace("SHA256", "sha256");
    let unnamed = made.document("index", json!({ "manifests": [of(&right), { "digest": capital }] }));
    for (entry, wrong, what) in [
        (&of(&two), &two, "it has 2 diff_ids, the manifest has 1 layers"),
        (&of(&none), &none, "it has 0 diff_ids, the manifest has 1 layers"),
        (&other, &right, "its platform is linux/arm64, but linux/amd64 in the index"),
        (&longer, &longer, "it has more than 3 bytes"),
        (&odd, &odd, "1 of its entries are not valid descriptors"),
        (&unnamed, &unnamed, &format!("`{capital}` is not a digest")),
    ] {
        assert_problem(&problems(made.list(&[entry]), "image"), &digest(wrong), &[what]);
    }
}

/// What `cargo oci inspect ARGS` prints.
#[track_caller]
fn inspected(project: &Project, args: &[&str]) -> String {
    let ran = project.oci(&[&["inspect"], args].concat()).succeeds();
    assert_eq!(ran.stderr, "");
    ran.stdout
}

/// The same as JSON.
#[track_caller]
fn json_of(project: &Project, args: &[&str]) -> Value {
    serde_json::from_str(&inspected(project, &[args, &["--json"]].concat())).expect("JSON")
}

#[track_caller]
fn assert_says(words: &str, parts: &[&str]) {
    for part in parts {
        assert!(words.contains(part), "{part:?} is not in:\n{words}");
    }
}

const TREE: &str = "\
oci:base (nonroot)  7.6 KiB
sha256:2279993607eaf81bcddd69bcab68e41bc45f8eff6f08c99d30cf9f13f7eb7bc0
└─ linux/amd64  3.8 KiB in 4 layers
   sha256:7cd86002b3211256c2c0337ad75ef716e7935fa76fc205ad4f69f3fd895fe630
   ├─ layers
   │  27befb53fc21      490 B   13%  gzip  bazel build //static
   │  ef6d698fb2b1      608 B   16%  gzip  bazel build //static
   │  2fe097681618      201 B    5%  zstd  bazel build //static
   │  087d9ff8ce80    2.5 KiB   66%  tar   bazel build //static
   ├─ config  4863329239bf
   │  created     1970-01-01T00:00:00Z
   │  user        65532
   │  entrypoint  /base/entrypoint
   │  cmd         --base
   │  env         PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
   │              SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt
   │  workdir     /home/nonroot
   │  labels      com.example.kept=yes
   │              org.opencontainers.image.source=https://example.com/base
   └─ attached
      └─ fdc5c1b6f389      243 B  attestation-manifest
                                  https://spdx.dev/Document
";

#[test]
fn inspect_tree_fits_the_screen() {
    let (project, _) = with(&BaseImage::new().attestations());
    assert_eq!(inspected(&project, &["base", "--platform", "linux/amd64"]), TREE);
    let all = inspected(&project, &["oci:base:nonroot"]);
    assert!(all.starts_with("oci:base:nonroot  12.7 KiB\nsha256:2279"), "{all}");
    assert_says(&all, &["├─ linux/arm64/v8  3.8", "└─ linux/arm/v7  3.8", "config  904227cc9889  same as linux/amd64"]);
    let colored = inspected(&project, &["base", "--platform", "linux/amd64", "--color", "always"]);
    assert!(colored.contains('\u{1b}'), "{colored}");
    assert_eq!(anstream::adapter::strip_str(&colored).to_string(), TREE);
}

#[test]
fn inspect_json_has_all_facts() {
    let (project, written) = with(&BaseImage::new().attestations());
    let all = json_of(&project, &["base"]);
    assert_eq!(all["reference"], "oci:base");
    let image = &all["images"][0];
    assert_eq!((&image["tags"], &image["digest"]), (&json!(["nonroot"]), &json!(written.digest)));
    let manifests = image["manifests"].as_array().expect("a list");
    for (found, part) in manifests.iter().zip(&written.platforms) {
        assert_eq!(found["platform"], json!(part.platform));
        assert_eq!((&found["digest"], &found["config"]["digest"]), (&json!(part.manifest), &json!(part.config)));
        let of_layers = |key: &str| {
            found["layers"].as_array().expect("a list").iter().map(|layer| layer[key].clone()).collect::<Value>()
        };
        assert_eq!((of_layers("digest"), of_layers("diffId")), (json!(part.layers), json!(part.diff_ids)));
        assert_eq!(found["attached"][0]["contents"][0]["mediaType"], "application/vnd.in-toto+json");
    }
    let config = &manifests[0]["config"];
    let said = json!([
        config["user"],
        config["entrypoint"],
        config["cmd"],
        config["workdir"],
        config["ports"],
        config["stopSignal"]
    ]);
    assert_eq!(said, json!(["65532", ["/base/entrypoint"], ["--base"], "/home/nonroot", [], null]));
    assert_eq!(config["labels"]["com.example.kept"], "yes");
    let one = json_of(&project, &["base", "--platform", "linux/arm64"]);
    assert_eq!(one["images"][0]["manifests"], json!([manifests[1]]));
}

#[test]
fn missing_platform_error_lists_available_ones() {
    let (project, _) = with(&BaseImage::new());
    BaseImage::new().single("linux/arm/v7").write(&project.path("single"));
    for (image, has) in [("base", "linux/amd64, linux/arm64/v8, linux/arm/v7"), ("single", "linux/arm/v7")] {
        let words = project.oci(&["inspect", image, "--platform", "linux/s390x"]).fails(1);
        assert_says(
            &words,
            &[
                &format!("cannot inspect oci:{image}"),
                "has no image for linux/s390x",
                &format!("help: it has images for {has}\n"),
            ],
        );
    }
    assert!(inspected(&project, &["single", "--platform", "linux/arm"]).contains("linux/arm/v7"));
    assert!(inspected(&project, &["embedded", "--platform", "linux/s390x"]).contains("cargo oci (embedded base)"));
    project.oci(&["inspect", "base", "--platform", "amd64"]).fails(2);
}

#[test]
fn inspect_shows_all_images_or_named_one() {
    let made = Handmade::new();
    let images: Vec<_> = ["a", "b"]
        .map(|user| {
            let config =
                made.document("config", json!({ "os": "linux", "architecture": "amd64", "config": { "User": user } }));
            made.document("manifest", json!({ "config": config, "layers": [] }))
        })
        .to_vec();
    let tagged = |image: &Value, tag: &str| {
        let mut image = image.clone();
        image["annotations"] = json!({ "org.opencontainers.image.ref.name": tag });
        image
    };
    let (one, two, three) = (tagged(&images[0], "one"), tagged(&images[1], "two"), tagged(&images[0], "three"));
    let project = made.list(&[&one, &two, &three]);
    let all = json_of(project, &["image"]);
    let tags: Vec<_> = all["images"].as_array().expect("a list").iter().map(|image| &image["tags"]).collect();
    assert_eq!(tags, [&json!(["one", "three"]), &json!(["two"])]);
    assert_says(&inspected(project, &["image"]), &["oci:image (one, three)  ", "user  a\n\noci:image (two)"]);
    for name in ["image:two".to_owned(), format!("image@{}", images[1]["digest"].as_str().expect("a digest"))] {
        let all = json_of(project, &[&name]);
        assert_eq!(all["images"].as_array().map(Vec::len), Some(1));
        assert_eq!(all["images"][0]["manifests"][0]["config"]["user"], "b");
    }
    let words = project.oci(&["inspect", "image:four"]).fails(1);
    assert_says(&words, &["cannot inspect oci:image:four", "has no tag four", "it has one, two, three: append one"]);
}

#[test]
fn inspect_rejects_files_that_are_not_archives() {
    let project = Project::empty("x").file("debian", "a note\n").file("Cargo.toml", &"# a note\n".repeat(100));
    let words = project.oci(&["inspect", "Cargo.toml"]).fails(1);
    assert_says(
        &words,
        &["Cargo.toml is not an OCI archive: it is not a tar file", "help: name an uncompressed tar file"],
    );
    let words = project.oci(&["inspect", "./debian"]).fails(1);
    assert_says(&words, &["./debian is not an OCI archive"]);
    // Nothing listens on port 9: it is not there that the image is looked for in earnest.
    let call = |name| project.oci(&["inspect", name]).env("HTTPS_PROXY", "http://127.0.0.1:9");
    assert_says(&call("debian:12").fails(1), &["help: write `docker.io/library/debian:12`"]);
    assert_says(&call("docker.io/library/debian:12").fails(1), &["cannot inspect docker.io/library/debian:12"]);
}

/// An image without layers, for linux/amd64.
fn plain(made: &Handmade) -> Value {
    let config = made.document("config", json!({ "os": "linux", "architecture": "amd64" }));
    made.document("manifest", json!({ "config": config, "layers": [] }))
}

/// An artifact that is attached to `subject`.
fn attached(made: &Handmade, kind: &str, subject: &Value) -> Value {
    let empty = made.put("application/vnd.oci.empty.v1+json", "{}");
    let content = made.put(kind, format!("{kind} of {}", subject["digest"]));
    made.document("manifest", json!({ "config": empty, "layers": [content], "artifactType": kind, "subject": subject }))
}

#[test]
fn inspect_shows_attachments_below_their_subjects() {
    let made = Handmade::new();
    let image = plain(&made);
    let sbom = attached(&made, "application/spdx+json", &image);
    let signature = attached(&made, "application/vnd.dev.sigstore.bundle.v0.3+json", &sbom);
    // One is listed by itself, the other under the tag that stands in for a registry's list.
    let list = made.document("index", json!({ "manifests": [signature] }));
    let mut list = list;
    let tag = sbom["digest"].as_str().expect("a digest").replace(':', "-");
    list["annotations"] = json!({ "org.opencontainers.image.ref.name": tag });
    let other =
        attached(&made, "text/plain", &json!({ "mediaType": "text/plain", "size": 1, "digest": sha256(b"elsewhere") }));
    let project = made.list(&[&image, &sbom, &list, &other]);
    let tree = inspected(project, &["image"]);
    let lines: Vec<_> = tree
        .lines()
        .filter(|line| line.contains("+json") || line.contains("artifact") || line.contains("attached"))
        .collect();
    assert_says(lines[0], &["   └─ attached"]);
    assert_says(lines[1], &["      └─ ", "application/spdx+json"]);
    assert_says(lines[2], &["         └─ ", "application/vnd.dev.sigstore.bundle.v0.3+json"]);
    assert_says(lines[3], &["└─ artifact  text/plain"]);
    assert_eq!(lines.len(), 4, "{tree}");
    project.oci(&["validate", "image"]).succeeds();
    let all = json_of(project, &["image"]);
    let found = &all["images"][0]["manifests"][0]["attached"][0];
    assert_eq!((&found["digest"], &found["attached"][0]["digest"]), (&sbom["digest"], &signature["digest"]));
}

#[test]
fn referrers_api_pages_are_followed() {
    let made = Handmade::new();
    let image = plain(&made);
    let all: Vec<_> = ["a/a", "b/b", "c/c"].map(|kind| attached(&made, kind, &image)).to_vec();
    let signature = attached(&made, "d/d", &all[1]);
    let project = made.list(&[&image, &all[0], &all[1], &all[2], &signature]);
    let registry = ReferrersRegistry::start(&project.path("image"));
    let found = json_of(project, &[&registry.reference("x:latest")]);
    let local = json_of(project, &["image"]);
    assert_eq!(found["images"][0]["manifests"], local["images"][0]["manifests"]);
    let found = found["images"][0]["manifests"][0]["attached"].as_array().expect("a list").clone();
    let kinds: Vec<_> = found.iter().map(|attached| &attached["artifactType"]).collect();
    assert_eq!(kinds, ["a/a", "b/b", "c/c"]);
    assert_eq!(found[1]["attached"][0]["artifactType"], "d/d");
}

#[test]
fn inspect_shows_minimal_and_docker_images() {
    let made = Handmade::new();
    let layer = made.put("application/vnd.oci.image.layer.v1.tar", [0; 1024]);
    let config = |content: Value| {
        let mut content = content;
        content["os"] = json!("linux");
        content["architecture"] = json!("amd64");
        made.document("config", content)
    };
    let of = |config: Value| made.document("manifest", json!({ "config": config, "layers": [layer, layer] }));
    let step = |text: &str| json!({ "created_by": text });
    let nop = json!({ "created_by": "/bin/sh -c #(nop)  CMD [\"x\"]", "empty_layer": true });
    let (first, second) = (step("/bin/sh -c #(nop) ADD file:1 in / "), step("RUN a \\\n\t && b # buildkit"));
    for (content, lines) in [
        (json!({}), ["50%  tar\n", "50%  tar\n"]),
        (json!({ "config": null, "history": null, "rootfs": null }), ["50%  tar\n", "50%  tar\n"]),
        (json!({ "history": [first] }), ["50%  tar\n", "50%  tar\n"]),
        (json!({ "history": [nop, first, nop, second] }), ["tar   ADD file:1 in /\n", "tar   RUN a && b\n"]),
        (json!({ "history": [{ "comment": "squashed" }, first] }), ["tar   squashed\n", "tar   ADD file:1 in /\n"]),
    ] {
        assert_says(&inspected(made.list(&[&of(config(content))]), &["image"]), &lines);
    }
    let chart = made.put("application/vnd.cncf.helm.config.v1+json", "{}");
    let title = json!({ "org.opencontainers.image.title": "chart.tgz" });
    let mut file = made.put("application/vnd.cncf.helm.chart.content.v1.tar+gzip", "x");
    file["annotations"] = title;
    let chart = made.document("manifest", json!({ "config": chart, "layers": [file], "annotations": { "a": "b" } }));
    let tree = inspected(made.list(&[&chart]), &["image"]);
    assert_says(
        &tree,
        &[
            "└─ artifact  application/vnd.cncf.helm.config.v1+json",
            "100%  application/vnd.cncf.helm.chart.content.v1.tar+gzip  chart.tgz",
            "annotations\n      a=b\n",
        ],
    );
    let words = made.0.oci(&["inspect", "image", "--platform", "linux/amd64"]).fails(1);
    assert_says(&words, &["it has no platform at all"]);
}

#[test]
fn inspect_finds_base_in_annotations_or_labels() {
    let made = Handmade::new();
    let name = json!({ "org.opencontainers.image.base.name": "docker.io/library/debian:12" });
    let digest = sha256(b"debian");
    let config =
        made.document("config", json!({ "os": "linux", "architecture": "amd64", "config": { "Labels": name } }));
    let mut image = made.document("manifest", json!({ "config": config, "layers": [] }));
    image["platform"] = json!({ "os": "linux", "architecture": "amd64" });
    let annotations = json!({ "org.opencontainers.image.base.digest": digest, "x": "y" });
    let index = made.document("index", json!({ "manifests": [image], "annotations": annotations }));
    let tree = inspected(made.list(&[&index]), &["image"]);
    assert_says(&tree, &[&format!("base  docker.io/library/debian:12\n│     {digest}\n"), "└─ annotations\n   x=y\n"]);
    assert!(!tree.contains("image.base.name="), "it is told twice:\n{tree}");
}

#[test]
fn inspect_marks_missing_blobs_and_rejects_corrupt_ones() {
    let (project, written) = with(&BaseImage::new());
    let arm = written.platform("linux/arm/v7");
    fs::remove_file(crate::support::blob(&project.path("base"), &arm.manifest)).expect("a blob");
    assert_says(&inspected(&project, &["base"]), &[&format!("└─ linux/arm/v7  missing\n   {}\n", arm.manifest)]);
    let all = json_of(&project, &["base"]);
    assert_eq!(all["images"][0]["manifests"][2]["missing"], true);
    let amd = written.platform("linux/amd64");
    for digest in [&amd.config, &amd.manifest, &written.digest] {
        let (project, _) = with(&BaseImage::new());
        change(&project, digest, |bytes| flip(bytes));
        let words = project.oci(&["inspect", "base"]).fails(1);
        assert_says(
            &words,
            &[
                "cannot inspect oci:base",
                &format!("cannot read {digest} from the layout base"),
                "wrong content: expected sha256:",
            ],
        );
    }
    // Layers are not looked at.
    change(&project, &amd.layers[0], |bytes| flip(bytes));
    inspected(&project, &["base"]);
}

#[test]
fn inspect_escapes_terminal_control_characters() {
    let evil = "\u{1b}[31m\u{9b}x\r\ny";
    let image =
        Image::new().layer(base()).config("Labels", json!({ "a": evil, "b\u{7}": "c" })).config("User", json!(evil));
    let project = handmade(image);
    let tree = inspected(&project, &["image"]);
    assert_says(&tree, &["user        \\u{1b}[31m\\u{9b}x\\r\\ny\n", "a=\\u{1b}[31m", "b\\u{7}=c"]);
    let text = inspected(&project, &["image", "--json"]);
    for printed in [&tree, &text] {
        assert!(!printed.contains(|c: char| c.is_control() && c != '\n'), "{printed:?}");
    }
    assert_eq!(json_of(&project, &["image"])["images"][0]["manifests"][0]["config"]["user"], json!(evil));
}

#[test]
fn inspect_of_missing_image_is_an_error() {
    let project = Project::empty("x").file("a.txt", "text");
    for (image, what) in [
        ("./nowhere", "there is no OCI layout in ./nowhere"),
        ("oci:nowhere", "cannot inspect oci:nowhere"),
        ("a.txt", "cannot inspect oci-archive:a.txt"),
        ("scratch", "`scratch` has no content"),
    ] {
        assert_says(&project.oci(&["inspect", image]).fails(1), &[what]);
        assert_says(&project.oci(&["validate", image]).fails(1), &[&what.replace("inspect", "validate")]);
    }
    project.oci(&["inspect"]).fails(2);
    project.oci(&["inspect", ""]).fails(2);
}

#[test]
fn files_of_an_image_are_listed() {
    let (project, _) = with(&BaseImage::new());
    let all = project.oci(&["inspect", "base", "--files", "--platform", "linux/arm64"]).succeeds().stdout;
    assert!(all.lines().any(|line| line.starts_with("-rw-r--r-- 0:0") && line.ends_with(" /etc/passwd")), "{all}");
    assert!(all.lines().any(|line| line.starts_with("drwxrwxrwt 0:0") && line.ends_with(" /tmp")), "{all}");
    let some = project.oci(&["inspect", "base", "--files", "/etc/passwd"]).succeeds().stdout;
    assert!(some.starts_with("linux/amd64 sha256:"), "{some}");
    let platforms = some.lines().filter(|line| line.starts_with("linux/")).count();
    assert_eq!(some.lines().filter(|line| line.ends_with(" /etc/passwd")).count(), platforms, "{some}");
    let json = project.oci(&["inspect", "base", "--json", "--files", "/etc"]).succeeds().stdout;
    let json: Value = serde_json::from_str(&json).expect("JSON");
    let files = json["images"][0]["files"].as_array().expect("files");
    assert_eq!(
        (&files[0]["path"], &files[0]["type"], &files[0]["layer"]),
        (&json!("/etc"), &json!("directory"), &json!(null))
    );
    let passwd = files.iter().find(|file| file["path"] == "/etc/passwd").expect("a file");
    assert_eq!((&passwd["mode"], &passwd["uid"]), (&json!("0644"), &json!(0)));
    assert!(passwd["layer"].as_str().is_some_and(|layer| layer.starts_with("sha256:")), "{passwd}");
}

#[test]
fn files_that_are_missing_are_named() {
    let (project, _) = with(&BaseImage::new());
    let missing = project.oci(&["inspect", "base", "--files", "/nope"]).fails(1);
    assert!(missing.contains("the image has no /nope") && missing.contains("help: "), "{missing}");
    let image_last = project.oci(&["inspect", "--files", "base"]).run();
    assert_eq!(image_last.status, 2);
    assert!(image_last.stderr.contains("name the image before `--files`"), "{}", image_last.stderr);
}
