//! The program for Windows, under Wine.
//!
//! There is no cargo, rustc and git for it: those of this machine are called in their place, by programs for Windows that turn
//! paths into those of the drive Z, which is this machine's root folder.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use super::environment;
use super::process::{Ran, output, run};
use super::project::Project;
use super::release::{self, Release};

/// The program of the release, and a Windows to run it on.
pub struct Wine {
    prefix: OsString,
    program: PathBuf,
    folder: TempDir,
}

impl Wine {
    /// Unpacks the program.
    ///
    /// # Panics
    /// Panics if Wine or the program is missing.
    pub fn new() -> Wine {
        let prefix = std::env::var_os("CARGO_OCI_TEST_WINE_PREFIX").expect("a Windows: `.ci/test-releases` makes it");
        let folder = tempfile::tempdir().expect("a temporary folder");
        let program = Release::get().program(release::WINDOWS, folder.path());
        let wine = Wine { prefix, program, folder };
        wine.bring_programs();
        wine
    }

    fn bring_programs(&self) {
        for name in ["cargo", "rustc", "git"] {
            let install = |from: &str, to: &str| {
                let (from, to) = (release::root().join(from), self.folder.path().join(to));
                output(environment::command("install").arg("-m755").arg(from).arg(to));
            };
            install("target/releases/unix_program.exe", &format!("{name}.exe"));
            install("tests/support/wine/unix_program.py", name);
        }
    }

    /// The folder of the cache that it has for a project: not that of Linux.
    pub fn cache(project: &Project) -> PathBuf {
        project.cache().with_file_name("cache-of-windows")
    }

    /// Runs `cargo-oci oci ARGS` in the folder of a project, and it succeeds.
    pub fn succeeds(&self, project: &Project, args: &[&str]) -> Ran {
        let ran = run(&mut self.command(project, args));
        assert!(ran.status == 0, "{args:?} ended with {}:\n{}{}", ran.status, ran.stdout, ran.stderr);
        ran
    }

    /// `cargo-oci oci ARGS` in the folder of a project.
    pub fn command(&self, project: &Project, args: &[&str]) -> Command {
        let mut command = project.oci(&[]).command("wine");
        command.arg(&self.program).arg("oci").args(args);
        command.env("WINEPREFIX", &self.prefix).env("WINEDEBUG", "-all");
        command.env("WINEPATH", on_windows(self.folder.path()));
        command.env("CARGO", on_windows(&self.folder.path().join("cargo.exe")));
        command.env("CARGO_OCI_CACHE_DIR", on_windows(&Wine::cache(project)));
        command.env("UNIX_PATH", std::env::var_os("PATH").unwrap_or_default());
        command
    }
}

/// A path of this machine as Windows has it.
pub fn on_windows(path: &Path) -> String {
    format!("Z:{}", path.display()).replace('/', "\\")
}
