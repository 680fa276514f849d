//! `cargo oci generate-key`, `sign`, `verify`, `attach` and `referrers`, in layouts and in registries that know what is
//! attached to what, or do not.

use std::fs;
use std::path::Path;
use std::sync::OnceLock;

use crate::support::base::BaseImage;
use crate::support::environment;
use crate::support::process::output;
use crate::support::project::{Call, Files, Project};
use crate::support::registry::sha256;
use crate::support::strict::referrers::{Attaching, rivals};
use crate::support::strict::{Behaviour, StrictRegistry};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use cargo_oci::store::Layout;
use serde_json::{Value, json};

const BUNDLE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";

/// Creates a folder with the layout `base` and the keys `cosign` and `other`.
fn project() -> Project {
    static MADE: OnceLock<Files> = OnceLock::new();
    let make = || {
        let project = Project::empty("x");
        BaseImage::new().write(&project.path("base"));
        for name in ["cosign", "other"] {
            oci(&project, &["generate-key", "--output", name]).succeeds();
        }
        Files::read(project.root())
    };
    let project = Project::empty("x");
    MADE.get_or_init(make).write(project.root());
    project
}

fn oci(project: &Project, args: &[&str]) -> Call {
    project.oci(args).env("COSIGN_PASSWORD", "sesame")
}

fn registry(attaching: Attaching) -> StrictRegistry {
    StrictRegistry::start(Behaviour { attaching, ..Behaviour::default() })
}

/// Puts the layout `base` into a registry as `static:nonroot`, and returns its name there.
fn push(project: &Project, registry: &StrictRegistry) -> String {
    registry.put_layout(&project.path("base"), "static", "nonroot");
    registry.reference("static:nonroot")
}

fn listed(project: &Project, image: &str) -> Value {
    let found = oci(project, &["referrers", "--json", image]).succeeds().stdout;
    serde_json::from_str(&found).expect("JSON")
}

/// Returns how many artifacts are attached to the index and to each image.
fn counts(project: &Project, image: &str) -> Vec<usize> {
    let found = listed(project, image);
    let subjects = found["subjects"].as_array().expect("subjects");
    subjects.iter().map(|subject| subject["attached"].as_array().expect("a list").len()).collect()
}

#[test]
fn signed_layout_verifies_with_its_key_only() {
    let project = project();
    let digest = crate::support::digest(&project.path("base"));
    let words = oci(&project, &["verify", "base", "--key", "cosign.pub"]).fails(1);
    assert!(words.contains("is not signed by cosign.pub"), "{words}");
    for _ in 0..2 {
        let signed = oci(&project, &["sign", "base", "--key", "cosign.key"]).succeeds();
        assert_eq!(signed.stdout, format!("oci:base@{digest}\n"));
        assert_eq!(counts(&project, "base"), [1, 1, 1, 1]);
    }
    let verified = oci(&project, &["verify", "base:nonroot", "--key", "cosign.pub"]).succeeds();
    assert_eq!(verified.stdout, format!("oci:base@{digest}\n"));
    assert!(verified.stderr.contains("Verified linux/amd64 ") && verified.stderr.contains("no SBOM is attached"));
    let words = oci(&project, &["verify", "base", "--key", "other.pub"]).fails(1);
    assert!(words.contains("signed by another key"), "{words}");
    // The image is still the one that the layout holds.
    assert_eq!(oci(&project, &["validate", "base"]).succeeds().stdout, "");
    let tree = oci(&project, &["inspect", "base"]).succeeds().stdout;
    assert!(tree.contains(BUNDLE), "{tree}");
}

#[test]
fn sign_is_deterministic() {
    let project = project();
    BaseImage::new().write(&project.path("again"));
    for layout in ["base", "again"] {
        oci(&project, &["sign", layout, "--key", "cosign.key"]).succeeds();
    }
    for list in ["index.json", "referrers.json"] {
        let content = |layout: &str| fs::read_to_string(project.path(layout).join(list)).expect("a file");
        assert_eq!(content("base"), content("again"));
    }
}

/// What is attached to the index of the layout `base`: manifest, bundle and statement.
fn signature(project: &Project) -> (Value, Value, Value) {
    let found = listed(project, "base");
    let digest = found["subjects"][0]["attached"][0]["digest"].as_str().expect("a digest").to_owned();
    let manifest = crate::support::document(&project.path("base"), &digest);
    let bundle =
        crate::support::document(&project.path("base"), manifest["layers"][0]["digest"].as_str().expect("a digest"));
    let payload = BASE64_STANDARD.decode(bundle["dsseEnvelope"]["payload"].as_str().expect("a text")).expect("base64");
    (manifest, bundle, serde_json::from_slice(&payload).expect("JSON"))
}

/// Puts content into the layout `base`, and returns its descriptor.
fn put(layout: &Path, media_type: &str, content: &[u8]) -> Value {
    let digest = sha256(content);
    fs::write(crate::support::blob(layout, &digest), content).expect("a blob");
    json!({ "mediaType": media_type, "digest": digest, "size": content.len() })
}

/// Attaches a bundle in the place of the signatures that the layout `base` has.
fn replace_signature(project: &Project, manifest: &Value, bundle: &Value) {
    let layout = project.path("base");
    let mut manifest = manifest.clone();
    manifest["layers"] = json!([put(&layout, BUNDLE, bundle.to_string().as_bytes())]);
    let entry = put(&layout, "application/vnd.oci.image.manifest.v1+json", manifest.to_string().as_bytes());
    let list = json!({ "schemaVersion": 2, "manifests": [entry] });
    fs::write(layout.join("referrers.json"), list.to_string()).expect("a file");
}

/// A text of base64 with one bit of its content changed.
fn flipped(text: &Value, at: usize) -> Value {
    let mut content = BASE64_STANDARD.decode(text.as_str().expect("a text")).expect("base64");
    content[at] ^= 1;
    json!(BASE64_STANDARD.encode(content))
}

#[test]
fn verify_rejects_changed_signature_payload_or_subject() {
    let project = project();
    oci(&project, &["sign", "base", "--key", "cosign.key"]).succeeds();
    let (manifest, bundle, statement) = signature(&project);
    assert_eq!(statement["predicateType"], "https://sigstore.dev/cosign/sign/v1");
    let verify = || oci(&project, &["verify", "base", "--key", "cosign.pub"]);
    replace_signature(&project, &manifest, &bundle);
    verify().succeeds();
    let mut changed = bundle.clone();
    changed["dsseEnvelope"]["signatures"][0]["sig"] = flipped(&bundle["dsseEnvelope"]["signatures"][0]["sig"], 20);
    replace_signature(&project, &manifest, &changed);
    assert!(verify().fails(1).contains("was modified after signing"));
    for at in [5, 60] {
        let mut changed = bundle.clone();
        changed["dsseEnvelope"]["payload"] = flipped(&bundle["dsseEnvelope"]["payload"], at);
        replace_signature(&project, &manifest, &changed);
        assert!(verify().fails(1).contains("was modified after signing"));
    }
    // The type is signed too.
    let mut changed = bundle.clone();
    changed["dsseEnvelope"]["payloadType"] = json!("application/json");
    replace_signature(&project, &manifest, &changed);
    assert!(verify().fails(1).contains("is not signed by"));
    // That of another image is none of this one.
    let other = BaseImage::new().docker_types().write(&project.path("docker"));
    oci(&project, &["sign", "docker", "--key", "cosign.key"]).succeeds();
    let found = listed(&project, "docker");
    let digest = found["subjects"][0]["attached"][0]["digest"].as_str().expect("a digest");
    let foreign = crate::support::document(&other.folder, digest);
    let foreign = crate::support::document(&other.folder, foreign["layers"][0]["digest"].as_str().expect("a digest"));
    replace_signature(&project, &manifest, &foreign);
    assert!(verify().fails(1).contains("signed by this key, but for another subject"));
    // One that says itself that it is attached to something else, is.
    let mut moved = manifest.clone();
    moved["subject"]["digest"] = json!(other.digest);
    replace_signature(&project, &moved, &bundle);
    assert!(verify().fails(1).contains("is not signed by"));
    let layout = Layout::open(&project.path("base")).expect("a layout");
    assert_eq!((layout.images().len(), layout.referrers().len()), (1, 1));
}

#[test]
fn verify_reports_changed_attachments() {
    let project = project().file("sbom.json", r#"{"bomFormat":"CycloneDX"}"#);
    oci(&project, &["sign", "base", "--key", "cosign.key"]).succeeds();
    let attach = ["attach", "base", "sbom.json", "--artifact-type", "application/vnd.cyclonedx+json"];
    oci(&project, &attach).succeeds();
    let verify = || oci(&project, &["verify", "base", "--key", "cosign.pub"]);
    let words = verify().succeeds().stderr;
    assert!(words.contains("signature, SBOM (CycloneDX), not signed") && !words.contains("no SBOM"), "{words}");
    let sbom = crate::support::blob(&project.path("base"), &sha256(br#"{"bomFormat":"CycloneDX"}"#));
    fs::write(sbom, r#"{"bomFormat":"CycloneDy"}"#).expect("a blob");
    let words = verify().succeeds().stderr;
    assert!(words.contains("which does not count") && words.contains("wrong content: expected sha256:"), "{words}");
    assert!(words.contains("no SBOM is attached"), "{words}");
}

#[test]
fn verify_reports_an_sbom_that_anybody_attached() {
    let project = project().file("sbom.json", r#"{"bomFormat":"CycloneDX"}"#);
    let attach = |file| ["attach", "base", file, "--artifact-type", "application/vnd.cyclonedx+json"];
    oci(&project, &attach("sbom.json")).succeeds();
    oci(&project, &["sign", "base", "--key", "cosign.key"]).succeeds();
    let verify = || oci(&project, &["verify", "base", "--key", "cosign.pub", "--require", "sbom"]);
    let words = verify().succeeds().stderr;
    assert!(!words.contains("another SBOM"), "{words}");
    let project = project.file("other.json", r#"{"bomFormat":"CycloneDX","components":[]}"#);
    oci(&project, &attach("other.json")).succeeds();
    let words = oci(&project, &["verify", "base", "--key", "cosign.pub", "--require", "sbom"]).succeeds().stderr;
    assert!(
        words.contains("index has another SBOM (CycloneDX) that is not signed, and differs from what is"),
        "{words}"
    );
}

#[test]
fn verify_reads_every_listed_referrer() {
    let project = project();
    oci(&project, &["sign", "base", "--key", "cosign.key"]).succeeds();
    let layout = project.path("base");
    let list = fs::read_to_string(layout.join("referrers.json")).expect("a list");
    let mut list: Value = serde_json::from_str(&list).expect("JSON");
    let signed = list["manifests"].as_array().expect("a list").clone();
    let subject = crate::support::document(&layout, signed[0]["digest"].as_str().expect("a digest"))["subject"].clone();
    let config = put(&layout, "application/vnd.oci.empty.v1+json", b"{}");
    let manifest = |nth: usize| {
        let manifest = json!({
            "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json", "artifactType": "text/x",
            "config": config, "layers": [config], "subject": subject, "annotations": { "nth": nth.to_string() },
        });
        put(&layout, "application/vnd.oci.image.manifest.v1+json", manifest.to_string().as_bytes())
    };
    let others = (0..1_500).map(manifest).collect::<Vec<_>>();
    list["manifests"] = json!([others, signed].concat());
    fs::write(layout.join("referrers.json"), list.to_string()).expect("a file");
    oci(&project, &["verify", "base", "--key", "cosign.pub"]).succeeds();
}

#[test]
fn attach_adds_any_file_once() {
    let project = project().file("report.txt", "all is well\n");
    let attach = |args: &[&str]| {
        let args = [&["attach", "base", "report.txt", "--artifact-type", "application/vnd.acme.report.v1"], args];
        oci(&project, &args.concat()).succeeds()
    };
    let first = attach(&["--media-type", "text/plain", "--annotation", "by=acme"]);
    // What is said of it is another matter than what it is.
    let again = attach(&["--media-type", "text/plain"]);
    assert_eq!(first.stdout, again.stdout);
    assert!(
        first.stderr.contains("Attached application/vnd.acme") && again.stderr.contains("Unchanged application/vnd")
    );
    assert_eq!(counts(&project, "base"), [1, 0, 0, 0]);
    attach(&["--platform", "linux/arm64/v8"]);
    assert_eq!(counts(&project, "base"), [1, 0, 1, 0]);
    let found = &listed(&project, "base")["subjects"][0]["attached"][0];
    assert_eq!(found["artifactType"], "application/vnd.acme.report.v1");
    assert_eq!(found["annotations"]["by"], "acme");
    let content = &found["contents"][0];
    assert_eq!(content["mediaType"], "text/plain");
    assert_eq!(content["annotations"]["org.opencontainers.image.title"], "report.txt");
    let tree = oci(&project, &["referrers", "base"]).succeeds().stdout;
    assert!(tree.starts_with("oci:base\nsha256:") && tree.contains("application/vnd.acme.report.v1"), "{tree}");
}

#[test]
fn referrers_api_makes_fallback_tag_unnecessary() {
    let (project, registry) = (project(), registry(Attaching::Api));
    let image = push(&project, &registry);
    for _ in 0..2 {
        oci(&project, &["sign", &image, "--key", "cosign.key"]).succeeds();
        assert_eq!(counts(&project, &image), [1, 1, 1, 1]);
    }
    oci(&project, &["verify", &image, "--key", "cosign.pub"]).succeeds();
    assert_eq!(registry.repository("static").tags.len(), 1, "no list is written");
    assert_eq!(registry.violations(), Vec::<String>::new(), "{}", registry.log());
    let before = registry.requests();
    oci(&project, &["sign", &image, "--key", "cosign.key"]).succeeds();
    assert_eq!(registry.requests() - before, 6, "the image, its index, and what is attached to four");
}

#[test]
fn referrers_tag_lists_types_without_api() {
    let (project, registry) = (project().file("a.txt", "a"), registry(Attaching::Tags));
    let image = push(&project, &registry);
    for _ in 0..2 {
        oci(&project, &["sign", &image, "--key", "cosign.key"]).succeeds();
        oci(&project, &["attach", &image, "a.txt", "--artifact-type", "text/a"]).succeeds();
        assert_eq!(counts(&project, &image), [2, 1, 1, 1]);
    }
    let repository = registry.repository("static");
    let list = registry.tag("static", &repository.tags["nonroot"].replace(':', "-")).expect("a list");
    let list = &repository.manifests[&list];
    assert_eq!(list.media_type, INDEX);
    let list: Value = serde_json::from_slice(&list.bytes).expect("JSON");
    let types: Vec<_> =
        list["manifests"].as_array().expect("a list").iter().map(|entry| &entry["artifactType"]).collect();
    assert_eq!(types, [BUNDLE, "text/a"]);
    assert_eq!(list["manifests"][0]["annotations"]["dev.sigstore.bundle.content"], "dsse-envelope");
    oci(&project, &["verify", &image, "--key", "cosign.pub"]).succeeds();
    assert_eq!(registry.violations(), Vec::<String>::new(), "{}", registry.log());
}

#[test]
fn referrers_tag_survives_concurrent_writers() {
    let project = project().file("a.txt", "a");
    for rivals_ in [1, 3] {
        let registry = registry(Attaching::Rivals(rivals_));
        registry.put_manifest("static", "application/vnd.oci.image.manifest.v1+json", &rivals(), None);
        let image = push(&project, &registry);
        oci(&project, &["attach", &image, "a.txt", "--artifact-type", "text/a"]).succeeds();
        let repository = registry.repository("static");
        let list = registry.tag("static", &repository.tags["nonroot"].replace(':', "-")).expect("a list");
        let list: Value = serde_json::from_slice(&repository.manifests[&list].bytes).expect("JSON");
        let entries = list["manifests"].as_array().expect("a list");
        assert_eq!(entries.len(), 2, "{list}");
        assert_eq!((&entries[0]["digest"], &entries[1]["artifactType"]), (&json!(sha256(&rivals())), &json!("text/a")));
    }
    let registry = registry(Attaching::Rivals(usize::MAX));
    let image = push(&project, &registry);
    let words = oci(&project, &["attach", &image, "a.txt", "--artifact-type", "text/a"]).fails(1);
    assert!(words.contains("other clients overwrite the list"), "{words}");
}

#[test]
fn verify_reads_signatures_from_archives() {
    let project = project();
    oci(&project, &["sign", "base", "--key", "cosign.key"]).succeeds();
    let tar = environment::command("tar").current_dir(project.path("base")).args(["-cf", "../a.tar", "."]).spawn();
    assert!(tar.and_then(|mut tar| tar.wait()).expect("tar").success());
    oci(&project, &["verify", "a.tar:nonroot", "--key", "cosign.pub"]).succeeds();
    assert_eq!(counts(&project, "a.tar"), [1, 1, 1, 1]);
}

/// A key of another program's making: `openssl ARGS`.
fn openssl(project: &Project, args: &[&str]) {
    output(environment::command("openssl").current_dir(project.root()).args(args));
}

#[test]
fn openssl_keys_sign_and_verify() {
    let project = project();
    openssl(&project, &["ecparam", "-name", "prime256v1", "-genkey", "-out", "sec1.key"]);
    openssl(&project, &["pkcs8", "-topk8", "-nocrypt", "-in", "sec1.key", "-out", "pkcs8.key"]);
    openssl(&project, &["ec", "-in", "sec1.key", "-pubout", "-out", "openssl.pub"]);
    oci(&project, &["sign", "base", "--key", "sec1.key"]).succeeds();
    let signed = oci(&project, &["sign", "base", "--key", "pkcs8.key"]).succeeds();
    assert!(signed.stderr.contains("is already signed"), "{}", signed.stderr);
    oci(&project, &["verify", "base", "--key", "openssl.pub"]).succeeds();
    let key = fs::read_to_string(project.path("openssl.pub")).expect("a key");
    oci(&project, &["verify", "base", "--key", "env://BASE_KEY"]).env("BASE_KEY", key).succeeds();
}

#[cfg(unix)]
#[test]
fn generate_key_is_private_and_never_overwrites() {
    use std::os::unix::fs::PermissionsExt;
    let project = project();
    let mode = |name: &str| fs::metadata(project.path(name)).expect("a file").permissions().mode() & 0o777;
    assert_eq!((mode("cosign.key"), mode("cosign.pub") & 0o600), (0o600, 0o600));
    let before = fs::read(project.path("cosign.key")).expect("a key");
    for gone in ["cosign.pub", "cosign.key"] {
        oci(&project, &["generate-key"]).fails(1);
        let kept = fs::read(project.path(gone)).expect("a key");
        fs::remove_file(project.path(gone)).expect("removed");
        oci(&project, &["generate-key"]).fails(1);
        assert!(!project.path(gone).exists());
        fs::write(project.path(gone), kept).expect("a file");
    }
    assert_eq!(fs::read(project.path("cosign.key")).expect("a key"), before);
}

/// A package over a base that has to be signed. Nothing of it can be compiled.
fn verifying(project: &Project, key: &str) -> String {
    let table = format!(
        "[package]\nname = \"x\"\nversion = \"0.1.0\"\n[package.metadata.oci]\nbase-verify = {{ key = \"{key}\" }}\nplatforms = [\"linux/amd64\"]\n"
    );
    fs::create_dir_all(project.path("src")).expect("a folder");
    fs::write(project.path("Cargo.toml"), table).expect("a file");
    fs::write(project.path("src/main.rs"), "no Rust").expect("a file");
    "oci:base".to_owned()
}

/// What cargo says of what cannot be compiled.
const COMPILED: &str = "expected one of `!` or `::`";

#[test]
fn base_verify_requires_signature_by_its_key() {
    let project = project();
    let base = verifying(&project, "cosign.pub");
    let build = |base: &str| oci(&project, &["build", "--no-install", "--base", base]);
    let refused = |base: &str| {
        let words = build(base).fails(1);
        assert!(
            words.contains("rejected") && words.contains("is not signed by") && !words.contains(COMPILED),
            "{words}"
        );
    };
    let is_used = |base: &str| {
        let ran = build(base).run();
        assert!(ran.stderr.contains(COMPILED), "{}", ran.stderr);
        ran.stderr
    };
    refused(&base);
    let registry = registry(Attaching::Api);
    let image = push(&project, &registry);
    refused(&image);
    oci(&project, &["sign", &base, "--key", "other.key"]).succeeds();
    refused(&base);
    oci(&project, &["sign", &image, "--key", "cosign.key"]).succeeds();
    assert!(is_used(&image).contains("Verified"));
    // A signature that was found is kept, and the registry is not asked again.
    let pinned = registry.reference(&format!("static@{}", crate::support::digest(&project.path("base"))));
    let before = registry.log();
    is_used(&pinned);
    assert!(!registry.log()[before.len()..].contains("referrers"), "{}", registry.log());
    let words = build("embedded").fails(1);
    assert!(words.contains("has no signature") && words.contains("base-verify = false"), "{words}");
}
