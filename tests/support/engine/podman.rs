//! Podman, which has no daemon.

use std::process::Command;

use tempfile::TempDir;

use crate::support::process::{self, Ran};

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
