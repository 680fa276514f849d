//! Images in containers: Skopeo and umoci unpack them, runc and crun run them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};

use super::environment;
use super::process::{self, Ran};

/// Where systemd mounts the second cgroup hierarchy beside the first one.
const HYBRID_CGROUP: &str = "/sys/fs/cgroup/unified";

/// A program that runs containers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Runtime {
    /// The one of Docker, containerd and Kubernetes.
    Runc,
    /// The one of Podman.
    Crun,
}

impl Runtime {
    fn program(self) -> &'static str {
        match self {
            Runtime::Runc => "runc",
            Runtime::Crun => "crun",
        }
    }
}

/// Runs `skopeo`, and returns its standard output.
///
/// # Panics
/// Panics if it fails or is missing.
pub fn skopeo(args: &[&str]) -> String {
    // A machine without containers/common has no policy for whom to trust.
    process::output(environment::command("skopeo").arg("--insecure-policy").args(args))
}

/// Unpacks one platform of the image `tag` in `layout` as the bundle `into`, for a runtime.
///
/// `architecture` is such as `amd64`, or `arm/v7`.
///
/// # Panics
/// Panics if there is no such image, or if a tool is missing.
pub fn unpack(layout: &Path, tag: &str, architecture: &str, into: &Path) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    // umoci takes no image of several platforms, and no layer in zstd: Skopeo picks one, and packs its layers in gzip.
    let one = folder.path().join("one");
    let (architecture, variant) = architecture.split_once('/').unwrap_or((architecture, ""));
    let mut args = vec!["--override-os", "linux", "--override-arch", architecture];
    if !variant.is_empty() {
        args.extend(["--override-variant", variant]);
    }
    let (from, to) = (format!("oci:{}:{tag}", layout.display()), format!("oci:{}:one", one.display()));
    args.extend(["copy", "--quiet", "--dest-compress-format", "gzip", &from, &to]);
    skopeo(&args);
    let image = format!("{}:one", one.display());
    process::output(environment::command("umoci").args(["unpack", "--image", &image]).arg(into));
}

/// Runs the `bundle` that [`unpack`] made: its program, with `args` after the arguments of the image.
///
/// # Panics
/// Panics if the runtime is missing, or if the program does not end within a minute.
pub fn run(bundle: &Path, runtime: Runtime, args: &[&str]) -> Ran {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("config.json");
    fs::write(path, config(bundle, args).to_string()).expect("a temporary file");
    start(folder.path(), runtime)
}

/// Runs a bundle just as it is.
///
/// # Panics
/// Panics if the runtime is missing, or if the program does not end within a minute.
pub fn start(bundle: &Path, runtime: Runtime) -> Ran {
    let folder = tempfile::tempdir().expect("a temporary folder");
    Container::new(runtime, folder.path(), None).run(bundle)
}

/// Runs a bundle just as it is, by a user who may do nothing but what all may.
///
/// # Panics
/// Panics if the runtime is missing, or if the program does not end within a minute.
pub fn start_as(user: &User, bundle: &Path, runtime: Runtime) -> Ran {
    Container::new(runtime, &user.folder(), Some(user.clone())).run(bundle)
}

/// A user without rights, and a folder of that user's.
#[derive(Clone)]
pub struct User {
    folder: std::sync::Arc<tempfile::TempDir>,
}

impl User {
    /// `nobody`.
    pub fn nobody() -> User {
        let folder = tempfile::tempdir().expect("a temporary folder");
        std::os::unix::fs::chown(folder.path(), Some(NOBODY), Some(NOBODY)).expect("it is root who gives it away");
        User { folder: std::sync::Arc::new(folder) }
    }

    /// The folder.
    pub fn folder(&self) -> PathBuf {
        self.folder.path().to_owned()
    }

    /// A command of that user's, with nothing of this one's environment.
    pub fn command(&self, program: &str) -> Command {
        let mut command = environment::command("setpriv");
        command.args(become_nobody()).arg(program).current_dir(self.folder.path());
        command.env("HOME", self.folder.path()).env("XDG_RUNTIME_DIR", self.folder.path());
        command
    }
}

/// Arguments of `setpriv`.
fn become_nobody() -> [String; 5] {
    let id = NOBODY.to_string();
    ["--reuid", &id, "--regid", &id, "--clear-groups"].map(str::to_owned)
}

/// The user and the group without rights on any Linux.
pub const NOBODY: u32 = 65534;

/// The bundle's own config, for this one run of it.
fn config(bundle: &Path, args: &[&str]) -> Value {
    let text = fs::read_to_string(bundle.join("config.json"));
    let text = text.unwrap_or_else(|error| panic!("{} is no bundle: {error}", bundle.display()));
    let mut config: Value = serde_json::from_str(&text).expect("the config of a bundle");
    let process = &mut config["process"];
    process["terminal"] = json!(false);
    let command = process["args"].as_array_mut().expect("the arguments of a bundle");
    command.extend(args.iter().map(|arg| json!(arg)));
    config["root"]["path"] = json!(bundle.join("rootfs"));
    config
}

/// A container, which is removed on drop: also after its runtime was killed.
struct Container {
    runtime: Runtime,
    state: PathBuf,
    id: String,
    user: Option<User>,
}

impl Container {
    fn new(runtime: Runtime, folder: &Path, user: Option<User>) -> Container {
        static CONTAINERS: AtomicUsize = AtomicUsize::new(0);
        let number = CONTAINERS.fetch_add(1, Ordering::SeqCst);
        let id = format!("cargo-oci-test-{}-{number}", std::process::id());
        Container { runtime, state: folder.join(format!("state-{number}")), id, user }
    }

    fn run(&self, bundle: &Path) -> Ran {
        process::run(self.command("run").arg("--bundle").arg(bundle).arg(&self.id))
    }

    fn command(&self, what: &str) -> Command {
        let program = self.runtime.program();
        let mut words: Vec<String> = Vec::new();
        if self.runtime == Runtime::Crun && is_mounted(HYBRID_CGROUP) {
            // crun knows one cgroup hierarchy or the other, so it is shown only the first.
            process::output(environment::command(program).arg("--version"));
            let script = format!("umount {HYBRID_CGROUP} && exec \"$@\"");
            words.extend(["unshare", "--mount", "sh", "-c", &script, "sh"].map(str::to_owned));
        }
        if self.user.is_some() {
            words.push("setpriv".to_owned());
            words.extend(become_nobody());
        }
        words.push(program.to_owned());
        let mut command = environment::command(&words[0]);
        command.args(&words[1..]).arg("--root").arg(&self.state).arg(what);
        if let Some(user) = &self.user {
            command.env("HOME", user.folder()).env("XDG_RUNTIME_DIR", user.folder());
        }
        command
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        // It is gone already, unless its runtime was killed.
        let _ = self.command("delete").arg("--force").arg(&self.id).output();
    }
}

fn is_mounted(path: &str) -> bool {
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    mounts.lines().any(|line| line.split(' ').nth(1) == Some(path))
}
