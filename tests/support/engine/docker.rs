//! Real engines, each with folders of its own, that a test starts and stops.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::process::{self, Process, Ran};

/// How long an engine may take to start, and to stop.
const LIMIT: Duration = Duration::from_secs(30);

/// A Docker daemon without a network for its containers; it is stopped when this is dropped.
pub struct Docker {
    daemon: Process,
    id: u32,
    folder: TempDir,
}

impl Docker {
    /// Starts one, and waits until it answers.
    ///
    /// # Panics
    /// Where it is missing or does not start.
    pub fn start() -> Docker {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = |name: &str| folder.path().join(name);
        let log = fs::File::create(path("log")).expect("a temporary file");
        let mut command = Command::new("dockerd");
        command
            .args(["--bridge=none", "--iptables=false", "--ip6tables=false", "--host"])
            .arg(format!("unix://{}", path("socket").display()))
            .arg("--data-root")
            .arg(path("data"))
            .arg("--exec-root")
            .arg(path("exec"))
            .arg("--pidfile")
            .arg(path("pid"))
            .stdout(log.try_clone().expect("a temporary file"))
            .stderr(log);
        let mut daemon = Process::start(&mut command);
        let start = Instant::now();
        let id = daemon.id();
        while !path("socket").exists() || !answers(&path("socket")) {
            let gone = daemon.ended();
            let text = || fs::read_to_string(path("log")).unwrap_or_default();
            assert!(gone.is_none() && start.elapsed() < LIMIT, "dockerd does not start: {}", text());
            thread::sleep(Duration::from_millis(100));
        }
        Docker { daemon, id, folder }
    }

    /// `docker ARGS`.
    pub fn docker(&self, args: &[&str]) -> Ran {
        process::run(Command::new("docker").arg("--host").arg(self.host()).args(args))
    }

    fn host(&self) -> String {
        format!("unix://{}", self.folder.path().join("socket").display())
    }
}

fn answers(socket: &Path) -> bool {
    let host = format!("unix://{}", socket.display());
    process::run(Command::new("docker").args(["--host", &host, "info"])).status == 0
}

impl Drop for Docker {
    fn drop(&mut self) {
        // It has to take what it started down with it, which it does when it is asked.
        let _ = Command::new("kill").args(["-TERM", &self.id.to_string()]).output();
        self.daemon.wait(LIMIT);
    }
}

/// Podman with a storage of its own, gone when this is dropped.
pub struct Podman {
    folder: TempDir,
}

impl Podman {
    /// An empty one.
    pub fn new() -> Podman {
        Podman { folder: tempfile::tempdir().expect("a temporary folder") }
    }

    /// `podman ARGS`.
    pub fn podman(&self, args: &[&str]) -> Ran {
        let path = |name: &str| self.folder.path().join(name);
        let mut command = Command::new("podman");
        command.arg("--root").arg(path("root")).arg("--runroot").arg(path("run"));
        process::run(command.args(["--storage-driver", "vfs"]).args(args))
    }
}
