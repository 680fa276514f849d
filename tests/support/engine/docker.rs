//! Docker's daemon, with either of its image stores.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::json;
use tempfile::TempDir;

use super::counter::Counter;
use super::disk::Disk;
use super::namespace::{Namespace, remove_control_groups};
use crate::support::environment;
use crate::support::process::{self, Ran};

/// Where a Docker daemon keeps its images.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Store {
    /// In its own store, the only one that Debian's daemon has.
    #[default]
    Classic,
    /// In the one of a containerd of its own. This daemon is of another version: `CARGO_OCI_TEST_DOCKER_PATH` names
    /// the folder of its programs.
    Containerd,
}

/// The settings of a Docker daemon.
#[derive(Clone, Copy, Debug, Default)]
pub struct DockerOptions {
    /// Where it keeps its images.
    pub store: Store,
    /// The size of its disk in MiB. By default, the disk of the machine.
    pub disk: Option<u32>,
    /// Whether it and its containers are in a network of their own, with a bridge, so that `docker run --publish` works.
    /// It reaches no registry of this machine then, and its ports are reached by [`Docker::inside`]. Otherwise, it is
    /// in this machine's network, and so are containers with `--network host`; there is no other network for them.
    pub bridge: bool,
}

/// A Docker daemon. When this is dropped, it is gone, and so are its containers, its mounts and its folders.
pub struct Docker {
    // In this order: who writes, what is written to, and the folder around it.
    namespace: Namespace,
    disk: Option<Disk>,
    folder: TempDir,
    options: DockerOptions,
    control_group: String,
}

impl Docker {
    /// Starts one with its own image store, and waits until it answers.
    ///
    /// # Panics
    /// Panics if it is missing or does not start.
    pub fn start() -> Docker {
        Docker::start_with(DockerOptions::default())
    }

    /// Starts one, and waits until it answers.
    ///
    /// # Panics
    /// Panics if it is missing or does not start.
    pub fn start_with(options: DockerOptions) -> Docker {
        static DAEMONS: AtomicUsize = AtomicUsize::new(0);
        let number = DAEMONS.fetch_add(1, Ordering::SeqCst);
        let control_group = format!("cargo-oci-test-{}-docker-{number}", std::process::id());
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = |name: &str| folder.path().join(name);
        fs::create_dir(path("data")).expect("a temporary folder");
        let disk = options.disk.map(|mib| Disk::mount(&path("data"), mib));
        fs::create_dir(path("client")).expect("a temporary folder");
        symlink(client(options.store), path("client/docker")).expect("a temporary file");
        let namespace = spawn(folder.path(), options, &control_group);
        let mut docker = Docker { namespace, disk, folder, options, control_group };
        docker.wait();
        docker
    }

    /// `docker ARGS`, of the daemon's own version.
    pub fn docker(&self, args: &[&str]) -> Ran {
        let docker = self.client().join("docker");
        process::run(environment::command(docker).arg("--host").arg(self.host()).args(args))
    }

    /// A folder with nothing in it but `docker`, the client of the daemon's own version.
    pub fn client(&self) -> PathBuf {
        self.folder.path().join("client")
    }

    /// What the option `--host` of `docker` takes.
    pub fn host(&self) -> String {
        format!("unix://{}", self.socket().display())
    }

    /// The environment in which a program reaches it.
    pub fn env(&self) -> Vec<(String, OsString)> {
        vec![("DOCKER_HOST".to_owned(), self.host().into())]
    }

    /// A socket in front of its own that counts what it is sent.
    pub fn counter(&self) -> Counter {
        Counter::before(&self.socket())
    }

    /// A call of `program` in the daemon's network.
    pub fn inside(&self, program: &str) -> Command {
        self.namespace.inside(program)
    }

    /// Kills it, as a loss of power does: also its containers, and its containerd where it has one.
    pub fn kill(&mut self) {
        self.namespace.end();
    }

    /// Starts it again over what it kept, and waits until it answers.
    ///
    /// # Panics
    /// Panics if it does not start.
    pub fn restart(&mut self) {
        self.kill();
        // What of it does not outlive a machine's start.
        for gone in ["pid", "socket", "containerd.socket"] {
            let _ = fs::remove_file(self.folder.path().join(gone));
        }
        for gone in ["exec", "state"] {
            let _ = fs::remove_dir_all(self.folder.path().join(gone));
        }
        self.namespace = spawn(self.folder.path(), self.options, &self.control_group);
        self.wait();
    }

    fn wait(&mut self) {
        let docker = self.client().join("docker");
        let host = self.host();
        let answers = || process::run(environment::command(&docker).args(["--host", &host, "version"])).status == 0;
        self.namespace.wait(answers);
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join("socket")
    }
}

impl Drop for Docker {
    fn drop(&mut self) {
        self.namespace.end();
        remove_control_groups(&self.control_group);
    }
}

/// The folder of the programs of Docker with containerd's store.
fn containerd_docker() -> PathBuf {
    let folder = std::env::var_os("CARGO_OCI_TEST_DOCKER_PATH");
    folder.expect("a folder with Docker 28 in CARGO_OCI_TEST_DOCKER_PATH: `.ci/test` sets it").into()
}

/// The client that belongs to the daemon. PATH may have another one before it.
fn client(store: Store) -> PathBuf {
    if store == Store::Containerd {
        return containerd_docker().join("docker");
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders: Vec<_> = std::env::split_paths(&path).collect();
    let daemon = folders.iter().find(|folder| folder.join("dockerd").exists());
    let daemon = daemon.expect("dockerd is not on PATH: `.ci/setup` installs it");
    let beside = [daemon.join("docker"), daemon.join("../bin/docker")];
    let others = folders.iter().map(|folder| folder.join("docker"));
    let client = beside.into_iter().chain(others).find(|client| client.exists());
    client.expect("docker is not on PATH: `.ci/setup` installs it")
}

/// Starts the daemon, and its containerd before it where it needs one.
fn spawn(folder: &Path, options: DockerOptions, control_group: &str) -> Namespace {
    let path = |name: &str| folder.join(name);
    // The sockets of what runs containers, which are nobody else's business.
    let mut script = "mkdir -p /run/containerd; mount -t tmpfs tmpfs /run/containerd\n".to_owned();
    let mut config = json!({});
    let mut args: Vec<OsString> = Vec::new();
    let mut programs = Vec::new();
    if options.store == Store::Containerd {
        programs.push(containerd_docker());
        config["features"] = json!({ "containerd-snapshotter": true });
        let socket = path("containerd.socket");
        super::containerd::configure(&path("containerd.toml"), &path("data/containerd"), &path("state"), &socket);
        script += "containerd --config \"$1\" & while ! [ -S \"$2\" ]; do sleep 0.05; done; shift\n";
        args.extend([path("containerd.toml").into(), socket.into_os_string()]);
        script += "set -- --containerd \"$@\"\n";
    }
    if options.bridge {
        script += "ip link set lo up\n";
    }
    script += "exec dockerd \"$@\"";
    fs::write(path("daemon.json"), config.to_string()).expect("a temporary file");
    let named = |name: &str, value: PathBuf| [OsString::from(name), value.into_os_string()];
    args.extend(named("--config-file", path("daemon.json")));
    args.extend(named("--data-root", path("data/docker")));
    args.extend(named("--exec-root", path("exec")));
    args.extend(named("--pidfile", path("pid")));
    args.push(format!("--host=unix://{}", path("socket").display()).into());
    args.push("--exec-opt=native.cgroupdriver=cgroupfs".into());
    args.push(format!("--cgroup-parent=/{control_group}").into());
    if !options.bridge {
        args.extend(["--bridge=none", "--iptables=false", "--ip6tables=false"].map(OsString::from));
    }
    Namespace::start(&script, &args, &programs, options.bridge, path("log"))
}
