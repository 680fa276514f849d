//! `cargo oci test` of images that are there: config and files, for every platform, without an engine.

use std::fs;
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::snapshots::{AMD64, elf};
use crate::support::base::BaseImage;
use crate::support::process::{Process, Ran};
use crate::support::project::{Call, Project};
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
        ("no tests in it", "schemaVersion: 2.0.0\ncommandTests:\n"),
        ("owner", "schemaVersion: 2.0.0\nfileExistenceTests:\n- { name: a, path: /a, uid: 99999999999 }\n"),
        ("group", "schemaVersion: 2.0.0\nfileExistenceTests:\n- { name: a, path: /a, gid: 4294967296 }\n"),
        ("owner below", "schemaVersion: 2.0.0\nfileExistenceTests:\n- { name: a, path: /a, uid: -7 }\n"),
        ("key twice", "schemaVersion: 2.0.0\ncommandTests: []\ncommandTests: []\n"),
        ("type", "schemaVersion: 2.0.0\ncommandTests: { name: a }\n"),
        ("two documents", "schemaVersion: 2.0.0\n---\nschemaVersion: 2.0.0\n"),
        ("depth", &format!("schemaVersion: 2.0.0\nlicenseTests: {}{}\n", "[".repeat(90), "]".repeat(90))),
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
fn null_and_empty_documents_are_nothing() {
    let text = "---\nschemaVersion: 2.0.0\nglobalEnvVars:\ncommandTests:\nfileContentTests:\ncontainerRunOptions:\nfileExistenceTests:\n\
                - { name: a, path: /etc/passwd, shouldExist: , permissions: , uid: -1, gid: -1, isExecutableBy: '' }\nmetadataTest:\n  \
                cmd:\n  volumes:\n---\n...\n";
    let Ran { stdout, stderr, status } = test(text);
    assert_eq!(
        (status, stdout.as_str()),
        (0, "passed   linux/amd64 file: a\npassed   linux/amd64 metadata\n"),
        "{stderr}"
    );
}

#[test]
fn file_may_have_many_tests() {
    let entry = "- { name: a, path: /etc/passwd, uid: 0, gid: 0 }\n";
    let ran = test(&format!("schemaVersion: 2.0.0\nfileExistenceTests:\n{}", entry.repeat(40_000)));
    assert_eq!((ran.status, ran.stdout.lines().count()), (0, 40_000), "{}", ran.stderr);
}

#[test]
fn content_too_long_to_compare_fails() {
    let text = "schemaVersion: 2.0.0\nfileContentTests:\n- { name: a, path: /big, excludedContents: [SECRET] }\n";
    let project = Project::empty("x").file("tests.yaml", text);
    BaseImage::new().big(65).write(&project.path("base"));
    let ran = project.oci(&["test", "base", "--config", "tests.yaml", "--platform", "linux/amd64"]).run();
    let expected = "failed   linux/amd64 content: a\n         the content of /big is longer than 64 MiB, the most that is compared\n";
    assert_eq!((ran.status, ran.stdout.as_str()), (1, expected), "{}", ran.stderr);
}

#[test]
fn junit_file_is_checked_before_any_test() {
    let project = with_tests(FILES);
    let call = |path: &str| project.oci(&["test", "base", "--config", "tests.yaml", "--junit", path]);
    for (path, why) in [("nope/j.xml", "No such file or directory"), (".", "is a directory")] {
        let words = call(path).fails(1);
        assert!(words.contains(&format!("cannot write {path}")) && words.contains(why), "{words}");
        assert!(!words.contains("Testing"), "{words}");
    }
    // What fails nevertheless loses no result.
    let Ran { stdout, stderr, status } = call("/dev/full").run();
    assert!(stdout.starts_with("passed   linux/amd64 content: users\n"), "{stdout}");
    assert!(stderr.contains("cannot write /dev/full") && status == 1, "{stderr}");
}

#[test]
fn files_of_tests_are_read_before_the_build() {
    for (table, why) in [
        ("test = { config = \"nope.yaml\" }\n", ["cannot read ", "/nope.yaml"]),
        ("test = { config = \"empty.yaml\" }\n", ["there are no tests in ", "/empty.yaml"]),
        ("", ["there are no tests for ", "x"]),
    ] {
        let project = Project::with_table(table).file("empty.yaml", "schemaVersion: 2.0.0\n");
        let project = project.file("src/main.rs", "fn main() { this is not compiled }\n");
        for args in [&["test"][..], &["push", "127.0.0.1:9/acme/x", "--test"]] {
            let words = project.oci(&[args, &["--base", "embedded"]].concat()).fails(1);
            assert!(why.iter().all(|part| words.contains(part)), "{words}");
        }
    }
}

/// An engine or a runtime that records what is removed, and how long it takes it. A program `ends`, or runs for a minute.
const ENGINE: &str = r#"
case "$*" in
*"version --format"*) echo '{"Client":{"Version":"5.4.2","OsArch":"linux/amd64"}}';;
"load "*) cat > /dev/null;;
"container inspect"*) echo 0001-01-01;;
"port "*) ;;
"rm "*|"image rm "*|"delete "*) sleep 1; echo "$*" >> "$RECORD/removed";;
*run*/app/ends*) ;;
*run*/nope*) echo 'no /nope' >&2; exit 127;;
*run*) echo "$*" >> "$RECORD/started"; exec sleep 60;;
esac
"#;

/// Returns a call that tests the image in that engine, or in that runtime.
fn in_double(project: &Project, name: &str) -> Call {
    project.program(name, ENGINE);
    for program in ["cat", "sleep"] {
        let _ = std::os::unix::fs::symlink(format!("/bin/{program}"), project.path("programs").join(program));
    }
    let args = ["test", "base", "--config", "tests.yaml", "--platform", "linux/amd64"];
    project.oci(&args).alone().env("RECORD", project.root()).env("TMPDIR", project.root().join("temporary"))
}

#[test]
fn interrupt_removes_what_tests_have_begun() {
    let tests = "schemaVersion: 2.0.0\ncommandTests: [{ name: a, command: /app/x }]\n";
    for (name, removed) in [("podman", &["rm --force", "image rm --force"][..]), ("runc", &["delete --force"])] {
        for signal in [Signal::INT, Signal::TERM] {
            let project = with_tests(tests);
            fs::create_dir(project.path("temporary")).expect("a folder");
            let mut running = Process::with_pipes(&mut in_double(&project, name).direct());
            let begin = Instant::now();
            while !project.path("started").exists() {
                assert!(begin.elapsed() < Duration::from_secs(60), "{name} does not start");
                sleep(Duration::from_millis(20));
            }
            let pid = Pid::from_raw(i32::try_from(running.id()).expect("an id")).expect("an id");
            kill_process(pid, signal).expect("it runs");
            let status = running.wait(Duration::from_secs(30)).expect("it ends");
            assert_eq!(status.code(), Some(128 + signal.as_raw()), "{name}");
            let found = fs::read_to_string(project.path("removed")).unwrap_or_default();
            let found: Vec<_> = found.lines().collect();
            assert!(found.len() == removed.len(), "{name}: {found:?}");
            assert!(found.iter().zip(removed).all(|(found, removed)| found.starts_with(removed)), "{name}: {found:?}");
            let left = fs::read_dir(project.path("temporary")).expect("a folder").count();
            assert_eq!(left, 0, "{name}: folders are left");
        }
    }
}

#[test]
fn setup_counts_in_the_time_limit() {
    let tests = "schemaVersion: 2.0.0\ncommandTests:\n\
                 - { name: slow, command: /app/ends, setup: [[/app/sleeps, 9]] }\n\
                 - { name: away, command: /app/ends, setup: [[/nope]] }\n";
    let project = with_tests(tests);
    let begin = Instant::now();
    let ran = in_double(&project, "podman").with(&["--time-limit", "2s", "--engine", "podman"]).run();
    let found: Vec<_> = ran.stdout.lines().map(str::trim).collect();
    let expected = [
        "failed   linux/amd64 command: slow",
        "/app/sleeps of `setup` had not ended after 2 s, and was killed",
        "failed   linux/amd64 command: away",
        "/nope of `setup` cannot be started: no /nope",
    ];
    assert_eq!(found, expected, "{}", ran.stderr);
    assert!(begin.elapsed() < Duration::from_secs(30), "{:?}", begin.elapsed());
    // Podman's own time limit would come on top.
    let started = fs::read_to_string(project.path("started")).expect("a file");
    assert!(started.starts_with("run --stop-timeout 0 "), "{started}");
}

#[test]
fn user_that_is_away_fails_its_test() {
    let tests = "schemaVersion: 2.0.0\ncontainerRunOptions: { user: nobody2 }\n\
                 commandTests: [{ name: a, command: /app/ends }]\nmetadataTest: { user: '65532' }\n";
    let project = with_tests(tests);
    fs::create_dir(project.path("temporary")).expect("a folder");
    let Ran { stdout, stderr, .. } = in_double(&project, "runc").run();
    let expected = "failed   linux/amd64 command: a\n         /app/ends cannot be started: the image runs as `nobody2`, but its \
                    /etc/passwd has no user `nobody2`\npassed   linux/amd64 metadata\n";
    assert_eq!(stdout, expected, "{stderr}");
    assert!(!stderr.contains("choose a base"), "{stderr}");
}

#[test]
fn port_that_is_not_published_is_told() {
    let project = Project::with_table("test = { http = { port = 80 }, time-limit = \"1s\" }\n");
    fs::write(project.path("program"), elf(AMD64)).expect("a file");
    project.program("podman", ENGINE);
    let args = ["test", "--base", "embedded", "--platform", "linux/amd64", "--prebuilt", "linux/amd64=program"];
    let call = project.oci(&[&args[..], &["--engine", "podman"]].concat()).on_path(project.path("programs"));
    let ran = call.env("RECORD", project.root()).run();
    let expected = "port 80 did not answer GET / with 200 within 1 s: it was not asked, as Podman 5.4.2 has not published the port";
    assert!(ran.stdout.contains(expected), "{}{}", ran.stdout, ran.stderr);
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
