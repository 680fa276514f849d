//! containerd by itself, as Kubernetes has it.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::json;
use tempfile::TempDir;

use super::namespace::Namespace;
use crate::support::environment;
use crate::support::process::{self, Ran};

/// Debian's containerd. When this is dropped, it is gone, and so are its containers, its mounts and its folders.
pub struct Containerd {
    // Before the folder: it writes there.
    namespace: Namespace,
    folder: TempDir,
}

impl Containerd {
    /// Starts one, and waits until it answers.
    ///
    /// # Panics
    /// Panics if it is missing or does not start.
    pub fn start() -> Containerd {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = |name: &str| folder.path().join(name);
        configure(&path("config.toml"), &path("data"), &path("state"), &path("socket"));
        let script = "exec containerd --config \"$1\"";
        let namespace = Namespace::start(script, &[path("config.toml")], &[], false, path("log"));
        let mut containerd = Containerd { namespace, folder };
        let socket = containerd.address();
        let answers = || process::run(ctr(&socket).arg("version")).status == 0;
        containerd.namespace.wait(answers);
        containerd
    }

    /// `ctr ARGS`.
    pub fn ctr(&self, args: &[&str]) -> Ran {
        process::run(ctr(&self.address()).args(args))
    }

    /// Its socket, which the option `--address` of `ctr` takes.
    pub fn address(&self) -> PathBuf {
        self.folder.path().join("socket")
    }

    /// The environment in which a program reaches it.
    pub fn env(&self) -> Vec<(String, OsString)> {
        vec![("CONTAINERD_ADDRESS".to_owned(), self.address().into())]
    }
}

fn ctr(address: &Path) -> Command {
    let mut command = environment::command("ctr");
    command.arg("--address").arg(address);
    command
}

/// Writes the config of a containerd with these folders and this socket.
pub fn configure(file: &Path, root: &Path, state: &Path, socket: &Path) {
    // A string of TOML may be written as one of JSON.
    let text = format!(
        "version = 2\nroot = {}\nstate = {}\ndisabled_plugins = [\"io.containerd.grpc.v1.cri\"]\n[grpc]\naddress = {}\n",
        json!(root),
        json!(state),
        json!(socket),
    );
    fs::write(file, text).expect("a temporary file");
}
