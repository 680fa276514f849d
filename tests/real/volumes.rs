//! The key `volumes`: a program that is not root writes to a named volume.

use std::ffi::OsString;
use std::fs;
use std::path::Path;

use crate::support::engine::{Docker, DockerOptions, Podman, Store};
use crate::support::process::Ran;
use crate::support::project::Project;

/// Says what the folder of the volume is, and what was in it, and writes to it.
const WRITE: &str = r#"
use std::os::unix::fs::MetadataExt;
fn main() {
    for folder in ["/data", "/var/lib/x/state"] {
        let found = std::fs::metadata(folder).unwrap();
        let kept = std::fs::read_to_string(format!("{folder}/kept")).unwrap_or_default();
        println!("{folder} {:o} {}:{} {kept}", found.mode() & 0o7777, found.uid(), found.gid());
        std::fs::write(format!("{folder}/kept"), kept + std::env::consts::ARCH + ".").unwrap();
    }
}
"#;

/// Loads the image for both platforms, and runs each with one named volume. The second finds what the first wrote.
fn writes_to_named_volumes(engine: &str, env: &[(String, OsString)], run: impl Fn(&[&str]) -> Ran) {
    let table = "base = \"embedded\"\nvolumes = [\"/data\", \"/var/lib/x/state\"]\n\
                 files = [{ to = \"/var/lib/x/state/\", owner = \"nonroot\", mode = \"0750\" }]";
    let project = Project::with_table(table).file("src/main.rs", WRITE);
    let mut kept = String::new();
    for (platform, machine) in [("linux/amd64", "x86_64"), ("linux/arm64", "aarch64")] {
        let call = project.oci(&["load", "--engine", engine, "--platform", platform]);
        let call = env.iter().fold(call, |call, (key, value)| call.env(key, value));
        let name = call.succeeds().stdout;
        let run = |volumes: &[&str]| {
            let ran =
                run(&[&["run", "--rm", "--network", "none", "--platform", platform], volumes, &[name.trim()]].concat());
            assert_eq!(ran.status, 0, "{engine} {platform}: {}{}", ran.stdout, ran.stderr);
            ran.stdout
        };
        let says = |kept: &str| format!("/data 755 65532:65532 {kept}\n/var/lib/x/state 750 65532:65532 {kept}\n");
        let volumes = ["--volume", "data:/data", "--volume", "state:/var/lib/x/state"];
        assert_eq!(run(&volumes), says(&kept), "{engine} {platform}");
        kept = format!("{kept}{machine}.");
        assert_eq!(run(&volumes), says(&kept), "{engine} {platform}");
        kept = format!("{kept}{machine}.");
        // A volume that the engine makes for the container alone.
        assert_eq!(run(&[]), says(""), "{engine} {platform}");
    }
}

#[test]
fn docker_volumes_are_writable_without_root() {
    for store in [Store::Classic, Store::Containerd] {
        let docker = Docker::start_with(DockerOptions { store, ..DockerOptions::default() });
        writes_to_named_volumes("docker", &docker.env(), |args| docker.docker(args));
    }
}

#[test]
fn podman_volumes_are_writable_without_root() {
    let podman = Podman::new();
    writes_to_named_volumes("podman", &podman.env(), |args| podman.podman(args));
}

/// Loads the image and runs it with folders of this machine, which docs/configuration.md says how to mount.
fn writes_to_folders_of_the_host(
    engine: &str,
    env: &[(String, OsString)],
    run: impl Fn(&[&str]) -> Ran,
    mount: impl Fn(&Path) -> String,
) {
    let table = "base = \"embedded\"\nvolumes = [\"/data\", \"/var/lib/x/state\"]";
    let project = Project::with_table(table).file("src/main.rs", WRITE);
    let call = project.oci(&["load", "--engine", engine, "--platform", "linux/amd64"]);
    let call = env.iter().fold(call, |call, (key, value)| call.env(key, value));
    let name = call.succeeds().stdout;
    let mut args = ["run", "--rm", "--network", "none"].map(str::to_owned).to_vec();
    for (name, to) in [("data", "/data"), ("state", "/var/lib/x/state")] {
        fs::create_dir(project.path(name)).expect("a folder");
        args.push(format!("--volume={}:{to}{}", project.path(name).display(), mount(&project.path(name))));
    }
    args.push(name.trim().to_owned());
    let ran = run(&args.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!(ran.status, 0, "{engine}: {}{}", ran.stdout, ran.stderr);
    let owners: Vec<_> = ran.stdout.lines().map(|line| line.split(' ').nth(2).unwrap_or_default()).collect();
    assert_eq!(owners, ["65532:65532", "65532:65532"], "{engine}");
}

#[test]
fn docker_folders_of_the_host_are_writable() {
    let docker = Docker::start_with(DockerOptions::default());
    writes_to_folders_of_the_host(
        "docker",
        &docker.env(),
        |args| docker.docker(args),
        |folder| {
            std::os::unix::fs::chown(folder, Some(65532), Some(65532)).expect("the right to do it");
            String::new()
        },
    );
}

#[test]
fn podman_folders_of_the_host_are_writable() {
    let podman = Podman::new();
    writes_to_folders_of_the_host("podman", &podman.env(), |args| podman.podman(args), |_| ":U".to_owned());
}
