//! Podman, which has no daemon.

use std::ffi::OsString;
use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::json;
use tempfile::TempDir;

use crate::support::environment;
use crate::support::process::{self, Ran};

/// Podman with a storage of its own. When this is dropped, its containers are gone, and so are its folders.
pub struct Podman {
    folder: TempDir,
}

impl Podman {
    /// Creates an empty one.
    pub fn new() -> Podman {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = |name: &str| json!(folder.path().join(name));
        let storage = format!("[storage]\ndriver = \"vfs\"\ngraphroot = {}\nrunroot = {}\n", path("root"), path("run"));
        // Podman wants containers to have more open files than this machine may allow, and a network that would stay
        // on this machine. crun does not know the two cgroup hierarchies that a machine may have beside each other.
        let containers = format!(
            "[containers]\ndefault_ulimits = []\nnetns = \"host\"\n\
            [engine]\nruntime = \"runc\"\ncgroup_manager = \"cgroupfs\"\nevents_logger = \"file\"\n\
            lock_type = \"file\"\ntmp_dir = {}\n",
            path("tmp"),
        );
        // It looks for credentials also where it needs none.
        let auth = "{}".to_owned();
        for (name, text) in [("storage.conf", storage), ("containers.conf", containers), ("auth.json", auth)] {
            fs::write(folder.path().join(name), text).expect("a temporary file");
        }
        Podman { folder }
    }

    /// `podman ARGS`.
    pub fn podman(&self, args: &[&str]) -> Ran {
        process::run(environment::command("podman").args(args).envs(self.env()))
    }

    /// The environment in which a plain `podman` has this storage.
    pub fn env(&self) -> Vec<(String, OsString)> {
        let named = |key: &str, name: &str| (key.to_owned(), self.folder.path().join(name).into_os_string());
        vec![
            named("CONTAINERS_STORAGE_CONF", "storage.conf"),
            named("CONTAINERS_CONF", "containers.conf"),
            named("REGISTRY_AUTH_FILE", "auth.json"),
        ]
    }
}

impl Drop for Podman {
    fn drop(&mut self) {
        // It starts containers for this command too, which takes time: most tests have made none.
        if self.folder.path().join("root").exists() {
            let _ = environment::command("podman")
                .args(["rm", "--all", "--force", "--time", "0"])
                .envs(self.env())
                .output();
        }
        unmount_below(self.folder.path());
    }
}

/// Unmounts what a podman that was killed left mounted in a folder, the innermost first.
fn unmount_below(folder: &Path) {
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    let places = mounts.lines().filter_map(|line| line.split(' ').nth(1));
    let below: Vec<_> = places.filter(|place| Path::new(place).starts_with(folder)).collect();
    for place in below.into_iter().rev() {
        let _ = environment::command("umount").arg(place).output();
    }
}
