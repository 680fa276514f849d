//! Every console block of README and docs, run from the top of its page to the bottom, gives the output that it shows.
//!
//! `UPDATE_DOCS=1 cargo test --test real docs::` writes what is said now in the place of output that differs.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use tempfile::TempDir;

use crate::support::base::BaseImage;
use crate::support::engine::{Docker, DockerOptions};
use crate::support::markdown::{Page, elided, is_shown, pages, root_path};
use crate::support::process::{Ran, run};
use crate::support::recording::Recording;
use crate::support::registry::DockerRegistry;

/// Pages at a time.
const PARALLEL: usize = 2;
/// The registry that pages push to. The one that runs in its place is on loopback.
const REGISTRY: &str = "ghcr.io";
/// The registry that pages pull bases from.
const BASES: &str = "gcr.io";
/// Who may push to the registry of a page that logs in.
const USER: (&str, &str) = ("octocat", "ghp_token");

#[test]
fn console_blocks_give_the_output_they_show() {
    let pages = pages();
    let next = AtomicUsize::new(0);
    let work = || {
        let mut problems = Vec::new();
        while let Some(page) = pages.get(next.fetch_add(1, Ordering::SeqCst)) {
            problems.extend(run_page(Page::read(page.path.clone())));
        }
        problems
    };
    let problems: Vec<_> = thread::scope(|scope| {
        let threads: Vec<_> = (0..PARALLEL).map(|_| scope.spawn(work)).collect();
        threads.into_iter().flat_map(|thread| thread.join().expect("a page is run")).collect()
    });
    assert!(problems.is_empty(), "UPDATE_DOCS=1 writes what is said now.\n\n{}", problems.join("\n"));
}

/// Draws docs/demo.svg: the quick start of the README in a terminal. `.ci/record` runs it.
#[test]
#[ignore = "writes docs/demo.svg"]
fn recording_of_the_quick_start() {
    const COLUMNS: usize = 100;
    let page = Page::read(PathBuf::from("README.md"));
    let blocks = page.blocks();
    let block = blocks.iter().find(|block| block.info == "console").expect("a quick start");
    let mut session = Session::start(&page.inside(block));
    let mut recording = Recording::new(COLUMNS);
    for step in page.steps(block) {
        let ran = session.run_in_terminal(&step.command, COLUMNS);
        assert!(ran.status == 0, "{}: {}", step.command, ran.stdout);
        // Docker's client says this of a program that has ended before its terminal got its size.
        let output = ran.stdout.replace("failed to resize tty, using default size\r\n", "");
        recording.add(&step.command, &output);
    }
    let svg = recording.svg("cargo oci: from a new crate to an image in a registry");
    fs::write(root_path(Path::new("docs/demo.svg")), svg).expect("a file");
}

/// Runs the commands of a page in one shell session, and returns what differs.
fn run_page(mut page: Page) -> Vec<String> {
    let blocks = page.blocks();
    let run_blocks: Vec<_> =
        blocks.iter().filter(|block| ["console", "hidden"].contains(&block.info.as_str())).collect();
    if !run_blocks.iter().any(|block| block.info == "console") {
        return Vec::new();
    }
    let text: String = run_blocks.iter().map(|block| page.shell(block) + "\n").collect();
    let mut session = Session::start(&text);
    let (mut problems, mut changes) = (Vec::new(), Vec::new());
    for block in run_blocks {
        if block.info == "hidden" {
            let ran = session.run(&page.inside(block));
            assert!(ran.status == 0, "{}: {}", page.at(block.start), ran.stdout);
            continue;
        }
        for step in page.steps(block) {
            let shown = page.shown(&step);
            let ran = session.run(&step.command);
            let may_fail = shown.iter().any(|line| line.starts_with("error"));
            if (ran.status != 0) != may_fail {
                let status = ran.status;
                problems.push(format!(
                    "{}: {} ended with {status}:\n{}",
                    page.at(step.start - 1),
                    step.command,
                    ran.stdout
                ));
            } else if !shown.is_empty() && !is_shown(shown, &ran.stdout) {
                problems.push(format!(
                    "{}: {}\n--- shown\n{}\n+++ said\n{}",
                    page.at(step.start - 1),
                    step.command,
                    shown.join("\n"),
                    ran.stdout
                ));
                changes.push((step.start..step.end, elided(shown, &ran.stdout)));
            }
        }
    }
    if std::env::var_os("UPDATE_DOCS").is_some() && !changes.is_empty() {
        for (range, lines) in changes.into_iter().rev() {
            page.lines.splice(range, lines);
        }
        page.write();
    }
    problems
}

/// A user's shell in a home of its own, with the registries and the engine that a page names.
struct Session {
    folder: TempDir,
    variables: Vec<(String, String)>,
    /// What is written in another way, for the shell and back.
    names: Vec<(String, String)>,
    registries: Vec<DockerRegistry>,
    docker: Option<Docker>,
}

impl Session {
    fn start(text: &str) -> Session {
        let folder = tempfile::tempdir().expect("a temporary folder");
        for name in ["home", "me"] {
            fs::create_dir(folder.path().join(name)).expect("a folder");
        }
        let mut session =
            Session { folder, variables: Vec::new(), names: Vec::new(), registries: Vec::new(), docker: None };
        if text.contains(REGISTRY) {
            let registry = if text.contains("oci login") {
                DockerRegistry::with_htpasswd(USER.0, USER.1)
            } else {
                DockerRegistry::start()
            };
            session.names.push((REGISTRY.to_owned(), registry.host().to_owned()));
            session.registries.push(registry);
        }
        if text.contains(BASES) {
            session.add_bases();
        }
        if ["docker run", "oci run", "oci load"].iter().any(|needed| text.contains(needed)) {
            session.docker = Some(Docker::start_with(DockerOptions { bridge: true, ..DockerOptions::default() }));
        }
        session.set_variables(text);
        session
    }

    /// Starts a registry with the bases that pages name.
    fn add_bases(&mut self) {
        let registry = DockerRegistry::start();
        let base = BaseImage::new().docker_types().write(&self.folder.path().join("base"));
        base.push_to(&registry, "distroless/static-debian13", "nonroot");
        self.names.push((BASES.to_owned(), registry.host().to_owned()));
        self.registries.push(registry);
    }

    fn set_variables(&mut self, text: &str) {
        let own = PathBuf::from(env!("CARGO_BIN_EXE_cargo-oci"));
        let mut path = vec![own.parent().expect("a folder").to_owned()];
        path.extend(self.docker.as_ref().map(Docker::client));
        if text.contains("cosign verify") {
            let folder = std::env::var_os("CARGO_OCI_TEST_SIGNING_PATH");
            path.push(folder.expect("a folder with cosign in CARGO_OCI_TEST_SIGNING_PATH: `.ci/test` sets it").into());
        }
        path.extend(std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()));
        let path = std::env::join_paths(path).expect("folders");
        let home = self.folder.path().join("home");
        let mut set = |key: &str, value: String| self.variables.push((key.to_owned(), value));
        set("PATH", path.to_string_lossy().into_owned());
        set("HOME", home.display().to_string());
        set("LC_ALL", "C.UTF-8".to_owned());
        // Bases come from a registry only on pages that name one.
        set("CARGO_OCI_BASE", "embedded".to_owned());
        set("COSIGN_PASSWORD", "sesame".to_owned());
        set("GITHUB_TOKEN", USER.1.to_owned());
        set("GITHUB_ACTOR", USER.0.to_owned());
        let user = PathBuf::from(std::env::var_os("HOME").unwrap_or_default());
        for (key, folder) in [("CARGO_HOME", ".cargo"), ("RUSTUP_HOME", ".rustup")] {
            let value = std::env::var_os(key).map_or_else(|| user.join(folder), PathBuf::from);
            set(key, value.display().to_string());
        }
        for (key, name) in [("CARGO_OCI_TEST_TOOLCHAIN", "RUSTUP_TOOLCHAIN"), ("TMPDIR", "TMPDIR")] {
            if let Ok(value) = std::env::var(key) {
                set(name, value);
            }
        }
        let docker = self.docker.as_ref().map(Docker::env).unwrap_or_default();
        for (key, value) in docker {
            set(&key, value.to_string_lossy().into_owned());
        }
    }

    /// Runs a command where the one before it left the folder and the variables. Its errors are in its output.
    fn run(&mut self, command: &str) -> Ran {
        let script = format!("exec 2>&1\n{}", self.script(command));
        let mut bash = Command::new("bash");
        bash.arg("-c").arg(script).env_clear().envs(self.variables.iter().cloned());
        let ran = run(&mut bash);
        Ran { stdout: self.as_shown(&ran.stdout), ..ran }
    }

    /// The same in a terminal of so many columns, with colours.
    fn run_in_terminal(&mut self, command: &str, columns: usize) -> Ran {
        let script = self.folder.path().join("script");
        fs::write(&script, format!("stty cols {columns} rows 50\n{}", self.script(command))).expect("a file");
        let mut terminal = Command::new("script");
        terminal.args(["--quiet", "--return", "--command", &format!("bash {}", script.display()), "/dev/null"]);
        terminal.env_clear().envs(self.variables.iter().cloned()).env("TERM", "xterm-256color").env("SHELL", "/bin/sh");
        let mut child = terminal.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("script starts");
        // Kept until the end: `script` types an end of file into the terminal when its own input ends.
        let keyboard = child.stdin.take();
        let ended = child.wait_with_output().expect("script ends");
        drop(keyboard);
        let stdout = self.as_shown(&String::from_utf8_lossy(&ended.stdout));
        Ran { stdout, stderr: String::new(), status: ended.status.code().unwrap_or(-1) }
    }

    /// Returns the lines of a shell that continues where the one before it stopped.
    fn script(&self, command: &str) -> String {
        let command = self.names.iter().fold(command.to_owned(), |text, (name, real)| text.replace(name, real));
        let state = self.folder.path().join("state");
        format!(
            "set -a\nif [ -e {0} ]; then . {0}; else cd {1}; fi\n\
            trap 'status=$?; {{ export -p; printf \"cd %q\\n\" \"$PWD\"; }} > {0}; exit $status' EXIT\n{command}\n",
            state.display(),
            self.folder.path().join("me").display()
        )
    }

    /// Returns output with the names that pages have for registries and folders.
    fn as_shown(&self, output: &str) -> String {
        let root = self.folder.path().canonicalize().expect("a folder").display().to_string();
        // Another page's cargo may hold the lock: no part of what a user sees.
        let output: String =
            output.split_inclusive('\n').filter(|line| !line.contains(" waiting for file lock")).collect();
        // HTTP is for loopback alone.
        let text = self.names.iter().fold(output, |text, (name, real)| {
            text.replace(&format!("http://{real}"), &format!("https://{name}")).replace(real, name)
        });
        text.replace(&format!("{root}/home"), "~").replace(&format!("{root}/me"), "/home/me")
    }
}
