//! `cargo oci run`: the program in its container, as if it ran here.

use std::io::{Read, Write};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::support::engine::{Docker, DockerOptions, Podman};
use crate::support::environment;
use crate::support::process::{Ran, output};
use crate::support::project::{Call, Project};

/// How long a program may take to answer, and to end.
const LIMIT: Duration = Duration::from_secs(20);

fn with_env(call: Call, env: Vec<(String, std::ffi::OsString)>) -> Call {
    env.into_iter().fold(call, |call, (key, value)| call.env(&key, value))
}

/// `cargo oci run` in the background of any terminal.
struct Running(std::process::Child);

impl Running {
    fn start(call: &Call) -> Running {
        let mut command = call.whole();
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
        Running(command.spawn().expect("cargo oci starts"))
    }

    /// Sends a signal to cargo-oci, which cargo has become, and to nobody else.
    fn signal(&self, name: &str) {
        output(environment::command("kill").args([name, &self.0.id().to_string()]));
    }

    fn ended(mut self) -> Ran {
        let start = Instant::now();
        let status = loop {
            if let Some(status) = self.0.try_wait().expect("a child") {
                break status;
            }
            assert!(start.elapsed() < LIMIT, "it does not end");
            thread::sleep(Duration::from_millis(20));
        };
        let mut ran = Ran { stdout: String::new(), stderr: String::new(), status: status.code().unwrap_or(-1) };
        self.0.stdout.take().expect("a pipe").read_to_string(&mut ran.stdout).expect("text");
        self.0.stderr.take().expect("a pipe").read_to_string(&mut ran.stderr).expect("text");
        ran
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What `curl` gets from `url`, asked until there is an answer.
fn answer(mut curl: impl FnMut() -> Command, url: &str) -> String {
    let start = Instant::now();
    loop {
        let got = curl().args(["--silent", "--fail", url]).output().expect("curl is there: `.ci/setup` installs it");
        if got.status.success() {
            return String::from_utf8_lossy(&got.stdout).into_owned();
        }
        assert!(start.elapsed() < LIMIT, "{url} does not answer: {got:?}");
        thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn run_publishes_port_until_interrupted() {
    let docker = Docker::start_with(DockerOptions { bridge: true, ..DockerOptions::default() });
    let project = Project::fixture("service");
    // So that the wait is for the program, and not for the compiler.
    with_env(project.oci(&["load"]), docker.env()).succeeds();
    for (signal, status) in [("-INT", 130), ("-TERM", 0)] {
        let args = ["run", "--publish", "18080:8080", "--env", "SERVICE_GREETING=Hi"];
        let running = Running::start(&with_env(project.oci(&args), docker.env()));
        let info = answer(|| docker.inside("curl"), "http://127.0.0.1:18080/api/info");
        assert!(info.contains("\"greeting\":\"Hi\""), "{info}");
        running.signal(signal);
        let ran = running.ended();
        // The service ends well when it is asked to; an interrupt is told as such all the same.
        assert_eq!(ran.status, status, "{}{}", ran.stdout, ran.stderr);
        assert!(ran.stdout.ends_with("stopped\n"), "{}{}", ran.stdout, ran.stderr);
        assert_eq!(docker.docker(&["ps", "--all", "--quiet"]).stdout, "");
    }
}

#[test]
fn run_passes_arguments_and_exit_status() {
    let (docker, podman) = (Docker::start(), Podman::new());
    let project = Project::fixture("hello");
    for (engine, env) in [("docker", docker.env()), ("podman", podman.env())] {
        let args =
            ["run", "--base", "embedded", "--engine", engine, "--engine-arg=--network=none", "--", "--exit", "7"];
        let ran = with_env(project.oci(&args), env).run();
        assert_eq!(ran.status, 7, "{}{}", ran.stdout, ran.stderr);
        assert!(ran.stdout.starts_with("Hello from ") && ran.stdout.contains("args=--exit 7\n"), "{}", ran.stdout);
        let name = if engine == "podman" { "localhost/hello:latest" } else { "hello:latest" };
        assert!(ran.stderr.contains(&format!("Running {name} in ")), "{}", ran.stderr);
    }
}

#[test]
fn run_flags_configure_the_container() {
    let (docker, podman) = (Docker::start(), Podman::new());
    let main = "fn main() {\n    let status = std::fs::read_to_string(\"/proc/self/status\").unwrap();\n    \
        let uid = status.lines().find_map(|line| line.strip_prefix(\"Uid:\")).unwrap().split('\\t').nth(1).unwrap();\n    \
        let args: Vec<_> = std::env::args().skip(1).collect();\n    \
        println!(\"{uid} {} {} {}\", std::env::current_dir().unwrap().display(), std::env::var(\"WORD\").unwrap(), args.join(\" \"));\n}\n";
    let project = Project::with_table("cmd = [\"one\"]\nworkdir = \"/tmp\"\nenv = { WORD = \"own\" }");
    let project = project.file("src/main.rs", main);
    for (engine, env) in [("docker", docker.env()), ("podman", podman.env())] {
        let run = |args: &[&str]| {
            let own = ["run", "--base", "embedded", "--engine", engine, "--network", "none"];
            let call = with_env(project.oci(&[&own, args].concat()), env.clone()).env("WORD", "passed");
            call.succeeds()
        };
        assert_eq!(run(&[]).stdout, "65532 /tmp own one\n");
        let ran = run(&["-u", "7:7", "-w", "/", "-e", "WORD", "--entrypoint", "/app/x", "--entrypoint", "two"]);
        assert_eq!(ran.stdout, "7 / passed two\n");
        // The engine's image is the one of Cargo.toml.
        assert!(ran.stderr.contains("Unchanged "), "{}", ran.stderr);
        let id = run(&["--detach", "--rm", "--name", "once"]).stdout;
        assert!(id.trim_end().len() == 64 && id.trim_end().bytes().all(|byte| byte.is_ascii_hexdigit()), "{id}");
    }
}

#[test]
fn run_mounts_volumes() {
    let docker = Docker::start();
    let project = Project::new("x")
        .file("src/main.rs", "fn main() { print!(\"{}\", std::fs::read_to_string(\"/data/word\").unwrap()); }\n")
        .file("data/word", "mounted");
    let volume = format!("{}:/data:ro", project.path("data").display());
    let args = ["run", "--base", "embedded", "--volume", &volume, "--engine-arg=--network=none"];
    let ran = with_env(project.oci(&args), docker.env()).succeeds();
    assert_eq!(ran.stdout, "mounted");
}

/// Runs it in a terminal, and types Ctrl-C when it says `up`.
fn interrupted_in_a_terminal(call: &Call) -> Ran {
    let whole = call.whole();
    let words: Vec<_> = whole.get_args().map(|word| word.to_string_lossy().into_owned()).collect();
    let mut command = call.command("script");
    let typed = format!("cargo {}", words.join(" "));
    command.args(["--quiet", "--return", "--flush", "--command", &typed, "/dev/null"]);
    let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut running = Running(child.expect("script is there: `.ci/setup` installs it"));
    let mut said = Vec::new();
    let mut terminal = running.0.stdout.take().expect("a pipe");
    let mut byte = [0];
    while !said.ends_with(b"up\r\n") {
        assert_eq!(terminal.read(&mut byte).expect("a terminal"), 1, "{}", String::from_utf8_lossy(&said));
        said.push(byte[0]);
    }
    // The engine's client has the terminal a moment after the program.
    thread::sleep(Duration::from_millis(500));
    running.0.stdin.as_mut().expect("a pipe").write_all(b"\x03").expect("a terminal");
    let start = Instant::now();
    let status = loop {
        if let Some(status) = running.0.try_wait().expect("a child") {
            break status.code().unwrap_or(-1);
        }
        assert!(start.elapsed() < LIMIT, "it does not end: {}", String::from_utf8_lossy(&said));
        thread::sleep(Duration::from_millis(20));
    };
    Ran { stdout: String::from_utf8_lossy(&said).into_owned(), stderr: String::new(), status }
}

#[test]
fn run_ends_program_without_handlers_on_interrupt() {
    let (docker, podman) = (Docker::start(), Podman::new());
    let sleeps = "fn main() { println!(\"up\"); std::thread::sleep(std::time::Duration::from_secs(60)); }\n";
    let project = Project::new("x").file("src/main.rs", sleeps);
    for (engine, env) in [("docker", docker.env()), ("podman", podman.env())] {
        let args = ["run", "--base", "embedded", "--engine", engine, "--engine-arg=--network=none"];
        let call = with_env(project.oci(&args), env);
        assert_eq!(interrupted_in_a_terminal(&call).status, 130, "{engine}");
    }
    assert_eq!(docker.docker(&["ps", "--all", "--quiet"]).stdout, "");
}

#[test]
fn run_starts_the_image_just_loaded() {
    let (docker, podman) = (Docker::start(), Podman::new());
    let project = Project::fixture("hello");
    let args = ["run", "--base", "embedded", "--engine-arg=--network=none"];
    let other = if cfg!(target_arch = "aarch64") { "linux/amd64" } else { "linux/arm64" };
    let ran = with_env(project.oci(&args), docker.env()).env("DOCKER_DEFAULT_PLATFORM", other).succeeds();
    assert!(ran.stdout.starts_with(&format!("Hello from {}!", std::env::consts::ARCH)), "{}", ran.stdout);

    // A short name that Podman knows as somebody else's.
    let load = ["load", "--base", "embedded", "--engine", "podman"];
    with_env(project.oci(&load), podman.env()).succeeds();
    assert_eq!(podman.podman(&["tag", "localhost/hello", "quay.io/centos/centos:latest"]).status, 0);
    let project = Project::new("centos").file("src/main.rs", "fn main() { println!(\"mine\"); }\n");
    assert_eq!(with_env(project.oci(&load), podman.env()).succeeds().stdout, "localhost/centos:latest\n");
    let args = ["run", "--base", "embedded", "--engine", "podman"];
    assert_eq!(with_env(project.oci(&args), podman.env()).succeeds().stdout, "mine\n");
}
