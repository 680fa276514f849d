//! The program for Windows, in Wine.

use std::fs;
use std::io::Write;
use std::process::Stdio;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;

use serde_json::Value;

use super::VERSION;
use crate::support::environment;
use crate::support::problems;
use crate::support::process::{output, write_program};
use crate::support::project::Project;
use crate::support::registry::DockerRegistry;
use crate::support::wine::{Wine, on_windows};

/// Who has the home folder that all of Wine's users share.
static HOME: Mutex<()> = Mutex::new(());

fn home() -> MutexGuard<'static, ()> {
    HOME.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A project with a program for Linux that was compiled elsewhere, and files.
fn project() -> Project {
    // Windows has no executable bit.
    let files =
        r#"{ from = "assets/**", to = "/srv/www/" }, { from = "start.sh", to = "/srv/start.sh", mode = "0755" }"#;
    let project = Project::with_table(&format!("files = [{files}]")).file(".gitignore", "/target\n/dist\n");
    let project = project.file("assets/a.txt", "a").file("assets/deep/b.txt", "b");
    write_program(&project.path("start.sh"), "exit 0");
    project.build(&["--platform", "linux/amd64"]).succeeds();
    fs::create_dir(project.path("dist")).expect("a folder");
    let compiled = project.path("target/x86_64-unknown-linux-musl/release/x");
    fs::copy(compiled, project.path("dist/x")).expect("a program");
    fs::remove_dir_all(project.path("target")).expect("a folder");
    project
}

/// What makes an image of it without compiling.
const PREBUILT: [&str; 6] = ["--base", "embedded", "--platform", "linux/amd64", "--prebuilt", "linux/amd64=dist\\x"];

#[test]
#[ignore = "of the programs that .ci/test-releases compiles"]
fn windows_program_builds_the_same_image() {
    let (wine, project) = (Wine::new(), project());
    // On Linux, in another folder, for the same program and files.
    let here: Vec<_> = PREBUILT.iter().map(|arg| arg.replace('\\', "/")).collect();
    let here: Vec<_> = here.iter().map(String::as_str).collect();
    let expected = project.oci(&[&["build"][..], &here].concat()).succeeds().stdout;
    fs::remove_dir_all(project.path("target")).expect("a folder");

    let build = [&["build"][..], &PREBUILT].concat();
    assert_eq!(wine.succeeds(&project, &build).stdout, expected);
    assert_eq!(problems(&project.layout()), []);
    // Over the layout that is there, and beside it.
    let archive = on_windows(&project.path("out.tar"));
    let outputs = ["-o", &format!("oci-archive={archive}"), "-o", "oci-dir=out", "--metadata-file", "image.json"];
    for _ in 0..2 {
        assert_eq!(wine.succeeds(&project, &[&build[..], &outputs].concat()).stdout, expected);
    }
    assert_eq!(problems(&project.path("out")), []);
    let metadata: Value = serde_json::from_slice(&fs::read(project.path("image.json")).expect("a file")).expect("JSON");
    assert_eq!(metadata["images"][0]["layout"], on_windows(&project.layout()));

    for image in ["target\\oci\\x", "oci:out", archive.as_str(), &format!("oci-archive:{archive}")] {
        let shown = wine.succeeds(&project, &["inspect", "--json", image]).stdout;
        let shown: Value = serde_json::from_str(&shown).expect("JSON");
        assert!(
            expected.trim_end().ends_with(shown["images"][0]["digest"].as_str().expect("a digest")),
            "{image}: {shown}"
        );
        wine.succeeds(&project, &["validate", image]);
    }
    let bundle = ["bundle", "--from", "out", "--platform", "linux/amd64", "--output", "tar", "bundle.tar"];
    wine.succeeds(&project, &bundle);
    let listed = output(environment::command("tar").arg("-tf").arg(project.path("bundle.tar")));
    assert!(listed.contains("rootfs/app/x\n") && listed.contains("rootfs/srv/start.sh\n"), "{listed}");

    fs::write(project.path("out/index.json"), "{}").expect("a file");
    assert_eq!(wine.command(&project, &["validate", "out"]).output().expect("Wine").status.code(), Some(1));
}

#[test]
#[ignore = "of the programs that .ci/test-releases compiles"]
fn windows_program_asks_git_about_files() {
    let (wine, project) = (Wine::new(), project());
    let project = project.file(".gitignore", "/target\n/dist\n*.log\n");
    let git = |project: &Project, args: &[&str]| output(project.oci(&[]).command("git").args(args));
    git(&project, &["init", "--quiet"]);
    git(&project, &["add", "."]);
    git(&project, &["commit", "--quiet", "--message", "first"]);
    let project = project.file("assets/a.log", "noise");
    let words = wine.succeeds(&project, &[&["build"][..], &PREBUILT].concat()).stderr;
    assert!(words.contains("gets files that git ignores: assets\\a.log"), "{words}");
    let shown = wine.succeeds(&project, &["inspect", "--json", "target\\oci\\x"]).stdout;
    let commit = git(&project, &["rev-parse", "HEAD"]);
    assert!(shown.contains(&format!("\"org.opencontainers.image.revision\": \"{}\"", commit.trim_end())), "{shown}");
}

#[test]
#[ignore = "of the programs that .ci/test-releases compiles"]
fn windows_program_logs_in_and_pushes() {
    let (wine, project, _home) = (Wine::new(), project(), home());
    let registry = DockerRegistry::with_htpasswd("robot", "sesame");
    let repository = registry.reference("acme/hello");
    let push = [&["push"][..], &PREBUILT, &["--repository", &repository, "--tag", "latest"]].concat();
    let denied = wine.command(&project, &push).output().expect("Wine");
    assert_eq!(denied.status.code(), Some(1), "{denied:?}");

    let mut login = wine.command(&project, &["login", registry.host(), "--username", "robot", "--password-stdin"]);
    let mut login = login.stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("Wine");
    login.stdin.take().expect("a pipe").write_all(b"sesame").expect("writes");
    let login = login.wait_with_output().expect("ends");
    assert!(login.status.success(), "{}", String::from_utf8_lossy(&login.stderr));

    let pushed = wine.succeeds(&project, &push).stdout;
    let digest = pushed.trim_end().rsplit_once('@').expect("a digest").1.to_owned();
    let (_, index) = registry.manifest("acme/hello", "latest").expect("is there");
    assert_eq!(crate::support::registry::sha256(&index), digest);
    wine.succeeds(&project, &["validate", pushed.trim_end()]);
    wine.succeeds(&project, &["referrers", pushed.trim_end()]);

    // With a key of its own, whose password comes from a variable.
    let with_password = |args: &[&str]| {
        let ran = wine.command(&project, args).env("COSIGN_PASSWORD", "sesame").output().expect("Wine");
        assert!(ran.status.success(), "{args:?}: {}", String::from_utf8_lossy(&ran.stderr));
    };
    with_password(&["generate-key"]);
    with_password(&["sign", "--key", "cosign.key", pushed.trim_end()]);
    with_password(&["verify", "--key", "cosign.pub", pushed.trim_end()]);

    wine.succeeds(&project, &["logout", registry.host()]);
    let denied = wine.command(&project, &["inspect", &repository]).output().expect("Wine");
    assert_eq!(denied.status.code(), Some(1), "{denied:?}");
}

#[test]
#[ignore = "of the programs that .ci/test-releases compiles"]
fn windows_program_keeps_a_cache() {
    let (wine, project) = (Wine::new(), project());
    let build = [&["build"][..], &PREBUILT].concat();
    wine.succeeds(&project, &build);
    let list = || wine.succeeds(&project, &["cache", "list"]).stdout;
    assert_eq!(list().lines().count(), 2, "{}", list());
    assert_eq!(wine.succeeds(&project, &["cache", "path"]).stdout.trim_end(), on_windows(&Wine::cache(&project)));
    wine.succeeds(&project, &["cache", "verify"]);

    // A blob that is used is young again.
    let blobs = Wine::cache(&project).join("blobs/sha256");
    let old = std::time::SystemTime::now() - std::time::Duration::from_secs(20 * 24 * 60 * 60);
    for blob in fs::read_dir(&blobs).expect("a folder") {
        let file = fs::File::open(blob.expect("an entry").path()).expect("a blob");
        file.set_modified(old).expect("a time");
    }
    assert!(list().lines().all(|line| line.contains(" 20d ")), "{}", list());
    fs::remove_dir_all(project.path("target")).expect("a folder");
    wine.succeeds(&project, &build);
    assert!(list().lines().all(|line| line.contains(" 0d ")), "{}", list());

    let name = fs::read_dir(&blobs).expect("a folder").next().expect("a blob").expect("an entry").path();
    fs::write(name, "another").expect("a file");
    let wrong = wine.command(&project, &["cache", "verify"]).output().expect("Wine");
    assert_eq!(wrong.status.code(), Some(1), "{wrong:?}");
    wine.succeeds(&project, &["cache", "prune", "--max-size", "0"]);
    assert_eq!(list(), "");
}

#[test]
#[ignore = "of the programs that .ci/test-releases compiles"]
fn windows_programs_at_once_do_not_disturb_each_other() {
    let (wine, project, _home) = (Wine::new(), project(), home());
    let registry = DockerRegistry::with_htpasswd("robot", "sesame");
    // Two names of one registry, one entry each; and one cache and one layout for all builds.
    let port = registry.host().rsplit_once(':').expect("a port").1.to_owned();
    let hosts = [registry.host().to_owned(), format!("localhost:{port}")];
    thread::scope(|scope| {
        for host in &hosts {
            let (wine, project) = (&wine, &project);
            scope.spawn(move || {
                let login = ["login", host, "--username", "robot", "--password-stdin"];
                let mut login = wine.command(project, &login).stdin(Stdio::piped()).spawn().expect("Wine");
                login.stdin.take().expect("a pipe").write_all(b"sesame").expect("writes");
                assert!(login.wait().expect("ends").success(), "{host}");
            });
        }
    });
    let pushed: Vec<_> = thread::scope(|scope| {
        let threads: Vec<_> = (0..4)
            .map(|number| {
                let repository = format!("{}/acme/hello", hosts[number % 2]);
                let (wine, project) = (&wine, &project);
                scope.spawn(move || {
                    let tag = format!("run{number}");
                    let args = ["--repository", &repository, "--tag", &tag];
                    wine.succeeds(project, &[&["push"][..], &PREBUILT, &args].concat()).stdout
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().expect("a push")).collect()
    });
    let digest = |line: &String| line.trim_end().rsplit_once('@').expect("a digest").1.to_owned();
    assert!(pushed.iter().all(|line| digest(line) == digest(&pushed[0])), "{pushed:?}");
    assert_eq!(problems(&project.layout()), []);
    for host in &hosts {
        wine.succeeds(&project, &["logout", host]);
    }
}

#[test]
#[ignore = "of the programs that .ci/test-releases compiles"]
fn windows_program_prints_help_and_errors() {
    let (wine, project) = (Wine::new(), Project::new("hello"));
    assert_eq!(wine.succeeds(&project, &["--version"]).stdout, format!("cargo oci {VERSION}\n"));
    assert!(wine.succeeds(&project, &["--help"]).stdout.contains("Usage: cargo oci <COMMAND>"));
    assert!(wine.succeeds(&project, &["push", "--help"]).stdout.contains("--repository"));
    wine.succeeds(&project, &["man", "pages\\man"]);
    assert!(project.path("pages/man/cargo-oci-push.1").is_file());
    // What only Linux has says so, and what to do instead.
    let bundle = wine.command(&project, &["bundle", "--from", "missing", "bundle"]).output().expect("Wine");
    let words = String::from_utf8_lossy(&bundle.stderr);
    assert!(bundle.status.code() == Some(1) && words.contains("help: "), "{words}");
    let wrong = wine.command(&project, &["inspect", "Z:\\nowhere\\image.tar"]).output().expect("Wine");
    let words = String::from_utf8_lossy(&wrong.stderr);
    assert!(wrong.status.code() == Some(1) && words.contains("Z:\\nowhere\\image.tar"), "{words}");
    let wrong = wine.command(&project, &["build", "--no-such-flag"]).output().expect("Wine");
    assert_eq!(wrong.status.code(), Some(2));
}
