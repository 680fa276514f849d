//! A package in a temporary folder, and calls of cargo-oci in it.

use std::ffi::OsString;
use std::fs::{self, Permissions};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

use super::environment::{self, Variables};
use super::process::{Ran, write_program};

/// A temporary folder with a package, removed on drop.
pub struct Project {
    folder: TempDir,
    root: PathBuf,
}

impl Project {
    /// Creates an empty folder called `name`.
    pub fn empty(name: &str) -> Project {
        let folder = tempfile::tempdir().expect("a temporary folder");
        // On macOS the temporary folder is behind a link, and cargo says the real one.
        let root = folder.path().canonicalize().expect("a folder").join(name);
        fs::create_dir(&root).expect("a folder");
        Project { folder, root }
    }

    /// Creates a package with one program that prints a line.
    pub fn new(name: &str) -> Project {
        let project = Project::empty(name);
        let manifest = format!("[package]\nname = \"{name}\"\nversion = \"0.1.0\"\nedition = \"2024\"\n");
        project.file("Cargo.toml", &manifest).file("src/main.rs", "fn main() {\n    println!(\"Hello\");\n}\n")
    }

    /// Creates a package with these lines in `[package.metadata.oci]`.
    pub fn with_table(table: &str) -> Project {
        Project::new("x").append("Cargo.toml", &format!("\n[package.metadata.oci]\n{table}\n"))
    }

    /// Creates a copy of the fixture `name`.
    pub fn fixture(name: &str) -> Project {
        let project = Project::empty(name);
        copy(&Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name), &project.root);
        project
    }

    /// Writes a file.
    pub fn file(self, path: &str, content: &str) -> Project {
        let path = self.root.join(path);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(path, content).expect("a file");
        self
    }

    /// Appends to a file.
    pub fn append(self, path: &str, content: &str) -> Project {
        let before = fs::read_to_string(self.root.join(path)).expect("a file");
        self.file(path, &(before + content))
    }

    /// Creates the shell script `programs/NAME` with these lines.
    pub fn program(&self, name: &str, lines: &str) {
        let folder = self.root.join("programs");
        fs::create_dir_all(&folder).expect("a folder");
        write_program(&folder.join(name), lines);
    }

    /// The folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// A path in the folder.
    pub fn path(&self, path: &str) -> PathBuf {
        self.root.join(path)
    }

    /// Returns the folder of its cache.
    pub fn cache(&self) -> PathBuf {
        self.folder.path().join("cache")
    }

    /// Returns the home folder of its calls.
    pub fn home(&self) -> PathBuf {
        self.folder.path().join("home")
    }

    /// Returns the folder of the layout of the image with the project's name.
    pub fn layout(&self) -> PathBuf {
        let name = self.root.file_name().expect("a name").to_str().expect("a name");
        self.root.join("target/oci").join(name)
    }

    /// Returns the call `cargo oci ARGS` in the folder.
    pub fn oci(&self, args: &[&str]) -> Call {
        let call = Call {
            args: std::iter::once("oci").chain(args.iter().copied()).map(OsString::from).collect(),
            folder: self.root.clone(),
            variables: environment::variables(&self.home()),
        };
        let call = call.env("PATH", environment::path()).env("CARGO_OCI_CACHE_DIR", self.cache());
        match std::env::var_os("CARGO_OCI_TEST_TOOLCHAIN") {
            Some(toolchain) if environment::IS_REAL => call.env("RUSTUP_TOOLCHAIN", toolchain),
            _ => call,
        }
    }

    /// Returns the call `cargo oci build --base embedded ARGS`.
    pub fn build(&self, args: &[&str]) -> Call {
        self.oci(&[&["build", "--base", "embedded"], args].concat())
    }

    /// Returns the call `cargo oci push --base embedded ARGS`.
    pub fn push(&self, args: &[&str]) -> Call {
        self.oci(&[&["push", "--base", "embedded"], args].concat())
    }
}

/// The files of a folder, in memory: for what several tests begin with and takes long to make.
pub struct Files(Vec<(PathBuf, Vec<u8>, Permissions)>);

impl Files {
    /// Reads all files below `folder`.
    pub fn read(folder: &Path) -> Files {
        let entries = walkdir::WalkDir::new(folder).into_iter().map(|entry| entry.expect("an entry"));
        let files = entries.filter(|entry| entry.file_type().is_file()).map(|entry| {
            let path = entry.path().strip_prefix(folder).expect("a path in the folder");
            let permissions = entry.metadata().expect("a file").permissions();
            (path.to_owned(), fs::read(entry.path()).expect("a file"), permissions)
        });
        Files(files.collect())
    }

    /// Writes them into `folder`.
    pub fn write(&self, folder: &Path) {
        for (path, content, permissions) in &self.0 {
            let path = folder.join(path);
            fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
            fs::write(&path, content).expect("a file");
            fs::set_permissions(path, permissions.clone()).expect("a file");
        }
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder");
    for entry in fs::read_dir(from).expect("a fixture") {
        let entry = entry.expect("an entry");
        let target = to.join(entry.file_name());
        if !entry.file_type().expect("a type").is_dir() {
            fs::copy(entry.path(), target).expect("a copy");
        } else if entry.file_name() != "target" {
            copy(&entry.path(), &target);
        }
    }
}

/// A call of cargo that can be changed before it runs.
pub struct Call {
    args: Vec<OsString>,
    folder: PathBuf,
    variables: Variables,
}

impl Call {
    /// Adds arguments.
    pub fn with(mut self, args: &[&str]) -> Call {
        self.args.extend(args.iter().map(OsString::from));
        self
    }

    /// Sets an environment variable.
    pub fn env(mut self, key: &str, value: impl Into<OsString>) -> Call {
        self.variables.insert(key.into(), value.into());
        self
    }

    /// Adds zig to PATH.
    pub fn with_zig(self) -> Call {
        let zig = std::env::var_os("CARGO_OCI_TEST_ZIG_PATH").expect("a folder with zig: `.ci/test` sets it");
        // Compiling a libc takes its time: it is kept for the tests that follow.
        self.on_path(zig).env("ZIG_GLOBAL_CACHE_DIR", Path::new(env!("CARGO_MANIFEST_DIR")).join("target/zig-cache"))
    }

    /// Leaves no zig, whatever this machine has.
    pub fn without_zig(self) -> Call {
        self.env("CARGO_ZIGBUILD_PYTHON_PATH", "/nowhere/python3").env("CARGO_ZIGBUILD_ZIG_PATH", "/nowhere/zig")
    }

    /// Adds the programs that build scripts run to have C code built.
    pub fn with_build_tools(self) -> Call {
        let tools = std::env::var_os("CARGO_OCI_TEST_BUILD_PATH").expect("a folder with Meson: `.ci/test` sets it");
        let tools = PathBuf::from(tools);
        self.on_path(tools.join("programs")).env("LIBCLANG_PATH", tools.join("libclang"))
    }

    /// Puts a folder in front of PATH.
    pub fn on_path(self, folder: impl Into<PathBuf>) -> Call {
        let before = self.variables["PATH".as_ref() as &std::ffi::OsStr].clone();
        let path = std::iter::once(folder.into()).chain(std::env::split_paths(&before));
        self.env("PATH", std::env::join_paths(path).expect("folders"))
    }

    /// Leaves only cargo, the compiler and the programs of the project ([`Project::program`]) on PATH.
    pub fn alone(self) -> Call {
        let programs = self.folder.join("programs");
        fs::create_dir_all(&programs).expect("a folder");
        for name in ["cargo", "rustc"] {
            let _ = std::os::unix::fs::symlink(environment::toolchain().join(name), programs.join(name));
        }
        let own = Path::new(env!("CARGO_BIN_EXE_cargo-oci")).parent().expect("a folder").to_owned();
        self.env("PATH", std::env::join_paths([own, programs]).expect("folders"))
    }

    /// Returns the command that runs cargo.
    pub fn whole(&self) -> Command {
        let mut command = self.command("cargo");
        command.args(&self.args);
        command
    }

    /// Returns the command that runs `cargo-oci` directly, as cargo does. Faster, for tests with many calls.
    pub fn direct(&self) -> Command {
        let mut command = self.command(env!("CARGO_BIN_EXE_cargo-oci"));
        command.args(&self.args).env("CARGO", environment::cargo());
        command
    }

    /// Runs it in a folder of the project.
    pub fn within(mut self, folder: &str) -> Call {
        self.folder = self.folder.join(folder);
        self
    }

    /// Returns a command for another program, with the folder and environment of this call and no arguments.
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.current_dir(&self.folder).env_clear().envs(&self.variables).stdin(Stdio::null());
        command
    }

    /// Runs the call.
    pub fn run(&self) -> Ran {
        Call::ran(&mut self.whole())
    }

    /// Runs a command to its end.
    pub fn ran(command: &mut Command) -> Ran {
        let output = command.output().expect("cargo runs");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let signal = |status: std::process::ExitStatus| {
            #[cfg(unix)]
            return 128 + std::os::unix::process::ExitStatusExt::signal(&status).unwrap_or_default();
            #[cfg(not(unix))]
            return status.code().unwrap_or(1);
        };
        Ran {
            stdout: text(&output.stdout),
            stderr: text(&output.stderr),
            status: output.status.code().unwrap_or_else(|| signal(output.status)),
        }
    }

    /// Runs the call, which must succeed.
    pub fn succeeds(&self) -> Ran {
        let ran = self.run();
        assert!(ran.status == 0, "ended with {}:\n{}{}", ran.status, ran.stdout, ran.stderr);
        ran
    }

    /// Runs the call, which must fail with `status` and print nothing to stdout. Returns its stderr.
    pub fn fails(&self, status: i32) -> String {
        let ran = self.run();
        assert_eq!(ran.status, status, "{}{}", ran.stdout, ran.stderr);
        assert_eq!(ran.stdout, "");
        ran.stderr
    }
}
