//! `cargo oci test` in engines and runtimes, and beside container-structure-test.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::path::PathBuf;
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::support::engine::{Docker, DockerOptions, Podman};
use crate::support::environment;
use crate::support::process::{self, Process, Ran};
use crate::support::project::{Call, Project};
use crate::support::registry::DockerRegistry;

/// Tests whose names say whether they pass; in Go's syntax of expressions where it differs.
const CASES: &str = r#"
schemaVersion: 2.0.0
globalEnvVars: [{ key: DIR, value: /app }]
commandTests:
  - { name: passes with output, command: /app/hello, args: [one, two], expectedOutput: ['args=one two', '(?m)^uid=65532$'] }
  - { name: passes with status, command: /app/hello, args: [--exit, '7'], exitCode: 7 }
  - { name: passes on PATH, command: hello, excludedOutput: ['uid=0'], excludedError: ['panicked'] }
  - { name: passes with variable, command: $DIR/hello }
  - { name: fails with own variable, command: $BIN/hello, envVars: [{ key: BIN, value: /app }] }
  - { name: fails with output, command: /app/hello, expectedOutput: ['{"nope"'] }
  - { name: fails with excluded, command: /app/hello, excludedOutput: ['Hello'] }
  - { name: fails with status, command: /app/hello, exitCode: 3 }
  - { name: fails without program, command: /app/nope, exitCode: 127 }
  - { name: fails without shell, command: sh, args: ['-c', 'true'] }
fileExistenceTests:
  - { name: passes there, path: /app/hello, permissions: '-rwxr-xr-x', uid: 0, gid: 0, isExecutableBy: other }
  - { name: passes folder, path: /tmp, permissions: dtrwxrwxrwx }
  - { name: passes away, path: /bin/sh, shouldExist: false }
  - { name: fails mode, path: /app/hello, permissions: '-rwx------' }
  - { name: fails owner, path: /app/hello, uid: 65532 }
  - { name: fails away, path: /nope }
fileContentTests:
  - { name: passes content, path: /etc/passwd, expectedContents: ['nonroot:x:65532:65532'], excludedContents: ['bash'] }
  - { name: fails content, path: /etc/passwd, expectedContents: ['^nonroot'] }
  - { name: fails away, path: /nope }
metadataTest:
  envVars: [{ key: PATH, value: ':/app$', isRegex: true }]
  labels: [{ key: org.opencontainers.image.version, value: '0.1.0' }]
  entrypoint: [/app/hello]
  user: '65532'
"#;

/// A program that answers the tests, built once.
fn hello() -> Project {
    Project::fixture("hello").file("cases.yaml", CASES)
}

fn with_env(call: Call, env: Vec<(String, OsString)>) -> Call {
    env.into_iter().fold(call, |call, (key, value)| call.env(&key, value))
}

/// Returns the verdicts by title, and checks that all platforms agree.
fn verdicts(ran: &Ran, platforms: usize) -> BTreeMap<String, String> {
    let found: Value = serde_json::from_str(&ran.stdout).unwrap_or_else(|_| panic!("{}{}", ran.stdout, ran.stderr));
    let (mut verdicts, mut seen) = (BTreeMap::new(), BTreeMap::new());
    for result in found[0]["results"].as_array().expect("results") {
        let (name, verdict) =
            (result["name"].as_str().expect("a name"), result["verdict"].as_str().expect("a verdict"));
        let before = verdicts.insert(name.to_owned(), verdict.to_owned());
        assert!(before.is_none_or(|before| before == verdict), "{result:#}");
        *seen.entry(name.to_owned()).or_insert(0) += 1;
    }
    assert!(seen.values().all(|count| *count == platforms), "{seen:?}");
    verdicts
}

/// Asserts that each verdict is the one that its name says.
#[track_caller]
fn assert_as_named(verdicts: &BTreeMap<String, String>) {
    for (name, verdict) in verdicts {
        let expected = if name.contains("fails") { "failed" } else { "passed" };
        assert_eq!(verdict, expected, "{name}");
    }
    assert_eq!(verdicts.len(), 20);
}

/// Returns the verdicts of container-structure-test, under the titles of `cargo oci test`.
fn of_structure_test(project: &Project, docker: &Docker, image: &str) -> BTreeMap<String, String> {
    let folder =
        std::env::var_os("CARGO_OCI_TEST_STRUCTURE_PATH").expect("CARGO_OCI_TEST_STRUCTURE_PATH: run `.ci/test`");
    let mut command = environment::command(PathBuf::from(folder).join("container-structure-test"));
    command.args(["test", "--image", image, "--output", "json", "--config"]).arg(project.path("cases.yaml"));
    let Ran { stdout, stderr, .. } = process::run(command.envs(docker.env()));
    let found: Value = serde_json::from_str(&stdout).unwrap_or_else(|_| panic!("{stdout}{stderr}"));
    let titles = [("Command Test", "command"), ("File Existence Test", "file"), ("File Content Test", "content")];
    let results = found["Results"].as_array().expect("results").iter().map(|result| {
        let name = result["Name"].as_str().expect("a name");
        let title = titles.iter().fold(name.to_owned(), |name, (theirs, ours)| name.replace(theirs, ours));
        let verdict = if result["Pass"] == json!(true) { "passed" } else { "failed" };
        (title.replace("Metadata Test", "metadata"), verdict.to_owned())
    });
    results.collect()
}

#[test]
fn verdicts_are_those_of_container_structure_test() {
    let (project, docker) = (hello(), Docker::start());
    with_env(project.oci(&["load", "--base", "embedded", "--engine", "docker"]), docker.env()).succeeds();
    let theirs = of_structure_test(&project, &docker, "hello:latest");
    let images = || docker.docker(&["image", "ls", "--all", "--quiet"]).stdout;
    let before = images();
    let ours = project.oci(&["test", "--base", "embedded", "--engine", "docker", "--config", "cases.yaml", "--json"]);
    let ran = with_env(ours, docker.env()).run();
    assert_eq!(ran.status, 1, "{}", ran.stderr);
    let ours = verdicts(&ran, 2);
    assert_eq!(ours, theirs);
    assert_as_named(&ours);
    // Nothing is left behind, and no name has moved.
    assert_eq!(images(), before);
    assert_eq!(docker.docker(&["ps", "--all", "--quiet"]).stdout, "");
}

#[test]
fn verdicts_are_the_same_in_podman_and_runc() {
    let (project, podman, registry) = (hello(), Podman::new(), DockerRegistry::start());
    let test = |args: &[&str]| {
        project.oci(&[&["test", "--base", "embedded", "--config", "cases.yaml", "--json"], args].concat())
    };
    assert_as_named(&verdicts(&with_env(test(&["--engine", "podman"]), podman.env()).run(), 2));
    // The image in a registry, without any engine on PATH.
    let repository = registry.reference("hello");
    project.push(&[&repository]).succeeds();
    let reference = format!("{repository}:latest");
    let args = ["test", &reference, "--config", "cases.yaml", "--json"];
    let ran = with_runc(&project, project.oci(&args)).run();
    assert_as_named(&verdicts(&ran, 2));
    assert!(ran.stderr.contains(" in runc"), "{}", ran.stderr);
}

/// Answers every request with 204; with an argument, it only complains.
const SERVER: &str = r#"use std::io::{Read, Write};
fn main() {
    if std::env::args().count() > 1 {
        eprintln!("usage: server");
        std::process::exit(2);
    }
    let listener = std::net::TcpListener::bind("0.0.0.0:PORT").unwrap();
    for stream in listener.incoming() {
        let mut stream = stream.unwrap();
        let _ = stream.read(&mut [0; 1024]);
        let _ = stream.write_all(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n");
    }
}
"#;

fn server(port: u16, table: &str) -> Project {
    let source = SERVER.replace("PORT", &port.to_string());
    Project::new("server")
        .file("src/main.rs", &source)
        .append("Cargo.toml", &format!("[package.metadata.oci]\n{table}"))
}

/// Returns a port: containers may share those of this machine.
fn free_port() -> u16 {
    let free = std::net::TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    free.expect("a free port").port()
}

/// Returns a test of what the server answers.
fn answers(port: u16, status: u16) -> String {
    format!("test = {{ http = {{ path = \"/\", port = {port}, status = {status} }}, time-limit = \"8s\" }}\n")
}

/// Leaves runc, and no engine.
fn with_runc(project: &Project, call: Call) -> Call {
    fs::create_dir_all(project.path("programs")).expect("a folder");
    std::os::unix::fs::symlink("/usr/sbin/runc", project.path("programs/runc")).expect("links");
    call.alone()
}

#[test]
fn server_is_tested_before_it_is_pushed() {
    let registry = DockerRegistry::start();
    let port = free_port();
    let repository = registry.reference("server");
    let push = |project: &Project| with_runc(project, project.push(&[&repository, "--test"])).run();
    let refused = push(&server(port, &answers(port, 418)));
    assert_eq!(refused.status, 1, "{}", refused.stderr);
    let reason = "did not answer GET / with 418 within 8 s: the last answer had the status 204";
    assert!(refused.stderr.contains(reason), "{}", refused.stderr);
    assert_eq!(registry.link("server", "latest"), None);
    let pushed = push(&server(port, &answers(port, 204)));
    assert_eq!(pushed.status, 0, "{}", pushed.stderr);
    let passed = format!("Tested server linux/arm64/v8 http: / on {port}: passed");
    assert!(pushed.stderr.contains(&passed), "{}", pushed.stderr);
    // A port that is taken is told, and not asked.
    let taken = std::net::TcpListener::bind(("127.0.0.1", port)).expect("a free port");
    let refused = push(&server(port, &answers(port, 204)));
    assert!(refused.stderr.contains(&format!("port {port} of this machine is taken")), "{}", refused.stderr);
    drop(taken);
}

#[test]
fn server_in_docker_has_a_port_of_its_own() {
    let options = DockerOptions { bridge: true, ..DockerOptions::default() };
    let (docker, project) = (Docker::start_with(options), server(8080, &answers(8080, 204)));
    let call = with_env(project.oci(&["test", "--base", "embedded", "--engine", "docker"]), docker.env());
    // Docker's ports are those of its own network.
    let direct = call.direct();
    let mut inside = docker.inside(env!("CARGO_BIN_EXE_cargo-oci"));
    inside.args(direct.get_args()).current_dir(project.root()).env_clear();
    inside.envs(direct.get_envs().filter_map(|(key, value)| Some((key, value?))));
    let ran = process::run(&mut inside);
    assert_eq!(ran.status, 0, "{}{}", ran.stdout, ran.stderr);
    assert!(ran.stdout.contains("passed   linux/arm64/v8 http: / on 8080"), "{}", ran.stdout);
    assert_eq!(docker.docker(&["ps", "--all", "--quiet"]).stdout, "");
}

#[test]
fn program_that_does_not_end_is_killed() {
    let (table, podman) = (
        "test = [{ run = [], time-limit = \"2s\" }, { run = [\"--nope\"], status = 2, stderr = \"usage\" }]\n",
        Podman::new(),
    );
    let args = ["test", "--base", "embedded", "--platform", "linux/amd64", "--engine", "podman"];
    let project = server(free_port(), table);
    project.oci(&["build", "--base", "embedded", "--platform", "linux/amd64"]).succeeds();
    let begin = Instant::now();
    let ran = with_env(project.oci(&args).env("NO_COLOR", "1"), podman.env()).run();
    // Podman waits for 10 seconds until it kills what ignores SIGTERM.
    assert!(begin.elapsed() < Duration::from_secs(10), "it took {:?}", begin.elapsed());
    assert!(ran.stdout.contains("had not ended after 2 s, and was killed"), "{}{}", ran.stdout, ran.stderr);
    assert!(ran.stdout.contains("passed   linux/amd64 command: --nope"), "{}{}", ran.stdout, ran.stderr);
    assert_eq!(ran.status, 1, "{}", ran.stderr);
    assert_eq!(podman.podman(&["ps", "--all", "--quiet"]).stdout, "");
}

/// Starts a test, interrupts it once `is_running`, and waits for its end.
fn interrupt(call: &Call, is_running: impl Fn() -> bool) {
    let mut running = Process::with_pipes(&mut call.direct());
    let begin = Instant::now();
    while !is_running() {
        assert!(begin.elapsed() < Duration::from_secs(300) && running.ended().is_none(), "the program does not start");
        sleep(Duration::from_millis(50));
    }
    let pid = Pid::from_raw(i32::try_from(running.id()).expect("an id")).expect("an id");
    kill_process(pid, Signal::INT).expect("it runs");
    let status = running.wait(Duration::from_secs(30)).expect("it ends");
    assert_eq!(status.code(), Some(130));
}

#[test]
fn interrupted_test_leaves_no_container() {
    let (project, podman) = (server(free_port(), "test = { run = [], time-limit = \"2m\" }\n"), Podman::new());
    let test =
        |args: &[&str]| project.oci(&[&["test", "--base", "embedded", "--platform", "linux/amd64"], args].concat());
    let call = with_env(test(&["--engine", "podman"]), podman.env());
    interrupt(&call, || !podman.podman(&["ps", "--quiet"]).stdout.is_empty());
    assert_eq!(podman.podman(&["ps", "--all", "--quiet"]).stdout, "");
    assert_eq!(podman.podman(&["image", "ls", "--all", "--quiet"]).stdout, "");
    let folder = project.path("temporary");
    fs::create_dir(&folder).expect("a folder");
    let in_folder = folder.to_str().expect("a path").to_owned();
    let runs = || process::run(environment::command("runc").arg("list")).stdout.contains(&in_folder);
    interrupt(&with_runc(&project, test(&[])).env("TMPDIR", &folder), runs);
    assert!(!runs(), "a container is left");
    assert_eq!(fs::read_dir(&folder).expect("a folder").count(), 0);
}

#[test]
fn setup_that_is_wrong_fails_in_time() {
    let tests = "schemaVersion: 2.0.0\ncommandTests:\n\
                 - { name: slow, command: /app/server, args: [--help], exitCode: 2, setup: [[/app/server]] }\n\
                 - { name: away, command: /app/server, args: [--help], exitCode: 2, setup: [[/nope]] }\n\
                 - { name: ends, command: /app/server, args: [--help], exitCode: 2, setup: [[/app/server, --help]] }\n";
    let (project, podman) = (server(free_port(), "").file("tests.yaml", tests), Podman::new());
    let args =
        ["test", "--base", "embedded", "--platform", "linux/amd64", "--config", "tests.yaml", "--time-limit", "15s"];
    let in_podman = with_env(project.oci(&args).with(&["--engine", "podman"]), podman.env());
    for call in [in_podman, with_runc(&project, project.oci(&args))] {
        let Ran { stdout, stderr, status } = call.run();
        assert_eq!(status, 1, "{stdout}{stderr}");
        assert!(stdout.contains("/app/server of `setup` had not ended after 15 s, and was killed"), "{stdout}{stderr}");
        assert!(stdout.contains("/nope of `setup` cannot be started: "), "{stdout}{stderr}");
        assert!(stdout.contains("passed   linux/amd64 command: ends"), "{stdout}{stderr}");
    }
    assert_eq!(podman.podman(&["ps", "--all", "--quiet"]).stdout, "");
}
