//! `cargo oci test` of images that are there: config and files, for every platform, without an engine.

use std::fs;

use serde_json::{Value, json};

use crate::support::base::BaseImage;
use crate::support::process::Ran;
use crate::support::project::Project;
use crate::support::snapshot::Snapshot;

/// A folder with an image of the tests as the layout `base`, and this file with tests.
fn with_tests(text: &str) -> Project {
    let project = Project::empty("x").file("tests.yaml", text);
    BaseImage::new().write(&project.path("base"));
    project
}

/// Runs the tests of the image for one platform.
fn test(text: &str) -> Ran {
    let platform = ["--platform", "linux/amd64"];
    with_tests(text).oci(&[&["test", "base", "--config", "tests.yaml"][..], &platform].concat()).run()
}

/// Returns the lines of the tests that failed, without the platform, and the reasons below them.
fn failures(text: &str) -> Vec<String> {
    let ran = test(text);
    let lines = ran.stdout.lines().filter(|line| !line.starts_with("passed"));
    lines.map(|line| line.trim_start_matches("failed").trim().replace("linux/amd64 ", "")).collect()
}

const FILES: &str = r"
schemaVersion: 2.0.0
fileExistenceTests:
  - { name: passwd, path: /etc/passwd, permissions: '-rw-r--r--', uid: 0, gid: 0 }
  - { name: tmp, path: /tmp, permissions: dtrwxrwxrwx, isExecutableBy: any }
  - { name: no shell, path: /bin/sh, shouldExist: false }
fileContentTests:
  - { name: users, path: /etc/passwd, expectedContents: ['nonroot:x:65532', '(?m)^root:'], excludedContents: ['bash'] }
";

#[test]
fn files_are_tested_for_every_platform() {
    let project = with_tests(FILES);
    let Ran { stdout, stderr, status } = project.oci(&["test", "base", "--config", "tests.yaml"]).run();
    assert_eq!(status, 0, "{stdout}{stderr}");
    let titles = ["content: users", "file: passwd", "file: tmp", "file: no shell"];
    for platform in ["linux/amd64", "linux/arm64/v8"] {
        for title in titles {
            assert!(stdout.lines().any(|line| line == format!("passed   {platform} {title}")), "{stdout}");
        }
    }
    assert!(stderr.contains("tests passed"), "{stderr}");
}

#[test]
fn files_that_differ_are_told_with_both_values() {
    let found = failures(
        r"
schemaVersion: 2.0.0
fileExistenceTests:
  - { name: a, path: /etc/passwd, permissions: '-rwxr-xr-x', uid: 7, isExecutableBy: owner }
  - { name: b, path: /nope }
  - { name: c, path: /tmp, shouldExist: false }
fileContentTests:
  - { name: d, path: /nope }
  - { name: e, path: /tmp }
  - { name: f, path: /etc/passwd, expectedContents: ['^bash'], excludedContents: ['root'] }
",
    );
    let expected = [
        "content: d",
        "/nope is not in the image",
        "content: e",
        "/tmp is no file",
        "content: f",
        "the content of /etc/passwd does not match `^bash`: ",
    ];
    for (found, expected) in found.iter().zip(expected) {
        assert!(found.starts_with(expected), "{found} is not {expected}");
    }
    for expected in [
        "the mode of /etc/passwd is -rw-r--r--, not -rwxr-xr-x",
        "/etc/passwd with the mode -rw-r--r-- is not executable by its owner",
        "the owner of /etc/passwd is 0, not 7",
        "/tmp is in the image",
    ] {
        assert!(found.iter().any(|line| line == expected), "{expected} is not in {found:#?}");
    }
}

#[test]
fn config_is_tested() {
    let whole = r"
schemaVersion: 2.0.0
metadataTest:
  envVars: [{ key: PATH, value: '^/usr/.*bin$', isRegex: true }]
  unboundEnvVars: [{ key: NOPE }]
  user: '65532'
  exposedPorts: []
  unexposedPorts: [8080]
  unmountedVolumes: [/data]
";
    assert_eq!(failures(whole), [""; 0]);
    let found = failures(
        r"
schemaVersion: 2.0.0
metadataTest:
  envVars: [{ key: PATH, value: /bin }, { key: NOPE, value: x }]
  labels: [{ key: l, value: x }]
  user: root
  workdir: /srv
  cmd: [a]
  entrypoint: [/app/x]
  exposedPorts: ['8080']
  volumes: [/data]
",
    );
    assert_eq!(found[0], "metadata");
    for expected in [
        "the variable NOPE is not set",
        "the label l is not set",
        "the cmd is [\"--base\"], not [\"a\"]",
        "the entrypoint is [\"/base/entrypoint\"], not [\"/app/x\"]",
        "the user is `65532`, not `root`",
        "port 8080 is not exposed",
        "/data is no volume",
    ] {
        assert!(found.iter().any(|line| line == expected), "{expected} is not in {found:#?}");
    }
}

#[test]
fn results_are_json_and_junit() {
    let project = with_tests(FILES);
    let args = ["test", "base", "--config", "tests.yaml", "--json", "--junit", "results.xml"];
    let found: Value = serde_json::from_str(&project.oci(&args).succeeds().stdout).expect("JSON");
    let first = &found[0]["results"][0];
    assert_eq!((&first["suite"], &first["name"]), (&json!("tests.yaml"), &json!("content: users")));
    assert_eq!((&first["verdict"], &first["reasons"]), (&json!("passed"), &json!([])));
    let xml = fs::read_to_string(project.path("results.xml")).expect("a file");
    assert!(xml.contains("<testsuite name=\"oci:base linux/amd64 tests.yaml\" tests=\"4\" failures=\"0\""), "{xml}");
}

#[test]
fn programs_without_engine_are_not_run() {
    let text = "schemaVersion: 2.0.0\ncommandTests: [{ name: a, command: /app/x }]\n";
    let project = with_tests(text);
    let args = ["test", "base", "--config", "tests.yaml", "--platform", "linux/amd64"];
    let call = |args: &[&str]| project.oci(args).alone();
    let Ran { stdout, stderr, status } = call(&args).run();
    assert_eq!(status, 0, "{stdout}{stderr}");
    assert!(stdout.starts_with("not run  linux/amd64 command: a\n"), "{stdout}");
    assert!(stdout.contains("no container engine answers"), "{stdout}");
    let Ran { stderr, status, .. } = call(&[&args[..], &["--require-all"]].concat()).run();
    assert_eq!(status, 1, "{stderr}");
    assert!(stderr.contains("error: 0 tests passed, 1 not run"), "{stderr}");
}

#[test]
fn wrong_test_files_are_explained() {
    let mut snapshot = Snapshot::of("test_files");
    for (what, text) in [
        ("no version", "commandTests: []\n"),
        ("schema 1", "schemaVersion: 1.0.0\ncommandTests: []\n"),
        ("unknown key", "schemaVersion: 2.0.0\ncommandTest: []\n"),
        ("unknown key of a test", "schemaVersion: 2.0.0\nfileExistenceTests:\n- name: a\n  path: /a\n  exists: true\n"),
        ("no name", "schemaVersion: 2.0.0\nfileExistenceTests:\n- path: /a\n"),
        ("empty name", "schemaVersion: 2.0.0\nfileExistenceTests:\n- { name: '', path: /a }\n"),
        ("expression", "schemaVersion: 2.0.0\nfileContentTests:\n- { name: a, path: /a, expectedContents: ['a('] }\n"),
        ("executable by", "schemaVersion: 2.0.0\nfileExistenceTests:\n- { name: a, path: /a, isExecutableBy: me }\n"),
        ("licenses", "schemaVersion: 2.0.0\nlicenseTests:\n- debian: true\n"),
        ("terminal", "schemaVersion: 2.0.0\ncontainerRunOptions: { allocateTty: true }\n"),
        ("no YAML", "schemaVersion: 2.0.0\n  x: [\n"),
    ] {
        let project = with_tests(text);
        snapshot.error(what, &project, &["test", "base", "--config", "tests.yaml"]);
    }
    let project = with_tests(FILES);
    snapshot.error("no file", &project, &["test", "base", "--config", "nope.yaml"]);
    snapshot.error("no tests", &project, &["test", "base"]);
    snapshot.error("no platform", &project, &["test", "base", "--config", "tests.yaml", "--platform", "linux/s390x"]);
    snapshot.misuse("build flags", &project, &["test", "base", "--release"]);
    snapshot.check();
}

#[test]
fn wrong_keys_of_tests_are_shown() {
    let mut snapshot = Snapshot::of("test_key");
    for (what, value) in [
        ("no table", "1"),
        ("nothing to test", "{ name = \"a\" }"),
        ("unknown key", "{ run = [], stdot = \"a\" }"),
        ("no port", "{ http = { path = \"/\" } }"),
        ("path", "{ http = { path = \"health\", port = 80 } }"),
        ("status of http", "{ http = { port = 80 }, status = 0 }"),
        ("files and a program", "{ config = \"a.yaml\", run = [] }"),
        ("exit status", "{ run = [], status = 256 }"),
        ("expression", "{ run = [], stdout = \"[\" }"),
        ("time", "{ run = [], time-limit = \"10\" }"),
    ] {
        let project = Project::with_table(&format!("test = {value}\n"));
        snapshot.error(what, &project, &["test"]);
    }
    snapshot.check();
}
