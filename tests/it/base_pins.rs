//! `cargo oci base pin`, `check` and `update`: digests of bases in Cargo.toml, and no other byte of it.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::base::BaseImage;
use crate::support::handmade::{Image, Layer, base};
use crate::support::process::{Process, Ran};
use crate::support::project::{Call, Project};
use crate::support::strict::random::Random;
use crate::support::strict::referrers::Attaching;
use crate::support::strict::{Behaviour, StrictRegistry};

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// How cargo-oci's temporary files begin.
const TEMPORARY: &str = ".cargo-oci-new-";

fn registry() -> StrictRegistry {
    StrictRegistry::start(Behaviour { attaching: Attaching::Api, ..Behaviour::default() })
}

/// An age of a base of this distribution, with these packages and certificates, for amd64.
fn age(id: &str, version: &str, packages: &[(&str, &str)], certificates: &[&str]) -> Image {
    let pem = |name: &&str| format!("# {name}\n-----BEGIN CERTIFICATE-----\n{name}\n-----END CERTIFICATE-----\n");
    let pem: String = certificates.iter().map(pem).collect();
    let release = format!("PRETTY_NAME=\"Distroless\"\nID=\"{id}\"\nVERSION_ID=\"{version}\"\n");
    let mut layer = Layer::new()
        .file("usr/lib/os-release", release.as_bytes())
        .symlink("etc/os-release", "../usr/lib/os-release")
        .file("etc/ssl/certs/ca-certificates.crt", pem.as_bytes());
    for (name, version) in packages {
        let status = format!("Package: {name}\nVersion: {version}\nArchitecture: all\n");
        layer = layer.file(&format!("var/lib/dpkg/status.d/{name}"), status.as_bytes());
        layer = layer.file(&format!("var/lib/dpkg/status.d/{name}.md5sums"), b"");
    }
    Image::new().layer(base()).layer(layer)
}

fn old() -> Image {
    age("debian", "13.1", &[("tzdata", "2025b-1"), ("netbase", "6.4")], &["a", "b"])
}

fn new() -> Image {
    age("debian", "13.2", &[("tzdata", "2025c-1"), ("media-types", "13.0.0")], &["b", "c", "d"])
}

/// Puts an image into a registry, moves a tag to it, and returns its digest.
fn put(registry: &StrictRegistry, image: Image, repository: &str, tag: &str) -> String {
    let folder = tempfile::tempdir().expect("a folder");
    image.write(folder.path());
    registry.put_layout(folder.path(), repository, tag);
    let index: Value =
        serde_json::from_slice(&fs::read(folder.path().join("index.json")).expect("an index")).expect("JSON");
    let digest = index["manifests"][0]["digest"].as_str().expect("a digest").to_owned();
    let content = fs::read(crate::support::blob(folder.path(), &digest)).expect("a manifest");
    registry.put_manifest(repository, MANIFEST, &content, Some(tag));
    digest
}

/// A package with these lines in its table, for amd64.
fn project(table: &str) -> Project {
    Project::with_table(&format!("platforms = [\"linux/amd64\"]\n{table}"))
}

fn manifest(project: &Project) -> String {
    fs::read_to_string(project.path("Cargo.toml")).expect("a file")
}

fn run(project: &Project, args: &[&str]) -> Ran {
    Call::ran(&mut project.oci(&[&["base"], args].concat()).direct())
}

#[track_caller]
fn succeeds(project: &Project, args: &[&str]) -> Ran {
    let ran = run(project, args);
    assert_eq!(ran.status, 0, "{}{}", ran.stdout, ran.stderr);
    ran
}

#[track_caller]
fn fails(project: &Project, args: &[&str]) -> String {
    let before = manifest(project);
    let ran = run(project, args);
    assert!(ran.status == 1 && ran.stdout.is_empty(), "{}{}", ran.stdout, ran.stderr);
    assert_eq!(manifest(project), before);
    ran.stderr
}

fn checked(project: &Project, args: &[&str]) -> (i32, Value) {
    let ran = run(project, &[&["check", "--json"], args].concat());
    (ran.status, serde_json::from_str(&ran.stdout).unwrap_or_else(|_| panic!("{}{}", ran.stdout, ran.stderr)))
}

#[test]
fn base_pin_adds_digest_and_nothing_else() {
    let registry = registry();
    let digest = put(&registry, old(), "static", "nonroot");
    let base = registry.reference("static:nonroot");
    let project = Project::new("x");
    let text = format!(
        "\u{feff}# ours\r\n[package]\r\nname = \"x\" # it\r\nversion = \"0.1.0\"\r\n\r\n[package.metadata.oci]\r\n\
         platforms = [\"linux/amd64\"]\r\n  base =  '{base}'   # a base\r\n[package.metadata.oci.images.y]\r\nbins = [\"x\"]"
    );
    fs::write(project.path("real.toml"), &text).expect("a file");
    fs::set_permissions(project.path("real.toml"), fs::Permissions::from_mode(0o640)).expect("a mode");
    fs::remove_file(project.path("Cargo.toml")).expect("a file");
    symlink("real.toml", project.path("Cargo.toml")).expect("a link");
    let dry = succeeds(&project, &["pin", "--dry-run"]);
    assert!(
        dry.stdout.contains(&format!("-  base =  '{base}'   # a base\r\n+  base =  '{base}@{digest}'")),
        "{}",
        dry.stdout
    );
    assert_eq!(manifest(&project), text);
    let ran = succeeds(&project, &["pin"]);
    assert_eq!(ran.stdout, format!("{base}@{digest}\n"));
    let place = "in [package.metadata.oci] of Cargo.toml";
    assert!(ran.stderr.contains(&format!("Pinned {base}@{digest} {place}\n")), "{}", ran.stderr);
    assert_eq!(manifest(&project), text.replace(&base, &format!("{base}@{digest}")));
    assert!(project.path("Cargo.toml").is_symlink());
    let mode = fs::metadata(project.path("real.toml")).expect("a file").permissions().mode();
    assert_eq!(mode & 0o7777, 0o640);
    let again = succeeds(&project, &["pin"]);
    assert_eq!(again.stdout, ran.stdout);
    assert!(again.stderr.contains(&format!("Unchanged {base}@{digest} {place}\n")), "{}", again.stderr);
}

#[test]
fn base_pin_writes_the_default_base() {
    let registry = registry();
    put(&registry, old(), "distroless/static-debian13", "nonroot");
    let host = registry.reference("").trim_end_matches('/').to_owned();
    let project = Project::new("x");
    fs::create_dir_all(project.home().join(".config/containers")).expect("a folder");
    let conf = format!("[[registry]]\nlocation = \"gcr.io\"\n[[registry.mirror]]\nlocation = \"{host}\"\n");
    fs::write(project.home().join(".config/containers/registries.conf"), conf).expect("a file");
    let digest = registry.tag("distroless/static-debian13", "nonroot").expect("a tag");
    let before = manifest(&project);
    let said = fails(&project, &["pin"]);
    assert!(said.contains("gcr.io/distroless/static-debian13:nonroot") && said.contains("linux/arm64"), "{said}");
    let project = project.append("Cargo.toml", "\n[workspace.metadata.oci]\nplatforms = [\"linux/amd64\"]\n");
    let shared = manifest(&project);
    let (status, json) = checked(&project, &[]);
    assert_eq!(
        (status, &json["bases"][0]["state"], &json["bases"][0]["table"]),
        (0, &json!("not-pinned"), &Value::Null)
    );
    let base = format!("gcr.io/distroless/static-debian13:nonroot@{digest}");
    let ran = succeeds(&project, &["pin", "x"]);
    assert!(ran.stderr.contains("in [package.metadata.oci] of Cargo.toml"), "{}", ran.stderr);
    assert_eq!(manifest(&project), format!("{shared}\n[package.metadata.oci]\nbase = \"{base}\"\n"));
    fs::write(project.path("Cargo.toml"), &shared).expect("a file");
    succeeds(&project, &["pin"]);
    let table = "[workspace.metadata.oci]\n";
    assert_eq!(manifest(&project), shared.replace(table, &format!("{table}base = \"{base}\"\n")));
    assert!(manifest(&project).starts_with(&before));
}

#[test]
fn base_check_says_what_moved() {
    let registry = registry();
    let before = put(&registry, old(), "static", "nonroot");
    let base = registry.reference("static:nonroot");
    let project = project(&format!("base = \"{base}@{before}\""));
    let (status, json) = checked(&project, &[]);
    let found = &json["bases"][0];
    assert_eq!((status, &found["state"], &found["changes"]), (0, &json!("current"), &Value::Null));
    let now = put(&registry, new(), "static", "nonroot");
    let (status, json) = checked(&project, &[]);
    let found = &json["bases"][0];
    assert_eq!((status, &found["state"], &found["images"]), (1, &json!("behind"), &json!(["x"])));
    assert_eq!((&found["pinned"]["digest"], &found["current"]["digest"]), (&json!(before), &json!(now)));
    assert_eq!((&found["manifest"], &found["table"]), (&json!("Cargo.toml"), &json!("[package.metadata.oci]")));
    let changes = &found["changes"];
    assert_eq!((&changes["layers"]["added"], &changes["layers"]["kept"]), (&json!(1), &json!(1)));
    assert_eq!(
        changes["packages"],
        json!({
            "added": [{ "name": "media-types", "version": "13.0.0" }],
            "removed": [{ "name": "netbase", "version": "6.4" }],
            "changed": [{ "name": "tzdata", "from": "2025b-1", "to": "2025c-1" }],
        })
    );
    assert_eq!(changes["certificates"], json!({ "added": 2, "removed": 1 }));
    assert_eq!(changes["osRelease"], json!([{ "key": "VERSION_ID", "from": "13.1", "to": "13.2" }]));
    let ran = run(&project, &["check"]);
    assert_eq!(ran.status, 1);
    let words = ran.stdout.lines().filter(|line| !line.contains("layers")).collect::<Vec<_>>().join("\n");
    assert_eq!(
        words,
        format!(
            "{base}  behind\n  images        x\n  in            [package.metadata.oci] of Cargo.toml\n  pinned        {before}\n  \
             current       {now}\n  package       tzdata 2025b-1 → 2025c-1\n  package       +media-types 13.0.0\n  \
             package       -netbase 6.4\n  certificates  +2 -1\n  os-release    VERSION_ID 13.1 → 13.2"
        )
    );
    assert!(ran.stderr.contains("error: 1 base is behind: `cargo oci base update` updates pins"), "{}", ran.stderr);
    assert_eq!(registry.violations(), [""; 0]);
}

#[test]
fn base_check_tells_what_it_cannot_check() {
    let registry = registry();
    let digest = put(&registry, old(), "static", "nonroot");
    let (tag, pin) = (registry.reference("static:nonroot"), registry.reference(&format!("static@{digest}")));
    for (base, state, words) in [
        (&*tag, "not-pinned", "not pinned: `cargo oci base pin` pins it"),
        (&*pin, "no-tag", "cannot be checked: no tag"),
        ("scratch", "not-in-registry", "not in a registry"),
    ] {
        let project = project(&format!("base = \"{base}\""));
        let (status, json) = checked(&project, &[]);
        assert_eq!((status, &json["bases"][0]["state"]), (0, &json!(state)));
        let ran = succeeds(&project, &["check"]);
        assert!(ran.stdout.contains(words), "{}", ran.stdout);
        let before = manifest(&project);
        let updated = succeeds(&project, &["update"]);
        assert!(updated.stdout.is_empty() && manifest(&project) == before, "{}", updated.stdout);
        assert_eq!(updated.stderr.contains("is not pinned"), state == "not-pinned", "{}", updated.stderr);
        assert_eq!(updated.stderr.contains("it has no tag"), state == "no-tag", "{}", updated.stderr);
    }
}

#[test]
fn base_that_cannot_be_resolved_hides_no_other() {
    let registry = registry();
    let digest = put(&registry, old(), "static", "nonroot");
    let pin = registry.reference(&format!("static:nonroot@{digest}"));
    let gone = registry.reference(&format!("static:gone@{digest}"));
    let project = workspace(1, &pin, &gone);
    let (status, json) = checked(&project, &[]);
    let states: Vec<_> = json["bases"].as_array().expect("a list").iter().map(|base| base["state"].clone()).collect();
    assert_eq!((status, states), (1, vec![json!("current"), json!("unknown")]));
    assert!(json["bases"][1]["problem"].as_str().is_some_and(|why| why.contains("has no tag gone")), "{json}");
    let ran = project.oci(&["base", "check"]).run();
    assert!(ran.stderr.contains("error: 1 base is unknown: see `problem`"), "{}", ran.stderr);
    // If nothing can be said, the error has its help.
    let words = project.oci(&["base", "check", "extra"]).fails(1);
    assert!(words.contains("help: check the repository name"), "{words}");
}

/// A workspace of so many packages over the base of the workspace, and one more over its own.
fn workspace(count: usize, base: &str, own: &str) -> Project {
    let table = format!(
        "[workspace]\nmembers = [\"*\"]\nexclude = [\"target\"]\nresolver = \"3\"\n# ours\n[workspace.metadata.oci]\n\
         platforms = [\"linux/amd64\"]\nbase = \"{base}\" # shared\n"
    );
    let mut project = Project::empty("all").file("Cargo.toml", &table);
    let package = |name: &str| format!("[package]\nname = \"{name}\"\nversion = \"0.1.0\"\nedition = \"2024\"\n");
    for number in 0..count {
        let name = format!("member-{number}");
        project = project.file(&format!("{name}/Cargo.toml"), &package(&name));
        project = project.file(&format!("{name}/src/main.rs"), "fn main() {}\n");
    }
    let images = format!("\n[package.metadata.oci.images.extra]\nbins = [\"own\"]\nbase = \"{own}\"\n");
    project.file("own/Cargo.toml", &(package("own") + &images)).file("own/src/main.rs", "fn main() {}\n")
}

#[test]
fn base_check_asks_for_a_tag_once() {
    let registry = registry();
    let before = put(&registry, old(), "static", "nonroot");
    let base = registry.reference(&format!("static:nonroot@{before}"));
    let project = workspace(40, &base, &base);
    put(&registry, new(), "static", "nonroot");
    let (status, json) = checked(&project, &[]);
    let images = |at: usize| json["bases"][at]["images"].as_array().expect("images").len();
    assert_eq!((status, images(0), images(1)), (1, 41, 1), "{json}");
    assert_eq!(json["bases"][1]["table"], "[package.metadata.oci.images.extra]");
    let log = registry.log();
    assert_eq!(log.matches("/v2/static/manifests/nonroot").count(), 1, "{log}");
    let one = checked(&project, &["extra"]).1;
    assert_eq!(one["bases"].as_array().map(Vec::len), Some(1));
    assert!(run(&project, &["check", "extar"]).stderr.contains("did you mean `extra`?"));
}

#[test]
fn base_update_writes_each_table_once() {
    let registry = registry();
    let before = put(&registry, old(), "static", "nonroot");
    let base = registry.reference(&format!("static:nonroot@{before}"));
    let project = workspace(2, &base, &base);
    let files = ["Cargo.toml", "own/Cargo.toml", "member-0/Cargo.toml"];
    let read = || files.map(|path| fs::read_to_string(project.path(path)).expect("a file"));
    let unchanged = read();
    let now = put(&registry, new(), "static", "nonroot");
    let patch = succeeds(&project, &["update", "--dry-run"]).stdout;
    assert_eq!(read(), unchanged);
    let lines = |sign: char| patch.lines().filter(|line| line.starts_with(sign)).count();
    assert_eq!((lines('-'), lines('+'), lines('@')), (4, 4, 2), "{patch}");
    assert!(patch.contains("+++ own/Cargo.toml\n"), "{patch}");
    let ran = succeeds(&project, &["update", "member-1"]);
    let updated = |text: &str| text.replace(&before, &now);
    assert_eq!(read(), [&updated(&unchanged[0]), &unchanged[1], &unchanged[2]].map(String::clone));
    let said = format!("Updated {} in [workspace.metadata.oci] of Cargo.toml (was {before})\n", updated(&base));
    assert!(ran.stderr.contains(&said), "{}", ran.stderr);
    let ran = succeeds(&project, &["update"]);
    assert_eq!(read(), [&updated(&unchanged[0]), &updated(&unchanged[1]), &unchanged[2]].map(String::clone));
    assert!(ran.stderr.contains("Unchanged") && ran.stderr.contains("Updated"), "{}", ran.stderr);
    assert_eq!(ran.stdout, format!("{0}\n{0}\n", updated(&base)));
    assert_eq!(checked(&project, &[]).0, 0);
}

#[test]
fn base_update_verifies_the_signature_first() {
    let registry = registry();
    let before = put(&registry, old(), "static", "nonroot");
    let base = registry.reference(&format!("static:nonroot@{before}"));
    let project = project(&format!("base = \"{base}\"\nbase-verify = {{ key = \"cosign.pub\" }}"));
    let oci = |args: &[&str]| project.oci(args).env("COSIGN_PASSWORD", "sesame").succeeds();
    oci(&["generate-key", "--output", "cosign"]);
    let now = put(&registry, new(), "static", "nonroot");
    let words = fails(&project, &["update"]);
    assert!(words.contains("rejected") && words.contains("is not signed by"), "{words}");
    let tag = registry.reference("static:nonroot");
    oci(&["sign", &tag, "--key", "cosign.key"]);
    assert!(succeeds(&project, &["update"]).stderr.contains("Verified"));
    assert!(manifest(&project).contains(&now));
}

#[test]
fn base_update_rejects_what_does_not_fit() {
    let registry = registry();
    let alpine = age("alpine", "3.23", &[], &[]);
    let before = put(&registry, old(), "static", "nonroot");
    let base = registry.reference(&format!("static:nonroot@{before}"));
    put(&registry, alpine, "static", "nonroot");
    let words = fails(&project(&format!("base = \"{base}\"")), &["update"]);
    assert!(words.contains("it is made of alpine now, and the pinned image of debian"), "{words}");
    assert!(words.contains("help: choose another base for x in [package.metadata.oci] of Cargo.toml"), "{words}");
    let project = Project::new("x");
    let written = BaseImage::new().write(&project.path("base"));
    registry.put_layout(&project.path("base"), "big", "1");
    let base = registry.reference(&format!("big:1@{}", written.digest));
    let project = project.append("Cargo.toml", &format!("\n[package.metadata.oci]\nbase = \"{base}\"\n"));
    assert_eq!(checked(&project, &[]).0, 0);
    put(&registry, new(), "big", "1");
    let words = fails(&project, &["update"]);
    assert!(words.contains("cannot pin") && words.contains("has no image for linux/arm64"), "{words}");
    let (status, json) = checked(&project, &[]);
    let problem = json["bases"][0]["problem"].as_str().unwrap_or_default();
    assert!(status == 1 && problem.contains("has no image for linux/arm64"), "{json}");
    let any = project.append("Cargo.toml", "platforms = [\"all\"]\n");
    let words = fails(&any, &["update"]);
    assert!(words.contains("it has no image for linux/arm64/v8 any more"), "{words}");
}

#[test]
fn base_update_replaces_a_pin_that_is_gone() {
    let registry = registry();
    let gone = format!("sha256:{}", "0".repeat(64));
    let now = put(&registry, new(), "static", "nonroot");
    let base = registry.reference(&format!("static:nonroot@{gone}"));
    let project = project(&format!("base = \"{base}\""));
    let (status, json) = checked(&project, &[]);
    let found = &json["bases"][0];
    assert_eq!((status, &found["state"], &found["changes"]), (1, &json!("behind"), &Value::Null));
    assert!(found["problem"].as_str().is_some_and(|problem| problem.contains(&format!("has no {gone}"))), "{json}");
    assert_eq!(found["current"]["digest"], now);
    succeeds(&project, &["update"]);
    assert!(manifest(&project).contains(&now) && !manifest(&project).contains(&gone));
}

#[test]
fn base_pin_leaves_files_it_cannot_write() {
    let registry = registry();
    put(&registry, old(), "static", "nonroot");
    let base = registry.reference("static:nonroot");
    let project = project(&format!("base = \"{base}\""));
    fs::set_permissions(project.path("Cargo.toml"), fs::Permissions::from_mode(0o444)).expect("a mode");
    let words = fails(&project, &["pin"]);
    assert!(words.contains("cannot write ") && words.contains("it is read-only"), "{words}");
    assert!(words.contains("make the file and its folder writable"), "{words}");
    fs::set_permissions(project.path("Cargo.toml"), fs::Permissions::from_mode(0o644)).expect("a mode");
    let latin = [manifest(&project).as_bytes(), b"# caf\xe9\n"].concat();
    fs::write(project.path("Cargo.toml"), &latin).expect("a file");
    let ran = run(&project, &["pin"]);
    assert!(ran.status != 0 && ran.stderr.contains("not valid utf-8"), "{}", ran.stderr);
    assert_eq!(fs::read(project.path("Cargo.toml")).expect("a file"), latin);
}

#[test]
fn renovate_preset_finds_what_pin_writes() {
    let preset: Value = serde_json::from_str(include_str!("../../renovate/bases.json")).expect("JSON");
    let manager = &preset["customManagers"][0];
    let of = |pattern: &Value| regex::Regex::new(pattern.as_str().expect("a pattern")).expect("a regular expression");
    let pattern = of(&manager["matchStrings"][0]);
    let file = manager["managerFilePatterns"][0].as_str().expect("a pattern").trim_matches('/');
    for (path, is_read) in [("Cargo.toml", true), ("crates/api/Cargo.toml", true), ("xCargo.toml", false)] {
        assert_eq!(of(&json!(file)).is_match(path), is_read, "{path}");
    }
    let registry = registry();
    let digest = put(&registry, old(), "static", "nonroot");
    let base = registry.reference("static:nonroot");
    for (before, count) in [
        (format!("[package.metadata.oci]\nplatforms = [\"linux/amd64\"]\nbase = \"{base}\" # ours\n"), 1),
        (format!("[package.metadata]\r\noci = {{platforms=['linux/amd64'],base='{base}'}}\r\n"), 1),
        (format!("[package.metadata]\noci.platforms = [\"linux/amd64\"]\noci.base   =   \"{base}\"\n"), 1),
        (
            format!(
                "[workspace.metadata.oci]\nplatforms = [\"linux/amd64\"]\nbase = \"{base}\"\n\
                 [package.metadata.oci.images]\ny = {{ bins = [\"x\"], base = \"{base}\" }}\n"
            ),
            2,
        ),
    ] {
        let project = Project::new("x").append("Cargo.toml", &before);
        assert_eq!(pattern.captures_iter(&manifest(&project)).count(), 0);
        succeeds(&project, &["pin"]);
        let text = manifest(&project);
        let found: Vec<_> = pattern.captures_iter(&text).collect();
        assert_eq!(found.len(), count, "{text}");
        for captures in found {
            let part = |name: &str| captures.name(name).map(|part| part.as_str());
            assert_eq!(part("depName"), base.strip_suffix(":nonroot"));
            assert_eq!((part("currentValue"), part("currentDigest")), (Some("nonroot"), Some(&*digest)));
        }
    }
}

fn quiet(mut command: Command) -> Command {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

/// Returns whether a temporary file of cargo-oci is beside Cargo.toml.
fn is_writing(project: &Project) -> bool {
    let entries = fs::read_dir(project.root()).expect("a folder").flatten();
    entries.into_iter().any(|entry| entry.file_name().to_string_lossy().starts_with(TEMPORARY))
}

#[test]
fn killed_update_leaves_the_old_or_the_new() {
    let kills = std::env::var("CARGO_OCI_TEST_KILLS").map_or(12, |count| count.parse().expect("a number"));
    let registry = registry();
    let digests = [put(&registry, new(), "static", "nonroot"), put(&registry, old(), "static", "nonroot")];
    let base = registry.reference("static:nonroot");
    let project = project(&format!("# pinned\nbase = \"{base}@{}\" # here", digests[0]));
    let texts = [manifest(&project), manifest(&project).replace(&digests[0], &digests[1])];
    let start = Instant::now();
    succeeds(&project, &["update"]);
    let typical = start.elapsed();
    let mut random = Random::new(7);
    let mut seen = BTreeSet::new();
    for number in 0..kills {
        let goal = texts.iter().position(|text| *text != manifest(&project)).expect("another text");
        put(&registry, if goal == 0 { new() } else { old() }, "static", "nonroot");
        let mut update = Process::with_pipes(&mut quiet(project.oci(&["base", "update"]).direct()));
        if number % 2 == 0 {
            // In the middle of writing.
            while update.ended().is_none() && !is_writing(&project) {}
            thread::sleep(Duration::from_micros(random.below(2_000) as u64));
        } else {
            thread::sleep(typical.mul_f64(random.below(1_200) as f64 / 1_000.0));
        }
        update.stop();
        let found = manifest(&project);
        assert!(texts.contains(&found), "kill {number}: {found}");
        seen.insert((found == texts[goal], is_writing(&project)));
        // What was left does no harm, and is removed.
        succeeds(&project, &["update"]);
        assert_eq!(manifest(&project), texts[goal], "kill {number}");
        assert!(!is_writing(&project), "kill {number}");
    }
    assert!(seen.len() > 1, "{seen:?}");
}
