//! Daemons in namespaces of their own, so that they leave nothing behind.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use super::LIMIT;
use crate::support::environment;
use crate::support::process::{self, Process};

/// Daemons with process ids and mounts of their own. With the first of them ends all that they started, and what they
/// mounted is mounted no more: an engine that is killed can leave nothing behind.
pub struct Namespace {
    unshare: Process,
    log: PathBuf,
}

impl Namespace {
    /// Runs `script`, with `args` as its `$1` and so on; it ends with the daemon that it becomes by `exec`. `path` are
    /// folders to look for programs in before those of PATH. With `network`, they have one of their own too, in which
    /// only they are.
    ///
    /// # Panics
    /// Panics if `unshare` is missing.
    pub fn start<S: AsRef<OsStr>>(
        script: &str,
        args: &[S],
        path: &[PathBuf],
        network: bool,
        log: PathBuf,
    ) -> Namespace {
        let before = std::env::var_os("PATH").unwrap_or_default();
        let path = path.iter().cloned().chain(std::env::split_paths(&before));
        let output = File::options().create(true).append(true).open(&log).expect("a temporary file");
        let mut command = environment::command("unshare");
        command.args(["--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]);
        if network {
            command.arg("--net");
        }
        command
            .args(["sh", "-e", "-c", script, "sh"])
            .args(args)
            .env("PATH", std::env::join_paths(path).expect("folders"))
            .stdout(output.try_clone().expect("a temporary file"))
            .stderr(output);
        Namespace { unshare: Process::start(&mut command), log }
    }

    /// Waits until they answer, which `answers` finds out.
    ///
    /// # Panics
    /// Panics if they end before, or take too long.
    pub fn wait(&mut self, answers: impl Fn() -> bool) {
        let start = Instant::now();
        while !answers() {
            let gone = self.unshare.ended();
            let text = || fs::read_to_string(&self.log).unwrap_or_default();
            assert!(gone.is_none() && start.elapsed() < LIMIT, "the engine does not start: {}", text());
            thread::sleep(Duration::from_millis(50));
        }
    }

    /// A call of `program` in their network.
    pub fn inside(&self, program: &str) -> Command {
        let first = self.first().expect("the engine runs");
        let mut command = environment::command("nsenter");
        command.arg(format!("--net=/proc/{first}/ns/net")).arg(program);
        command
    }

    /// The process id of the first of them, outside; nothing once it has ended.
    fn first(&self) -> Option<String> {
        let unshare = self.unshare.id();
        let children = fs::read_to_string(format!("/proc/{unshare}/task/{unshare}/children")).ok()?;
        children.split_whitespace().next().map(str::to_owned)
    }

    /// Kills all of them at once, as a loss of power does, and waits until they are gone.
    pub fn end(&mut self) {
        if self.unshare.ended().is_some() {
            return;
        }
        // The first has ended only when the others have, and `unshare` then. Killed itself, it waits for nobody.
        if let Some(first) = self.first() {
            process::run(environment::command("kill").args(["-KILL", &first]));
        }
        self.unshare.wait(LIMIT);
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        self.end();
    }
}

/// Removes what is left of the control groups below `parent` of containers that ended with their engine.
pub fn remove_control_groups(parent: &str) {
    let root = Path::new("/sys/fs/cgroup");
    remove_folders(&root.join(parent));
    for hierarchy in fs::read_dir(root).into_iter().flatten().flatten() {
        remove_folders(&hierarchy.path().join(parent));
    }
}

/// Removes a folder of folders; the files that the kernel shows in them go with them.
fn remove_folders(folder: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            remove_folders(&entry.path());
        }
    }
    let _ = fs::remove_dir(folder);
}
