//! `cargo oci index`: images that were pushed from several machines → one index.

use std::fs;
use std::time::Duration;

use serde_json::{Value, json};

use crate::snapshots::{AMD64, elf};
use crate::support::base::BaseImage;
use crate::support::environment;
use crate::support::process::{output, succeed_at_once};
use crate::support::project::{Call, Project};
use crate::support::registry::sha256;
use crate::support::snapshot::Snapshot;
use crate::support::strict::faults::{Fault, Planned, Point};
use crate::support::strict::referrers::{Attaching, Etags};
use crate::support::strict::tags::Immutable;
use crate::support::strict::{Behaviour, StrictRegistry};

/// Platforms, and the machines in the headers of their programs.
const PROGRAMS: [(&str, u8); 4] =
    [("linux/amd64", AMD64), ("linux/arm64", 183), ("linux/riscv64", 243), ("linux/ppc64le", 21)];
const REPOSITORY: &str = "acme/x";

/// A checkout of one commit, with programs that were compiled elsewhere. `more` is added to Cargo.toml.
fn checkout(more: &str) -> Project {
    let project = Project::new("x").append("Cargo.toml", more).file(".gitignore", "target\n/parts\n");
    for (platform, machine) in PROGRAMS {
        fs::write(project.path(&program(platform)), elf(machine)).expect("a file");
    }
    commit(&project, "one");
    project
}

fn program(platform: &str) -> String {
    platform.replace('/', "-")
}

fn commit(project: &Project, message: &str) {
    let git = |args: &[&str]| {
        let mut command = environment::command("git");
        let identity = ["-c", "user.name=x", "-c", "user.email=x@example.org", "-c", "init.defaultBranch=main"];
        command.args(identity).args(args).current_dir(project.root());
        let date = "2026-01-02T03:04:05Z";
        output(command.env("GIT_AUTHOR_DATE", date).env("GIT_COMMITTER_DATE", date));
    };
    git(&["init", "--quiet"]);
    git(&["add", "--all"]);
    git(&["commit", "--quiet", "--allow-empty", "--message", message]);
}

fn prebuilt(platforms: &[&str]) -> Vec<String> {
    let programs = platforms.iter().map(|platform| format!("--prebuilt={platform}={}", program(platform)));
    [format!("--platform={}", platforms.join(","))].into_iter().chain(programs).collect()
}

fn push(project: &Project, registry: &StrictRegistry, platforms: &[&str], more: &[&str]) -> Call {
    let (repository, programs) = (registry.reference(REPOSITORY), prebuilt(platforms));
    let programs: Vec<_> = programs.iter().map(String::as_str).collect();
    project.push(&[&["--repository", &repository][..], &programs, more].concat())
}

/// Pushes the image for one platform without a tag, as a job of CI does; its file is `parts/OS-ARCHITECTURE.json`.
fn push_part(project: &Project, registry: &StrictRegistry, platform: &str) -> String {
    fs::create_dir_all(project.path("parts")).expect("a folder");
    let file = format!("parts/{}.json", program(platform));
    let pushed = push(project, registry, &[platform], &["--by-digest", "--metadata-file", &file]).succeeds().stdout;
    pushed.trim().rsplit_once('@').expect("a digest").1.to_owned()
}

fn index(project: &Project, args: &[&str]) -> Call {
    project.oci(&[&["index"], args].concat())
}

fn digest(line: &str) -> &str {
    line.trim().rsplit_once('@').expect("a digest").1
}

/// The platforms of the index that a tag names.
fn platforms(registry: &StrictRegistry, tag: &str) -> Vec<String> {
    let repository = registry.repository(REPOSITORY);
    let manifest = &repository.manifests[&registry.tag(REPOSITORY, tag).expect("a tag")];
    let index: Value = serde_json::from_slice(&manifest.bytes).expect("JSON");
    let entries = index["manifests"].as_array().expect("an index").iter();
    entries
        .map(|entry| format!("{}/{}", entry["platform"]["os"], entry["platform"]["architecture"]).replace('"', ""))
        .collect()
}

/// What is attached to the index: type and digest.
fn attached(project: &Project, image: &str) -> Vec<(String, String)> {
    let found = project.oci(&["referrers", "--json", image]).succeeds().stdout;
    let found: Value = serde_json::from_str(&found).expect("JSON");
    let all = found["subjects"][0]["attached"].as_array().expect("a list").iter();
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    all.map(|one| (text(&one["artifactType"]), text(&one["digest"]))).collect()
}

#[test]
fn index_of_parts_is_that_of_one_build() {
    let registry = StrictRegistry::start(Behaviour::default());
    let all = ["linux/riscv64", "linux/amd64", "linux/arm64"];
    let one = checkout("");
    let whole = push(&one, &registry, &all, &["--tag", "whole", "--sbom", "cyclonedx,spdx"]).succeeds().stdout;
    // Two more checkouts; the order of parts does not matter, nor that of the platforms above.
    let (two, three) = (checkout(""), checkout(""));
    fs::create_dir_all(two.path("parts/deep")).expect("a folder");
    fs::create_dir_all(three.path("parts")).expect("a folder");
    let by_digest = ["--by-digest", "--sbom", "cyclonedx,spdx", "--metadata-file"];
    push(&two, &registry, &["linux/arm64"], &[&by_digest[..], &["parts/deep/a.json"]].concat()).succeeds();
    push(&two, &registry, &["linux/riscv64"], &[&by_digest[..], &["parts/b.json"]].concat()).succeeds();
    push(&three, &registry, &["linux/amd64"], &[&by_digest[..], &["parts/c.json"]].concat()).succeeds();
    fs::copy(three.path("parts/c.json"), two.path("parts/c.json")).expect("a copy");
    // Files of other kinds may be there too.
    fs::write(two.path("parts/package.json"), "{}").expect("a file");
    let ran = index(&Project::empty("y"), &[two.path("parts").to_str().expect("a path")]).succeeds();
    assert_eq!(digest(&ran.stdout), digest(&whole), "{}", ran.stderr);
    assert_eq!(registry.tag(REPOSITORY, "latest").as_deref(), Some(digest(&whole)));
    // The SBOMs are those of one build too; the provenance says what happened.
    let (made, cyclonedx) = (attached(&one, &registry.reference("acme/x:latest")), "application/vnd.cyclonedx+json");
    let kinds = |kind: &str| made.iter().filter(|(of, _)| of == kind).count();
    assert_eq!((kinds(cyclonedx), kinds("application/spdx+json"), kinds("application/vnd.in-toto+json")), (1, 1, 2));
    assert_eq!(registry.violations(), [""; 0]);
}

#[test]
fn index_has_documents_of_its_parts() {
    let registry = StrictRegistry::start(Behaviour::default());
    let (project, vex) = (
        checkout(""),
        "{\"@context\":\"https://openvex.dev/ns/v0.2.0\",\"@id\":\"https://example.org/1\",\
        \"author\":\"acme\",\"timestamp\":\"2026-01-02T03:04:05Z\",\"version\":1,\"statements\":[{\"vulnerability\":{\"name\":\"CVE-2026-1\"},\
        \"products\":[{\"@id\":\"pkg:oci/x\"}],\"status\":\"not_affected\",\"justification\":\"component_not_present\"}]}",
    );
    fs::write(project.path("x.openvex.json"), vex).expect("a file");
    fs::create_dir_all(project.path("parts")).expect("a folder");
    for platform in ["linux/amd64", "linux/arm64"] {
        let file = format!("parts/{}.json", program(platform));
        let more = ["--by-digest", "--metadata-file", &file, "--sbom", "cyclonedx,spdx", "--vex", "x.openvex.json"];
        push(&project, &registry, &[platform], &more).succeeds();
    }
    index(&project, &["parts"]).succeeds();
    let image = registry.reference("acme/x:latest");
    let kinds: Vec<_> = attached(&project, &image).into_iter().map(|(kind, _)| kind).collect();
    let count = |wanted: &str| kinds.iter().filter(|kind| *kind == wanted).count();
    assert_eq!(count("application/vnd.cyclonedx+json"), 1, "{kinds:?}");
    assert_eq!(count("application/spdx+json"), 1, "{kinds:?}");
    assert_eq!(count("application/vnd.in-toto+json"), 2, "{kinds:?}");
    let provenance = project.oci(&["referrers", &image, "--get", "provenance"]).succeeds().stdout;
    let provenance: Value = serde_json::from_str(&provenance).expect("JSON");
    let definition = &provenance["predicate"]["buildDefinition"];
    assert_eq!(definition["buildType"], "urn:cargo-oci:index:1");
    let names: Vec<_> =
        definition["resolvedDependencies"].as_array().expect("a list").iter().map(|one| &one["name"]).collect();
    // The parts first, then what they were made of, each once.
    assert_eq!(names[..2], ["linux/amd64", "linux/arm64/v8"]);
    assert_eq!(names.iter().filter(|name| **name == "source").count(), 1, "{names:?}");
    assert_eq!(provenance["subject"].as_array().map(Vec::len), Some(1));
}

#[test]
fn index_makes_each_image_of_a_workspace() {
    let registry = StrictRegistry::start(Behaviour::default());
    let other = registry.reference("acme/other");
    let own = registry.reference(REPOSITORY);
    let project = checkout(&format!(
        "[package.metadata.oci]\nrepository = \"{own}\"\n[package.metadata.oci.images.other]\nrepository = \"{other}\"\ntags = [\"o\"]\n"
    ));
    fs::create_dir_all(project.path("parts")).expect("a folder");
    for platform in ["linux/amd64", "linux/arm64"] {
        let (file, programs) = (format!("parts/{}.json", program(platform)), prebuilt(&[platform]));
        let programs: Vec<_> = programs.iter().map(String::as_str).collect();
        project.push(&[&["--by-digest", "--metadata-file", &file][..], &programs].concat()).succeeds();
    }
    let ran = index(&project, &["parts", "--metadata-file", "made.json"]).succeeds();
    assert_eq!(ran.stdout.lines().count(), 2, "{}", ran.stdout);
    assert_eq!(registry.tag(REPOSITORY, "latest").as_deref(), Some(digest(ran.stdout.lines().next().expect("a line"))));
    assert!(registry.tag("acme/other", "o").is_some() && registry.tag("acme/other", "latest").is_none());
    let made: Value = serde_json::from_slice(&fs::read(project.path("made.json")).expect("a file")).expect("JSON");
    assert_eq!(made["images"][1]["name"], "other");
    assert_eq!(made["images"][1]["repositories"][0], other);
    assert_eq!(made["images"][0]["manifests"][1]["platform"], "linux/arm64/v8");
    // What was made can be named again.
    let again = index(&project, &[&registry.reference("acme/x:again"), "made.json", "--allow-mixed"]).run();
    assert!(again.stderr.contains("two different images are for linux/amd64"), "{}", again.stderr);
}

#[test]
fn index_needs_the_platforms_of_the_package() {
    let registry = StrictRegistry::start(Behaviour::default());
    let project = checkout("");
    push_part(&project, &registry, "linux/amd64");
    let words = index(&project, &["parts"]).fails(1);
    assert!(words.contains("there is no image for linux/arm64/v8: parts/linux-amd64.json has linux/amd64"), "{words}");
    assert!(words.contains("--platform linux/arm64/v8 --metadata-file FILE"), "{words}");
    assert_eq!(registry.tag(REPOSITORY, "latest"), None);
    // Elsewhere, nothing says which platforms there are.
    let parts = project.path("parts");
    index(&Project::empty("y"), &[parts.to_str().expect("a path")]).succeeds();
    index(&project, &["parts", "--require", "linux/amd64"]).succeeds();
}

#[test]
fn parts_of_two_commits_are_refused_unless_allowed() {
    let registry = StrictRegistry::start(Behaviour::default());
    let project = checkout("");
    push_part(&project, &registry, "linux/amd64");
    commit(&project, "two");
    push_part(&project, &registry, "linux/arm64");
    let words = index(&project, &["parts"]).fails(1);
    assert!(words.contains("the parts are of different commits: "), "{words}");
    assert!(words.contains("linux/arm64/v8 (parts/linux-arm64.json)"), "{words}");
    assert_eq!(registry.tag(REPOSITORY, "latest"), None);
    index(&project, &["parts", "--allow-mixed"]).succeeds();
    assert_eq!(platforms(&registry, "latest"), ["linux/amd64", "linux/arm64"]);
}

#[test]
fn parts_elsewhere_are_copied_with_attachments() {
    let registry = StrictRegistry::start(Behaviour::default());
    let (project, there) = (checkout(""), registry.reference("acme/parts"));
    project.oci(&["generate-key"]).env("COSIGN_PASSWORD", "").succeeds();
    let key = ["--sign", "--key", "cosign.key", "--repository", &there, "--by-digest"];
    let programs = prebuilt(&["linux/amd64"]);
    let pushed =
        project.push(&[&key[..], &[&programs[0], &programs[1]]].concat()).env("COSIGN_PASSWORD", "").succeeds();
    let programs = prebuilt(&["linux/arm64"]);
    project.build(&["-o", "oci-archive=arm64.tar,referrers=true", &programs[0], &programs[1]]).succeeds();
    let programs = prebuilt(&["linux/riscv64"]);
    project.build(&[&programs[0], &programs[1]]).succeeds();
    let to = registry.reference("acme/x:all");
    let made = index(&project, &[&to, pushed.stdout.trim(), "arm64.tar", "target/oci/x"]).succeeds();
    assert_eq!(platforms(&registry, "all"), ["linux/amd64", "linux/arm64", "linux/riscv64"]);
    let found = project.oci(&["referrers", "--json", &to]).succeeds().stdout;
    let found: Value = serde_json::from_str(&found).expect("JSON");
    let counts: Vec<_> = found["subjects"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|one| one["attached"].as_array().expect("a list").len())
        .collect();
    // SBOM and provenance everywhere; the first part has three signatures too.
    assert_eq!(counts, [2, 5, 2, 2], "{}", made.stderr);
    let part = found["subjects"][1]["digest"].as_str().expect("a digest");
    let part = registry.reference(&format!("{REPOSITORY}@{part}"));
    project.oci(&["verify", &part, "--key", "cosign.pub", "--require", "sbom"]).succeeds();
    assert_eq!(registry.violations(), [""; 0]);
}

#[test]
fn index_is_signed_before_its_tags_move() {
    let registry = StrictRegistry::start(Behaviour::default());
    let project = checkout("");
    project.oci(&["generate-key"]).env("COSIGN_PASSWORD", "").succeeds();
    push_part(&project, &registry, "linux/amd64");
    let key = ["--require", "linux/amd64", "--sign", "--key", "cosign.key"];
    let signed = index(&project, &[&["parts"], &key[..]].concat()).env("COSIGN_PASSWORD", "").succeeds();
    let image = registry.reference("acme/x:latest");
    for what in ["sbom", "provenance"] {
        project.oci(&["verify", &image, "--key", "cosign.pub", "--require", what]).succeeds();
    }
    let log = registry.log();
    let tag = log.rfind("PUT /v2/acme/x/manifests/latest").expect("a tag");
    let last = log.rfind("PUT /v2/acme/x/manifests/").expect("a request");
    assert_eq!(tag, last, "{log}");
    assert!(signed.stderr.contains("Signed index sha256:"), "{}", signed.stderr);
}

#[test]
fn append_and_remove_change_what_a_tag_names() {
    let registry = StrictRegistry::start(Behaviour::default());
    let project = checkout("");
    let [amd64, arm64, riscv64] =
        ["linux/amd64", "linux/arm64", "linux/riscv64"].map(|platform| push_part(&project, &registry, platform));
    let image = registry.reference("acme/x:edge");
    let words = index(&project, &[&image, "--append", &amd64]).fails(1);
    assert!(words.contains(&format!("there is no {image}")), "{words}");
    let all = index(&project, &[&image, &arm64, &amd64, &riscv64, "--annotation", "team=a"]).succeeds().stdout;
    index(&project, &[&image, "--remove", "linux/riscv64", "--tag", "more"]).succeeds();
    assert_eq!(platforms(&registry, "edge"), ["linux/amd64", "linux/arm64"]);
    assert_eq!(registry.tag(REPOSITORY, "more"), registry.tag(REPOSITORY, "edge"));
    let words = index(&project, &[&image, "--remove", "linux/riscv64"]).fails(1);
    assert!(words.contains("it has linux/amd64, linux/arm64/v8"), "{words}");
    // The annotation of the index stays: so it is the same again.
    let again = index(&project, &[&image, "--append", &riscv64]).succeeds().stdout;
    assert_eq!(again, all);
    let same = index(&project, &[&image, "--append", &riscv64]).succeeds();
    assert!(same.stderr.contains("Unchanged"), "{}", same.stderr);
    // Another build for the same platform takes the place of the first if that is asked for.
    fs::write(project.path(&program("linux/riscv64")), [elf(243), vec![0; 8]].concat()).expect("a file");
    let other = push_part(&project, &registry, "linux/riscv64");
    let words = index(&project, &[&image, "--append", &other, "--allow-mixed"]).fails(1);
    assert!(words.contains("two different images are for linux/riscv64"), "{words}");
    let args = [image.as_str(), "--append", "--remove", "linux/riscv64", &other, "--allow-mixed"];
    index(&project, &args).succeeds();
    let words = index(&project, &[&image, "--remove", "linux/amd64,linux/arm64,linux/riscv64,linux/amd64"]).fails(1);
    assert!(words.contains("nothing would be left"), "{words}");
}

#[test]
fn appends_at_once_lose_nothing() {
    let project = checkout("");
    for etags in [Etags::None, Etags::Ignored, Etags::Kept, Etags::Refused] {
        let latency = Duration::from_millis(10);
        let registry = StrictRegistry::start(Behaviour { etags, latency, is_shared: true, ..Behaviour::default() });
        let parts = PROGRAMS.map(|(platform, _)| push_part(&project, &registry, platform));
        let image = registry.reference("acme/x:shared");
        index(&project, &[&image, &parts[0]]).succeeds();
        succeed_at_once(parts[1..].iter().map(|part| index(&project, &[&image, "--append", part]).direct()));
        assert_eq!(platforms(&registry, "shared").len(), PROGRAMS.len(), "{etags:?}\n{}", registry.log());
        assert_eq!(registry.violations(), [""; 0], "{etags:?}");
    }
}

#[test]
fn registry_without_attachments_gets_the_index_alone() {
    let registry = StrictRegistry::start(Behaviour { attaching: Attaching::Refused, ..Behaviour::default() });
    let project = checkout("");
    push_part(&project, &registry, "linux/amd64");
    let ran = index(&project, &["parts", "--require", "linux/amd64"]).succeeds();
    assert!(registry.tag(REPOSITORY, "latest").is_some(), "{}", ran.stderr);
}

#[test]
fn immutable_tag_is_named() {
    let registry = StrictRegistry::start(Behaviour {
        immutable: Some(Immutable::Harbor),
        etags: Etags::Kept,
        ..Behaviour::default()
    });
    let project = checkout("");
    let parts = ["linux/amd64", "linux/arm64"].map(|platform| push_part(&project, &registry, platform));
    let image = registry.reference("acme/x:v1");
    index(&project, &[&image, &parts[0]]).succeeds();
    let words = index(&project, &[&image, &parts[0], &parts[1]]).fails(1);
    assert!(words.contains("cannot move the tag v1: it is immutable"), "{words}");
    let words = index(&project, &[&image, "--append", &parts[1]]).fails(1);
    assert!(words.contains("immutable"), "{words}");
    assert_eq!(platforms(&registry, "v1"), ["linux/amd64"]);
}

#[test]
fn versions_of_windows_are_kept() {
    let registry = StrictRegistry::start(Behaviour::default());
    let project = Project::empty("y");
    let config = b"{\"os\":\"windows\",\"architecture\":\"amd64\"}";
    registry.put_blob(REPOSITORY, config);
    let kind = |name: &str| format!("application/vnd.oci.image.{name}.v1+json");
    let image = |label: &str| {
        let config = json!({ "mediaType": kind("config"), "digest": sha256(config), "size": config.len() });
        let annotations = json!({ "label": label });
        let content =
            json!({ "schemaVersion": 2, "config": config, "layers": [], "annotations": annotations }).to_string();
        registry.put_manifest(REPOSITORY, &kind("manifest"), content.as_bytes(), None);
        (sha256(content.as_bytes()), content.len())
    };
    let entries = ["10.0.17763", "10.0.20348"].map(|version| {
        let (digest, size) = image(version);
        let platform =
            json!({ "os": "windows", "architecture": "amd64", "os.version": version, "os.features": ["win32k"] });
        json!({ "mediaType": kind("manifest"), "digest": digest, "size": size, "platform": platform })
    });
    let content = json!({ "schemaVersion": 2, "manifests": entries }).to_string();
    registry.put_manifest(REPOSITORY, &kind("index"), content.as_bytes(), Some("both"));
    let both = registry.reference("acme/x:both");
    index(&project, &[&registry.reference("acme/x:made"), &both]).succeeds();
    let repository = registry.repository(REPOSITORY);
    let made = &repository.manifests[&registry.tag(REPOSITORY, "made").expect("a tag")];
    let made: Value = serde_json::from_slice(&made.bytes).expect("JSON");
    assert_eq!(made["manifests"], json!(entries));
}

#[test]
fn tag_that_moved_without_an_answer_has_moved() {
    let fault = Planned {
        fault: Fault::ErrorAfterCommit,
        point: Point::PutManifest,
        content: Some("latest".to_owned()),
        times: None,
    };
    let registry = StrictRegistry::start(Behaviour { faults: vec![fault], ..Behaviour::default() });
    let project = checkout("");
    push_part(&project, &registry, "linux/amd64");
    index(&project, &["parts", "--require", "linux/amd64"]).env("CARGO_OCI_TIMEOUT", "5s").succeeds();
    assert!(registry.tag(REPOSITORY, "latest").is_some());
}

#[test]
fn wrong_sources_are_errors() {
    let registry = StrictRegistry::start(Behaviour::default());
    let project = checkout("");
    let part = push_part(&project, &registry, "linux/amd64");
    let image = registry.reference("acme/x:v1");
    BaseImage::new().write(&project.path("base"));
    fs::write(project.path("cut.json"), "{\"images\": [").expect("a file");
    fs::write(project.path("other.json"), "{}").expect("a file");
    fs::write(project.path("built.json"), "{\"images\": [{\"name\": \"x\", \"manifests\": []}]}").expect("a file");
    fs::create_dir(project.path("empty")).expect("a folder");
    let found =
        project.oci(&["referrers", "--json", &format!("{}@{part}", registry.reference(REPOSITORY))]).succeeds().stdout;
    let found: Value = serde_json::from_str(&found).expect("JSON");
    let attachment = found["subjects"][0]["attached"][0]["digest"].as_str().expect("a digest").to_owned();
    let missing = format!("sha256:{}", "0".repeat(64));
    let mut snapshot = Snapshot::of("index").after_building();
    for (text, name) in
        [(registry.reference(""), "REGISTRY/"), (part.clone(), "PART"), (attachment.clone(), "ATTACHMENT")]
    {
        snapshot.writing(&text, name);
    }
    let metadata = fs::read_to_string(project.path("parts/linux-amd64.json")).expect("a file");
    let edited = |name: &str, from: &str, to: &str| {
        assert!(metadata.contains(from), "{metadata}");
        fs::write(project.path(name), metadata.replacen(from, to, 1)).expect("a file");
    };
    edited("path.json", "\"latest\"", "\"../../victim/manifests/latest\"");
    edited("name.json", "\"name\": \"x\"", "\"name\": \"x\\n../y\"");
    edited("platform.json", "\"platform\": \"linux/amd64\"", "\"platform\": \"linux/arm64\"");
    edited("unknown.json", "\"platform\": \"linux/amd64\"", "\"platform\": \"unknown/unknown\"");
    let mut two: Value = serde_json::from_str(&metadata).expect("JSON");
    let mut other = two["images"][0].clone();
    other["name"] = "other".into();
    two["images"].as_array_mut().expect("a list").push(other);
    fs::write(project.path("two.json"), two.to_string()).expect("a file");
    fs::write(project.path("none.json"), "{\"images\": []}").expect("a file");
    let pinned = format!("{}@{part}", registry.reference(REPOSITORY));
    let nothing = registry.reference("acme/nothing:1");
    for (title, args) in [
        ("a digest, and no image to make", &[part.as_str()][..]),
        ("an image to change that is not named", &["parts", "--append"]),
        ("a file that does not exist", &["nothing.json"]),
        ("a folder that does not exist", &["nothing"]),
        ("a file that was cut off", &["cut.json"]),
        ("a file of another kind", &["other.json"]),
        ("a file of a run that has pushed nothing", &["built.json"]),
        ("a folder without files", &["empty"]),
        ("no parts", &[&image]),
        ("an image to make with a digest", &[&pinned, &part]),
        ("a digest that is not there", &[&image, &missing]),
        ("an attachment", &[&image, &attachment]),
        ("a repository that is not there", &[&image, "parts", &nothing]),
        ("a tag that is not there", &[&image, "--append", &part]),
        ("a digest that was cut off", &[&image, "sha256:dddc"]),
        ("a part without a registry", &[&image, "latest"]),
        ("a tag that is a path", &["path.json"]),
        ("a name of two lines", &["name.json"]),
        ("another platform than that of the config", &["platform.json"]),
        ("no platform", &["unknown.json"]),
        ("two images at one place", &["two.json"]),
        ("a file without images", &["none.json"]),
        ("a result without a folder", &["parts", "--metadata-file", "nowhere/made.json"]),
    ] {
        snapshot.error(title, &project, &[&["index"], args].concat());
    }
    snapshot.check();
    assert_eq!(registry.tag(REPOSITORY, "v1"), None);
}
