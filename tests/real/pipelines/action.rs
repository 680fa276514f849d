//! The action alone.

use std::fs;

use serde_json::json;

use super::Scene;
use super::github::{CARGO_OCI, COMMIT, USER};
use super::place::{Releases, VERSION, archive, commit};

#[test]
fn action_installs_release_by_checksum() {
    let scene = Scene::new("");
    let (mut github, releases) = (scene.github(), Releases::start());
    github.uses = "v0.1.0";
    // GitHub's program says whether a release is attested.
    github.place.program("gh", "echo \"gh $* with ${GH_TOKEN:+a token}\" >&2");
    let with = json!({ "releases": releases.url(), "registry": scene.registry.host() });
    let outputs = github.action(&with);
    let said = ["version", "from", "cache-hit"].map(|name| outputs[name].as_str().expect("a text"));
    assert_eq!(said, [VERSION, "release", ""]);
    assert_eq!(outputs["repository"], format!("{}/acme/hello", scene.registry.host()));
    let attested =
        format!("--repo {CARGO_OCI} --signer-workflow {CARGO_OCI}/.github/workflows/release.yml with a token");
    for part in ["gh attestation verify ", &attested, "as SHA256SUMS says", "cache miss: nothing was kept"] {
        assert!(github.log.contains(part), "{part}: {}", github.log);
    }
    assert!(!github.log.contains(USER.1), "{}", github.log);
    assert!(!github.log.contains("::warning"), "{}", github.log);
    // The same commit finds its cache, another one that of its parent.
    assert_eq!(github.action(&with)["cache-hit"], "true");
    assert!(github.log.contains("cache hit: that of this commit"), "{}", github.log);
    let project = scene.project.file("README.md", "Hello\n");
    github.sha = commit(&project, "second");
    assert_eq!(github.action(&with)["cache-hit"], "false");
    assert_eq!(github.place.installs(), [""; 0]);
}

#[test]
fn action_rejects_release_that_was_changed() {
    let scene = Scene::new("");
    let (mut github, releases) = (scene.github(), Releases::start());
    let with = json!({ "version": VERSION, "releases": releases.url(), "registry": "" });
    github.place.program("gh", "[ \"$3\" = --help ]");
    let log = github.failing_action(&with);
    assert!(log.contains("::error title=cargo-oci::GitHub has no attestation that acme/cargo-oci made "), "{log}");
    // Without gh, and with another archive.
    fs::remove_file(github.place.path("programs/gh")).expect("a file");
    fs::write(releases.folder.join(archive()), "another program").expect("a file");
    let log = github.failing_action(&with);
    assert!(
        log.contains("has another checksum than SHA256SUMS says: ") && log.contains("do not use this release"),
        "{log}"
    );
    assert_eq!(github.place.installs(), [""; 0]);
    // Plain HTTP is for loopback alone, and the source is another version.
    for (version, releases, why) in [
        (VERSION, "http://registry.test", "cannot download http://registry.test/v"),
        ("9.9.9", &*releases.url(), "there is no release v9.9.9 at http://127.0.0.1:"),
        ("9.9.9", &*releases.url(), "and the action's source is cargo-oci "),
    ] {
        let log = github.failing_action(&json!({ "version": version, "releases": releases, "registry": "" }));
        assert!(log.contains(why) && log.contains("Help: "), "{why}: {log}");
    }
}

#[test]
fn action_compiles_source_without_release() {
    let scene = Scene::new("");
    let (mut github, releases) = (scene.github(), Releases::start());
    let with = json!({ "registry": scene.registry.host() });
    // By a commit: what is there, and not the release that has the same version.
    let outputs = github.action(&with);
    assert_eq!((outputs["from"].as_str(), outputs["version"].as_str()), (Some("source"), Some(VERSION)));
    let installs = github.place.installs();
    let [install] = &installs[..] else { panic!("{installs:?}") };
    assert!(
        install.starts_with("install --locked --force --path . --root ") && !install.contains("--features"),
        "{install}"
    );
    // What was made is kept.
    github.action(&with);
    assert!(github.log.contains("taken from the cache"), "{}", github.log);
    assert_eq!(github.place.installs().len(), 1);
    // By the tag of a release that does not have this platform.
    github.uses = "v0.1.0";
    fs::write(releases.folder.join("SHA256SUMS"), "00  cargo-oci-0.1.0-x86_64-pc-windows-gnu.zip\n").expect("a file");
    let outputs = github.action(&json!({ "releases": releases.url(), "registry": scene.registry.host() }));
    assert_eq!(outputs["from"], "source");
    assert!(github.log.contains(" from source: release v0.1.0 has no cargo-oci-0.1.0-"), "{}", github.log);
}

#[test]
fn action_names_repository_unless_it_is_named() {
    let host = "127.0.0.1:5000";
    // One step of the action, with a program that is there.
    let script = concat!("bash ", env!("CARGO_MANIFEST_DIR"), "/.github/action/settings.sh");
    let named = |table: &str, variable: &str, input: &str| {
        let scene = Scene::new(table);
        let mut github = scene.github();
        github.place.program("cargo-oci", concat!("exec ", env!("CARGO_BIN_EXE_cargo-oci"), " \"$@\""));
        if !variable.is_empty() {
            github.variables.push(("CARGO_OCI_REPOSITORY".to_owned(), variable.to_owned()));
        }
        let step = json!({ "id": "settings", "run": script, "env": { "REGISTRY": "", "TO": input } });
        let steps = json!([{ "uses": "actions/checkout@v6" }, step]);
        let outputs = json!({ "repository": "${{ steps.settings.outputs.repository }}" });
        let job = json!({ "runs-on": "ubuntu-latest", "steps": steps, "outputs": outputs });
        let ran = github.run(&json!({ "jobs": { "job": job } }).to_string(), &json!({}));
        ran["job"]["outputs"]["repository"].as_str().expect("a text").to_owned()
    };
    assert_eq!(named("", "", ""), "ghcr.io/acme/hello");
    assert_eq!(named("", "quay.io/acme/x", ""), "quay.io/acme/x");
    assert_eq!(named("", "quay.io/acme/x", "quay.io/acme/y"), "quay.io/acme/y");
    for table in [
        "[package.metadata.oci]\r\n# where\r\nrepository = \"127.0.0.1:5000/acme/x\"\r\n",
        "[ package . metadata . oci ]\n\"repository\"='127.0.0.1:5000/acme/x'\n",
        "[package.metadata]\noci = { repository = \"127.0.0.1:5000/acme/x\" }\n",
        "[package.metadata]\noci.repository = \"127.0.0.1:5000/acme/x\"\n",
        "[package.metadata.oci.images.b]\nrepository = \"127.0.0.1:5000/acme/x\"\n",
        "[workspace]\n[workspace.metadata.oci]\nrepository = \"127.0.0.1:5000/acme/x\"\n",
    ] {
        assert!(table.contains(host));
        assert_eq!(named(table, "", ""), "", "{table}");
    }
    // Cargo's own key is another.
    let table = "repository = \"https://github.com/acme/hello\"\n[package.metadata.oci]\ntags = [\"v1\"]\n";
    assert_eq!(named(table, "", ""), "ghcr.io/acme/hello");
}

#[test]
fn action_without_login_goes_on_with_warning() {
    let scene = Scene::new("");
    let mut github = scene.github();
    let with = json!({ "registry": scene.registry.host(), "token": "ghs_wrong", "action-ref": COMMIT });
    github.action(&with);
    assert!(github.log.contains("::warning title=cargo-oci::not logged in to 127.0.0.1:"), "{}", github.log);
    assert!(github.log.contains("does not accept the user `octocat`"), "{}", github.log);
    assert!(!github.log.contains("ghs_wrong"), "{}", github.log);
}
