//! Docker, Podman, containerd and kind.

use super::{of_prebuilt, prebuilt, with_docker};
use crate::support::project::Project;
use crate::support::snapshot::Snapshot;
use std::fs;

/// A Docker that says this of itself, and does that when it is given an image.
fn docker(version: &str, architecture: &str, load: &str) -> Project {
    let info = format!("{{\"ServerVersion\":\"{version}\",\"OSType\":\"linux\",\"Architecture\":\"{architecture}\"}}");
    let project = prebuilt();
    project.program("docker", &format!("case $1-$2 in\ninfo-*) echo '{info}' ;;\nimage-load) {load} ;;\nesac"));
    project
}

fn with_engine(name: &str, lines: &str) -> Project {
    let project = prebuilt();
    project.program(name, lines);
    project
}

#[test]
fn engine_errors_match_snapshot() {
    let mut told = Snapshot::of("engines");
    let mut alone = |title: &str, project: &Project, args: &[&str]| {
        told.call(title, project, args, project.oci(args).alone(), 1);
    };
    let load = ["load"];
    alone("an unknown engine in the table", &Project::with_table("engine = \"lxc\""), &load);
    let machine = "echo 'Error: the machine is not running' >&2; exit 125";
    alone("no engine at all", &with_engine("podman", machine), &load);
    let down = "echo 'Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?' >&2; exit 1";
    alone("an engine that is down", &with_engine("docker", down), &["load", "--engine", "docker"]);
    alone("an engine that is down, to run", &with_engine("docker", down), &["run", "--engine", "docker"]);
    alone("an engine that is not installed", &prebuilt(), &["load", "--engine", "podman"]);
    let podman = "echo '{\"Client\":{\"Version\":\"2.2.1\",\"OsArch\":\"linux/amd64\"}}'";
    let containerd = |version: &str| format!("printf 'Client:\\n  Version: 1.6\\nServer:\\n  Version: {version}\\n'");
    for (engine, title, project) in [
        ("docker", "a Docker that is too old", docker("1.13.1", "x86_64", "")),
        ("podman", "a Podman that is too old", with_engine("podman", podman)),
        ("containerd", "a containerd that is too old", with_engine("ctr", &containerd("1.4.13"))),
    ] {
        // Also where it was not named: another engine would be a surprise.
        alone(title, &project, &load);
        alone(&format!("{title}, by its name"), &project, &["load", "--engine", engine]);
    }
    let rubbish = with_engine("docker", "echo rubbish");
    alone("an engine that answers rubbish", &rubbish, &["load", "--engine", "docker"]);
    let one =
        docker("28.5.2", "s390x", "").append("Cargo.toml", "[package.metadata.oci]\nplatforms = [\"linux/amd64\"]\n");
    alone("an engine for a platform that is not built", &one, &load);
    alone("an engine for a platform that Rust has no target for", &docker("28.5.2", "mips64", ""), &load);
    let two = ["load", "--platform", "linux/amd64,linux/arm64"];
    alone("two platforms for a store that keeps one", &docker("20.10.24", "x86_64", ""), &two);
    alone("a cluster that is not there", &with_engine("kind", "exit 0"), &["load", "--engine", "kind:dev"]);
    alone("a program to run in a cluster", &with_engine("kind", "echo node"), &["run", "--engine", "kind"]);
    let publish = ["run", "--engine", "containerd", "--publish", "80:80"];
    alone("a port to publish in containerd", &with_engine("ctr", &containerd("1.6.20")), &publish);
    let network = ["run", "--engine", "containerd", "--volume", "/a:/a", "--network", "host"];
    alone("a volume and a network in containerd", &with_engine("ctr", &containerd("1.6.20")), &network);
    let library =
        Project::empty("x").file("Cargo.toml", "[package]\nname = \"x\"\nedition = \"2024\"\n").file("src/lib.rs", "");
    alone("a library to run", &library, &["run"]);
    told.check();
}

#[test]
fn engine_setting_errors_match_snapshot() {
    let mut told = Snapshot::of("engine_settings");
    let down = "echo 'Cannot connect to the Docker daemon' >&2; exit 1";
    let mut chosen = |title: &str, project: &Project, variable: (&str, &str)| {
        let call = project.oci(&["load"]).alone().env(variable.0, variable.1);
        told.writing(&project.home().display(), "HOME");
        told.call(title, project, &["load"], call, 1);
    };
    let docker = || {
        let project = with_docker(with_engine("docker", down));
        // This one answers: it would be a surprise.
        project.program("podman", "echo '{\"Client\":{\"Version\":\"5.4.2\",\"OsArch\":\"linux/amd64\"}}'");
        project
    };
    chosen("a host of Docker that is down", &docker(), ("DOCKER_HOST", "tcp://127.0.0.1:9"));
    chosen("a context of Docker that is down", &docker(), ("DOCKER_CONTEXT", "office"));
    let context = docker();
    fs::write(context.home().join(".docker/config.json"), "{\"currentContext\": \"office\"}").expect("a file");
    chosen("a context in config.json that is down", &context, ("DOCKER_HOST", ""));
    let podman = with_engine("podman", "echo 'Error: unable to connect to Podman socket' >&2; exit 125");
    chosen("a host of Podman that is down", &podman, ("CONTAINER_HOST", "ssh://office"));
    let containerd = with_engine("ctr", "echo 'ctr: cannot access containerd socket' >&2; exit 1");
    chosen("a containerd that is down", &containerd, ("CONTAINERD_ADDRESS", "/run/k3s/containerd/containerd.sock"));
    told.check();
}

#[test]
fn load_errors_match_snapshot() {
    let mut told = Snapshot::of("loads").after_building();
    let mut alone = |title: &str, project: &Project, args: &[&str]| {
        told.call(title, project, args, project.oci(args).alone(), 1);
    };
    let full = "/bin/cat > /dev/null; echo 'Error processing tar file(exit status 1): write /app/x: no space left on device' >&2; exit 1";
    let embedded = of_prebuilt("load", &["--base", "embedded", "--engine", "docker"]);
    alone("an engine out of disk", &docker("20.10.24", "x86_64", full), &embedded);
    alone(
        "an engine that is killed meanwhile",
        &docker("20.10.24", "x86_64", "echo 'error during connect: EOF' >&2; exit 1"),
        &embedded,
    );
    alone("a client that is killed meanwhile", &docker("20.10.24", "x86_64", "kill -9 $$"), &embedded);
    told.check();
}
