//! The engines themselves, as other tests start them: each runs an image, and leaves nothing behind.

use std::fs;
use std::io::{self, Read};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use crate::support::engine::{Containerd, Docker, DockerOptions, Podman, Store};
use crate::support::environment;
use crate::support::process::{Ran, run};
use crate::support::project::Project;

/// The fixture `hello` for this machine, as an archive that all engines load.
fn archive() -> (Project, String) {
    let project = Project::fixture("hello");
    project.build(&["--platform", "host", "-o", "docker-archive=x.tar"]).succeeds();
    let path = project.path("x.tar").display().to_string();
    (project, path)
}

#[track_caller]
fn succeeds(ran: Ran) -> String {
    assert_eq!(ran.status, 0, "{}{}", ran.stdout, ran.stderr);
    ran.stdout
}

/// Asserts that this is what the fixture says in a container, and that its exit status came through.
#[track_caller]
fn assert_ran(ran: &Ran) {
    assert_eq!(ran.status, 7, "{}{}", ran.stdout, ran.stderr);
    assert!(ran.stdout.contains("uid=65532\n") && ran.stdout.contains("args=--exit 7\n"), "{}", ran.stdout);
}

/// Asserts that nothing is left of what was in this folder: no file, no mount, no process that names it.
#[track_caller]
fn assert_gone(folder: &str) {
    assert!(!fs::exists(folder).expect("a parent"), "{folder} is there");
    let mounts = fs::read_to_string("/proc/self/mounts").expect("mounts");
    assert!(!mounts.contains(folder), "{mounts}");
    let processes = fs::read_dir("/proc").expect("processes").flatten();
    let calls = processes.filter_map(|process| fs::read(process.path().join("cmdline")).ok());
    let left: Vec<_> = calls.map(|call| String::from_utf8_lossy(&call).into_owned()).collect();
    let left: Vec<_> = left.iter().filter(|call| call.contains(folder)).collect();
    assert_eq!(left, Vec::<&String>::new());
}

/// The folder of a daemon, which its socket is in.
fn folder(socket: &str) -> String {
    let socket = PathBuf::from(socket.trim_start_matches("unix://"));
    socket.parent().expect("a folder").display().to_string()
}

/// Loads an archive, and returns the id of its image. A name could be one that only one of the stores finds again.
#[track_caller]
fn load(docker: &Docker, archive: &str) -> String {
    succeeds(docker.docker(&["load", "-i", archive]));
    let ids = succeeds(docker.docker(&["image", "ls", "--no-trunc", "--quiet"]));
    ids.lines().next().expect("an image").to_owned()
}

fn docker_runs_an_image(options: DockerOptions) {
    let (_project, archive) = archive();
    let mut docker = Docker::start_with(options);
    let folder = folder(&docker.host());
    let image = load(&docker, &archive);
    let run = |docker: &Docker, network| docker.docker(&["run", "--rm", "--network", network, &image, "--exit", "7"]);
    assert_ran(&run(&docker, "none"));
    assert_ran(&run(&docker, "host"));
    // What runs when it is killed has ended, and what was loaded is still there.
    succeeds(docker.docker(&["run", "--detach", "--network", "none", &image]));
    docker.kill();
    assert_ne!(docker.docker(&["version"]).status, 0);
    docker.restart();
    assert_ran(&run(&docker, "none"));
    drop(docker);
    assert_gone(&folder);
}

#[test]
fn docker_with_its_own_store_runs_an_image() {
    docker_runs_an_image(DockerOptions::default());
}

#[test]
fn docker_with_containerd_store_runs_an_image() {
    docker_runs_an_image(DockerOptions { store: Store::Containerd, ..DockerOptions::default() });
}

#[test]
fn docker_stores_are_separate() {
    let driver = |store| {
        let docker = Docker::start_with(DockerOptions { store, ..DockerOptions::default() });
        succeeds(docker.docker(&["info", "--format", "{{json .DriverStatus}}"]))
    };
    let containerds = "io.containerd.snapshotter.v1";
    assert!(!driver(Store::Classic).contains(containerds));
    assert!(driver(Store::Containerd).contains(containerds));
}

#[test]
fn docker_bridge_publishes_ports() {
    let project = Project::fixture("service");
    project.build(&["--platform", "host", "-o", "docker-archive=x.tar"]).succeeds();
    let archive = project.path("x.tar").display().to_string();
    for store in [Store::Classic, Store::Containerd] {
        let docker = Docker::start_with(DockerOptions { store, bridge: true, ..DockerOptions::default() });
        let image = load(&docker, &archive);
        succeeds(docker.docker(&["run", "--detach", "--publish", "8080:8080", &image]));
        let get = "exec 3<>/dev/tcp/127.0.0.1/8080; printf 'GET / HTTP/1.0\\r\\n\\r\\n' >&3; cat <&3";
        // The port is there before who listens behind it.
        let answer = || run(docker.inside("bash").args(["-c", get]));
        let answered = (0..50).any(|_| {
            thread::sleep(Duration::from_millis(100));
            answer().stdout.contains("It works")
        });
        assert!(answered, "{:?}", answer());
    }
}

#[test]
fn docker_reports_full_disk() {
    let project = Project::empty("x");
    // Nothing that could be compressed.
    let noise = fs::File::open("/dev/urandom").expect("noise");
    let mut big = fs::File::create(project.path("big")).expect("a file");
    io::copy(&mut noise.take(48 << 20), &mut big).expect("a file");
    let tar = project.path("big.tar").display().to_string();
    succeeds(run(environment::command("tar").arg("-C").arg(project.root()).args(["-cf", &tar, "big"])));
    for store in [Store::Classic, Store::Containerd] {
        let docker = Docker::start_with(DockerOptions { store, disk: Some(32), ..DockerOptions::default() });
        let ran = docker.docker(&["import", &tar]);
        assert_ne!(ran.status, 0, "{}", ran.stdout);
        assert!(ran.stderr.contains("no space left on device"), "{}", ran.stderr);
        let folder = folder(&docker.host());
        drop(docker);
        assert_gone(&folder);
    }
}

#[test]
fn docker_counter_counts_sent_bytes() {
    let (_project, archive) = archive();
    let size = fs::metadata(&archive).expect("an archive").len();
    let docker = Docker::start();
    let counter = docker.counter();
    let client = docker.client().join("docker");
    let through = |args: &[&str]| run(environment::command(&client).args(args).envs(counter.env()));
    succeeds(through(&["load", "-i", &archive]));
    // What is said around it is little.
    assert!((size..size + 4096).contains(&counter.sent()), "{} of {size}", counter.sent());
    counter.reset();
    assert_ran(&through(&["run", "--rm", "--network", "none", "hello:latest", "--exit", "7"]));
    assert!((1..8192).contains(&counter.sent()), "{}", counter.sent());
}

#[test]
fn docker_is_stopped_after_failed_test() {
    let mut place = String::new();
    let failed = catch_unwind(AssertUnwindSafe(|| {
        let docker = Docker::start_with(DockerOptions { disk: Some(32), ..DockerOptions::default() });
        place = folder(&docker.host());
        assert!(docker.client().join("nothing").exists(), "as it should");
    }));
    assert!(failed.is_err());
    assert_gone(&place);
}

#[test]
fn containerd_runs_an_image() {
    let (_project, archive) = archive();
    let containerd = Containerd::start();
    let folder = folder(&containerd.address().display().to_string());
    succeeds(containerd.ctr(&["images", "import", &archive]));
    assert_ran(&containerd.ctr(&["run", "--rm", "docker.io/library/hello:latest", "one", "/app/hello", "--exit", "7"]));
    assert_ran(&containerd.ctr(&[
        "run",
        "--rm",
        "--net-host",
        "docker.io/library/hello:latest",
        "two",
        "/app/hello",
        "--exit",
        "7",
    ]));
    drop(containerd);
    assert_gone(&folder);
}

#[test]
fn podman_runs_an_image() {
    let (_project, archive) = archive();
    let podman = Podman::new();
    let folder = podman.env()[0].1.clone().into_string().expect("a path");
    let folder = folder.trim_end_matches("/storage.conf");
    succeeds(podman.podman(&["load", "-i", &archive]));
    // As a program under test would call it.
    let run = |args: &[&str]| run(environment::command("podman").args(args).envs(podman.env()));
    assert_ran(&run(&["run", "--rm", "hello:latest", "--exit", "7"]));
    assert_ran(&run(&["run", "--rm", "--network", "none", "hello:latest", "--exit", "7"]));
    drop(podman);
    assert_gone(folder);
}
