//! A user's home with the files of Docker and Podman, and calls of cargo-oci by that user.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use tempfile::TempDir;

use super::environment::{self, Variables};
use super::process::{Ran, write_program};

/// A home folder, removed on drop.
pub struct Home {
    folder: TempDir,
    variables: Variables,
}

impl Home {
    /// Creates an empty one.
    pub fn new() -> Home {
        let folder = tempfile::tempdir().expect("a temporary folder");
        fs::create_dir(folder.path().join("bin")).expect("a folder");
        let variables = environment::variables(folder.path());
        let machine = std::env::split_paths(&variables["PATH".as_ref() as &OsStr]).collect::<Vec<_>>();
        let path = std::env::join_paths([folder.path().join("bin")].into_iter().chain(machine)).expect("folders");
        Home { folder, variables }.env("PATH", path).env("NO_COLOR", "1")
    }

    /// Creates one with this `.docker/config.json`.
    pub fn with_config(config: &str) -> Home {
        let home = Home::new();
        fs::create_dir(home.path(".docker")).expect("a folder");
        fs::write(home.path(".docker/config.json"), config).expect("a file");
        home
    }

    /// Sets an environment variable.
    pub fn env(mut self, key: &str, value: impl Into<OsString>) -> Home {
        self.variables.insert(key.into(), value.into());
        self
    }

    /// Adds the program `docker-credential-NAME`, a shell script with these lines.
    pub fn with_helper(self, name: &str, lines: &str) -> Home {
        let path = self.path(&format!("bin/docker-credential-{name}"));
        write_program(&path, lines);
        self
    }

    /// Adds a helper that stores each registry's credentials in a file of the folder `kept`.
    pub fn with_keeper(self, name: &str) -> Home {
        let kept = self.path("kept");
        fs::create_dir(&kept).expect("a folder");
        let file = |registry: &str| format!("\"{}/$(printf %s \"{registry}\" | tr / _)\"", kept.display());
        let lines = [
            "case $1 in".to_owned(),
            "store) content=$(cat); url=${content#*ServerURL\\\":\\\"}".to_owned(),
            format!("printf %s \"$content\" > {} ;;", file("${url%%\\\"*}")),
            format!("get) cat {} 2>/dev/null ||", file("$(cat)")),
            "{ echo 'credentials not found in native keychain'; exit 1; } ;;".to_owned(),
            format!("erase) rm {} ;;", file("$(cat)")),
            "*) exit 2 ;;\nesac".to_owned(),
        ];
        self.with_helper(name, &lines.join("\n"))
    }

    /// Returns a path in it.
    pub fn path(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    /// Returns the content of a file.
    pub fn read(&self, path: &str) -> String {
        fs::read_to_string(self.path(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    /// Returns the mode of a file, as `chmod` takes it.
    pub fn mode(&self, path: &str) -> u32 {
        self.path(path).metadata().expect("a file").permissions().mode() & 0o777
    }

    /// Returns a command with this home and a clean environment.
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.env_clear().envs(&self.variables).current_dir(self.folder.path());
        command
    }

    /// Runs `cargo-oci ARGS` with `input` on stdin.
    pub fn oci(&self, args: &[&str], input: &str) -> Ran {
        let mut command = self.command(env!("CARGO_BIN_EXE_cargo-oci"));
        command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("cargo-oci starts");
        // A program that does not read its stdin closes the pipe.
        let _ = child.stdin.take().expect("a pipe").write_all(input.as_bytes());
        let ended = child.wait_with_output().expect("cargo-oci ends");
        let text =
            |bytes: &[u8]| String::from_utf8_lossy(bytes).replace(&self.folder.path().display().to_string(), "HOME");
        let status = ended.status.code().unwrap_or(-1);
        Ran { stdout: text(&ended.stdout), stderr: text(&ended.stderr), status }
    }

    /// Runs `cargo-oci ARGS`, which must succeed and print nothing to stdout. Returns its stderr.
    #[track_caller]
    pub fn succeeds(&self, args: &[&str], input: &str) -> String {
        let ran = self.oci(args, input);
        assert!(ran.status == 0 && ran.stdout.is_empty(), "{args:?}: {ran:?}");
        ran.stderr
    }

    /// Runs `cargo-oci ARGS`, which must fail with `status`. Returns its stderr.
    #[track_caller]
    pub fn fails(&self, status: i32, args: &[&str], input: &str) -> String {
        let ran = self.oci(args, input);
        assert!(ran.status == status && ran.stdout.is_empty(), "{args:?}: {ran:?}");
        ran.stderr
    }
}
