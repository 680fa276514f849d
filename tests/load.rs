//! What `load` and `run` refuse before anything is built. Stand-ins answer for engines that are too old or not here.

mod support;

use support::project::{Call, Project};

/// `cargo oci ARGS`, where no engine is on PATH but those that the project itself has.
fn alone(project: &Project, args: &[&str]) -> Call {
    project.oci(args).alone()
}

/// A project with a stand-in for an engine: a shell script of these lines.
fn with(engine: &str, lines: &str) -> Project {
    let project = Project::new("x");
    project.program(engine, lines);
    project
}

/// A Docker that says this of itself.
fn docker(version: &str, architecture: &str) -> Project {
    let info = format!(
        "{{\"ServerVersion\":\"{version}\",\"OSType\":\"linux\",\"Architecture\":\"{architecture}\",\"DriverStatus\":[]}}"
    );
    with("docker", &format!("echo '{info}'"))
}

#[track_caller]
fn assert_says(words: &str, parts: &[&str]) {
    for part in parts {
        assert!(words.contains(part), "{part}:\n{words}");
    }
    assert!(!words.contains("Compiling") && !words.contains("Layering"), "{words}");
}

#[test]
fn an_unknown_engine_is_refused_with_those_there_are() {
    let project = Project::new("x");
    let words = project.oci(&["load", "--engine", "lxc"]).fails(2);
    assert_says(
        &words,
        &["`lxc` is not an engine: there is docker, podman, nerdctl, containerd, kind, minikube and k3d"],
    );
    let project = Project::with_table("engine = \"lxc\"");
    let words = project.oci(&["load"]).fails(1);
    assert_says(&words, &["`lxc` is not an engine", "Cargo.toml:7", "write it as in `engine = \"podman\"`"]);
}

#[test]
fn without_any_engine_it_is_said_which_were_tried() {
    let project = with("podman", "echo 'Error: the machine is not running' >&2; exit 125");
    let words = alone(&project, &["load"]).fails(1);
    assert_says(
        &words,
        &[
            "no engine answers",
            "docker: there is no `docker` on PATH",
            "podman: podman version: the machine is not running",
            "nerdctl: there is no `nerdctl` on PATH",
            "containerd: there is no `ctr` on PATH",
            "`cargo oci build -o docker-archive=image.tar`",
        ],
    );
}

#[test]
fn an_engine_that_is_down_is_told_in_its_own_words() {
    let project = with("docker", "echo 'Cannot connect to the Docker daemon at unix:///x.' >&2; exit 1");
    for command in ["load", "run"] {
        let words = alone(&project, &[command, "--engine", "docker"]).fails(1);
        assert_says(
            &words,
            &[
                "the engine docker does not answer",
                "docker info: Cannot connect to the Docker daemon at unix:///x.",
                "help: start it, or name another with `--engine`",
            ],
        );
    }
    let words = alone(&project, &["load", "--engine", "podman"]).fails(1);
    assert_says(&words, &["the engine podman cannot be used: there is no `podman` on PATH", "help: install podman"]);
}

#[test]
fn an_engine_that_is_too_old_is_refused_by_its_version() {
    for (project, engine, words) in [
        (docker("1.13.1", "x86_64"), "docker", "Docker 1.13.1 is too old: 17.06 is needed"),
        (
            with("podman", "echo '{\"Client\":{\"Version\":\"2.2.1\",\"OsArch\":\"linux/amd64\"}}'"),
            "podman",
            "Podman 2.2.1 is too old: 3.0 is needed",
        ),
        (
            with("ctr", "printf 'Client:\\n  Version: 1.6\\nServer:\\n  Version: 1.4.13\\n'"),
            "containerd",
            "containerd 1.4.13 is too old: 1.5 is needed",
        ),
    ] {
        // Also where it was not named: another engine would be a surprise.
        for args in [&["load", "--engine", engine][..], &["load"]] {
            assert_says(&alone(&project, args).fails(1), &[words, "help: update it"]);
        }
    }
}

#[test]
fn an_engine_for_another_platform_is_told_apart() {
    let project =
        docker("28.5.2", "s390x").append("Cargo.toml", "[package.metadata.oci]\nplatforms = [\"linux/amd64\"]\n");
    let words = alone(&project, &["load"]).fails(1);
    assert_says(
        &words,
        &[
            "Docker 28.5.2 runs programs for linux/s390x",
            "x is made for linux/amd64, not for linux/s390x",
            "help: add linux/s390x to the key `platforms`, or choose with `--platform linux/amd64`",
        ],
    );
    let words = alone(&docker("28.5.2", "mips64"), &["load"]).fails(1);
    assert_says(&words, &["Rust has no musl target that makes programs for linux/mips64"]);
}

#[test]
fn a_cluster_runs_no_programs() {
    let project = with("kind", "echo node");
    let words = alone(&project, &["run", "--engine", "kind"]).fails(1);
    assert_says(&words, &["the kind cluster kind runs pods, not programs", "kubectl run"]);
    let project = with("kind", "exit 0");
    let words = alone(&project, &["load", "--engine", "kind:c"]).fails(1);
    assert_says(&words, &["the engine kind:c does not answer", "kind get nodes: the cluster c has no nodes"]);
}

#[test]
fn containerd_publishes_no_ports() {
    let project = with("ctr", "printf 'Server:\\n  Version: 1.6.20\\n'");
    let words = alone(&project, &["run", "--engine", "containerd", "--publish", "80:80"]).fails(1);
    assert_says(&words, &["containerd 1.6.20 knows neither `--publish` nor `--volume`", "--engine-arg=--net-host"]);
}

#[test]
fn one_image_is_run_and_not_two() {
    let project = docker("28.5.2", "x86_64")
        .file("Cargo.toml", "[workspace]\nmembers = [\"a\", \"b\"]\nresolver = \"3\"\n")
        .file("a/Cargo.toml", "[package]\nname = \"a\"\nversion = \"0.1.0\"\n")
        .file("a/src/main.rs", "fn main() {}\n")
        .file("b/Cargo.toml", "[package]\nname = \"b\"\nversion = \"0.1.0\"\n")
        .file("b/src/main.rs", "fn main() {}\n");
    let words = alone(&project, &["run", "--workspace"]).fails(1);
    assert_says(&words, &["one image can be run, and 2 are built: a, b", "choose one with `--package`"]);
}
